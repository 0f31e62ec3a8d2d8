//! The catalog's record of an image that somebody names by its file.

use std::path::Path;

use memdeck_catalog::{Catalog, holder_of};
use memdeck_image::{dump_id_of, read_manifest};
use memdeck_model::{DumpId, Record};

use super::{own_service, with_causes};
use crate::config::Config;
use crate::ownership;
use memdeck_agent::ServiceClient;

/// What the catalog knows of an image.
pub enum Recorded {
    By(Box<Record>),
    /// Nothing, and why.
    Unknown(String),
}

/// Finds the record: in the catalog of the state directory, or else with the service that has it.
pub fn of(config: &Config, image: &Path) -> Recorded {
    // The name first: a manifest may be the one that was exchanged.
    let of_manifest = || read_manifest(image).ok().flatten().map(|file| file.manifest.dump_id);
    let Some(dump_id) = dump_id_of(image).or_else(of_manifest) else {
        return Recorded::Unknown("neither its name nor a manifest says which dump it is of".to_owned());
    };
    // What others may write to is no witness, and its lock file is not believed.
    let trusted = ownership::check_directory(&config.state_dir).map_err(|error| with_causes(&error));
    let catalog = || Catalog::open_to_read(&config.state_dir).map_err(|error| with_causes(&error));
    let found = trusted.as_ref().map_err(Clone::clone).and_then(|()| catalog());
    let found = found.and_then(|catalog| catalog.record_of(&dump_id).map_err(|error| with_causes(&error)));
    let state_dir = config.state_dir.display();
    let why = match found {
        Ok(Some(record)) => return Recorded::By(Box::new(record)),
        Ok(None) => format!("the catalog in {state_dir} does not know dump {dump_id}"),
        Err(error) => format!("the catalog in {state_dir} cannot be used: {error}"),
    };
    match asked(config, &dump_id, trusted.is_ok()) {
        Some(Ok(record)) => Recorded::By(Box::new(record)),
        Some(Err(refusal)) => Recorded::Unknown(format!("{why}; {refusal}")),
        None => Recorded::Unknown(why),
    }
}

/// Asks the configured service, or the one that holds the state directory, if there is one that can be believed.
fn asked(config: &Config, dump_id: &DumpId, is_trusted: bool) -> Option<Result<Record, String>> {
    let client = match &config.service {
        Some(service) => ServiceClient::new(service).map_err(|error| with_causes(&error)),
        None if !is_trusted => return None,
        None => own_service::client(config, &holder_of(&config.state_dir)?)?
            .map_err(|failure| failure.message().to_owned()),
    };
    let ask = || {
        let ask = async { client?.record(dump_id).await.map_err(|problem| problem.detail.to_string()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(ask)
    };
    // Some subcommands are on a runtime already, in which no other one can be.
    let asked = std::thread::scope(|scope| scope.spawn(ask).join());
    Some(asked.unwrap_or_else(|_| Err("the question to the service broke off".to_owned())))
}
