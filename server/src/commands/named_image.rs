//! A stored image as somebody names it on the command line: by its file, its dump's id, or its guest, of which it is the
//! newest one.

use std::path::{Path, PathBuf};

use memdeck_catalog::Catalog;
use memdeck_model::{DumpId, GuestName, Record};

use super::recorded::{self, Recorded};
use super::{Failure, with_causes};
use crate::config::Config;
use crate::ownership;

/// An image that was found.
pub struct NamedImage {
    /// The stored image.
    pub path: PathBuf,
    /// What the catalog knows of it.
    pub recorded: Recorded,
}

impl NamedImage {
    /// The record, where there is one.
    pub fn record(&self) -> Option<&Record> {
        match &self.recorded {
            Recorded::By(record) => Some(record),
            Recorded::Unknown(_) => None,
        }
    }
}

/// Finds the image of that name. A file that exists is meant before a dump or guest of the same name.
pub fn find(config: &Config, name: &Path) -> Result<NamedImage, Failure> {
    let is_word = |word: &&str| {
        !word.contains('/')
            && name.extension().is_none_or(|end| end != "zst")
            && name.symlink_metadata().is_err()
    };
    let word = name.to_str().filter(is_word);
    let Some(word) = word else {
        return Ok(NamedImage { path: name.to_owned(), recorded: recorded::of(config, name) });
    };
    let state_dir = config.state_dir.display();
    let none = |why: &str| Failure::new(format!("'{word}' is no file, {why}"));
    let catalog = open_catalog(config).map_err(|error| {
        none(&format!("and whether it is a dump or a guest is not known: the catalog in {state_dir} cannot be used: {error}"))
    })?;
    let failed = |error| Failure::new(with_causes(&error));
    let of_dump = match word.parse::<DumpId>() {
        Ok(dump_id) => catalog.record_of(&dump_id).map_err(failed)?,
        Err(_) => None,
    };
    let of_guest = || catalog.kept_images(Some(&GuestName(word.to_owned())), 1);
    let record = match of_dump {
        Some(record) => record,
        None => of_guest().map_err(failed)?.into_iter().next().ok_or_else(|| {
            none(&format!(
                "and the catalog in {state_dir} knows no dump and no guest of that name with an image here"
            ))
        })?,
    };
    if let Some(at) = record.deleted_at {
        return Err(Failure::new(format!("the image of dump {word} was deleted at {at}")));
    }
    let path = record.dump_path.as_deref().filter(|path| !path.is_empty()).map(PathBuf::from);
    let path =
        path.ok_or_else(|| Failure::new(format!("where the image of dump {word} is, is not known")))?;
    if !path.exists() {
        let host = record.host.as_deref().unwrap_or("another host");
        let path = path.display();
        return Err(Failure::new(format!(
            "the image of '{word}' is not here: it was stored as {path} on {host}"
        )));
    }
    Ok(NamedImage { path, recorded: Recorded::By(Box::new(record)) })
}

/// The catalog of the state directory, to read it beside whoever has it. What others may write to is no witness.
pub fn open_catalog(config: &Config) -> Result<Catalog, String> {
    ownership::check_directory(&config.state_dir).map_err(|error| with_causes(&error))?;
    Catalog::open_to_read(&config.state_dir).map_err(|error| with_causes(&error))
}
