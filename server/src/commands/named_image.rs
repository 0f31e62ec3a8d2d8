//! A stored image as somebody names it on the command line: by its file, its dump's id, or its guest, of which it is the
//! newest one. A guest is named by its UUID or by a name that only one guest had of those with images here: one that was made
//! anew under a name is another guest.

use std::path::{Path, PathBuf};

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_image::read_manifest;
use memdeck_model::{DumpId, GuestName, Record, VmRef};

use super::recorded::{self, Recorded};
use super::{Failure, with_causes};
use crate::config::Config;
use crate::ownership;

/// So many images are looked at, the newest ones.
pub const MOST_IMAGES: u32 = 10_000;

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
    let record = match of_dump {
        Some(record) => record,
        None => match of_guest(&catalog, word).map_err(failed)? {
            OfGuest::Newest(record) => *record,
            OfGuest::Ambiguous(guests) => return Err(ambiguous(word, &guests)),
            OfGuest::None => {
                return Err(none(&format!(
                    "and the catalog in {state_dir} knows no dump, and no guest of that name or UUID with an image here"
                )));
            }
        },
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

/// The newest images of one guest, oldest first: at most `most` of those that are here.
pub fn of_one_guest(config: &Config, word: &str, most: usize) -> Result<Vec<NamedImage>, Failure> {
    let state_dir = config.state_dir.display();
    let failed = |error| Failure::new(with_causes(&error));
    let catalog = open_catalog(config)
        .map_err(|error| Failure::new(format!("the catalog in {state_dir} cannot be used: {error}")))?;
    let newest = match of_guest(&catalog, word).map_err(failed)? {
        OfGuest::Newest(record) => *record,
        OfGuest::Ambiguous(guests) => return Err(ambiguous(word, &guests)),
        OfGuest::None => {
            return Err(Failure::new(format!(
                "the catalog in {state_dir} knows no guest '{word}', by name or UUID, with an image here"
            )));
        }
    };
    let uuid = uuid_of_guest(&catalog, &newest).map_err(failed)?;
    // One that is named by its UUID may have had several names.
    let name = (newest.dom.0 == word).then_some(&newest.dom);
    let mut images = Vec::new();
    for record in catalog.kept_images(name, MOST_IMAGES).map_err(failed)? {
        let path = record.dump_path.as_ref().map(PathBuf::from).filter(|path| path.exists());
        if let Some(path) = path
            && uuid_of_guest(&catalog, &record).map_err(failed)? == uuid
        {
            images.push(NamedImage { path, recorded: Recorded::By(Box::new(record)) });
            if images.len() == most {
                break;
            }
        }
    }
    images.reverse();
    Ok(images)
}

/// What is known of a guest that somebody names.
enum OfGuest {
    /// Its newest image.
    Newest(Box<Record>),
    /// Several had the name: the UUID of each, with its newest image.
    Ambiguous(Vec<(String, Record)>),
    None,
}

/// The guest with this UUID, else of this name, exactly.
fn of_guest(catalog: &Catalog, word: &str) -> Result<OfGuest, CatalogError> {
    if let Some(uuid) = VmRef::new(word).ok().and_then(|guest| guest.as_uuid()) {
        for record in catalog.kept_images(None, MOST_IMAGES)? {
            if uuid_of_guest(catalog, &record)?.as_ref() == Some(&uuid) {
                return Ok(OfGuest::Newest(Box::new(record)));
            }
        }
    }
    let records = catalog.kept_images(Some(&GuestName(word.to_owned())), MOST_IMAGES)?;
    let mut guests: Vec<(String, Record)> = Vec::new();
    for record in &records {
        if let Some(uuid) = uuid_of_guest(catalog, record)?
            && guests.iter().all(|(known, _)| *known != uuid)
        {
            guests.push((uuid, record.clone()));
        }
    }
    if guests.len() > 1 {
        return Ok(OfGuest::Ambiguous(guests));
    }
    Ok(records.into_iter().next().map_or(OfGuest::None, |record| OfGuest::Newest(Box::new(record))))
}

/// Whose image it is, by its record; of older ones by the job of its dump, where it is not forgotten, else by its manifest.
fn uuid_of_guest(catalog: &Catalog, record: &Record) -> Result<Option<String>, CatalogError> {
    if let Some(uuid) = &record.guest_uuid {
        return Ok(Some(uuid.to_ascii_lowercase()));
    }
    let job = record.dump_id.as_ref().map(|dump_id| catalog.job(dump_id)).transpose()?.flatten();
    let of_manifest = || {
        let manifest = read_manifest(Path::new(record.dump_path.as_deref()?)).ok()??;
        Some(manifest.manifest.guest.uuid)
    };
    let uuid = job.and_then(|job| job.guest).map(|guest| guest.uuid).or_else(of_manifest);
    Ok(uuid.map(|uuid| uuid.to_ascii_lowercase()))
}

fn ambiguous(word: &str, guests: &[(String, Record)]) -> Failure {
    let newest = |record: &Record| {
        let dump_id = record.dump_id.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("whose newest dump is {dump_id} of {}", record.timestamp)
    };
    let each: Vec<_> = guests.iter().map(|(uuid, record)| format!("{uuid}, {}", newest(record))).collect();
    let (count, each) = (guests.len(), each.join("; "));
    Failure::new(format!(
        "{count} guests with images here had the name '{word}': name one of them by its UUID, or a dump by its id: {each}"
    ))
}

/// The catalog of the state directory, to read it beside whoever has it. What others may write to is no witness.
pub fn open_catalog(config: &Config) -> Result<Catalog, String> {
    ownership::check_directory(&config.state_dir).map_err(|error| with_causes(&error))?;
    Catalog::open_to_read(&config.state_dir).map_err(|error| with_causes(&error))
}
