//! The catalog's record of an image that somebody names by its file.

use std::path::Path;
use std::time::Duration;

use memdeck_catalog::{Catalog, holder_of};
use memdeck_image::{dump_id_of, read_manifest};
use memdeck_model::{DumpId, Record};
use reqwest::{Method, Url};

use super::with_causes;
use crate::config::{Config, ServiceConfig};
use crate::remote::ServiceClient;

/// How long a service may take that is asked for a record.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// What the catalog knows of an image.
pub enum Recorded {
    /// Its record.
    By(Box<Record>),
    /// Nothing, and why.
    Unknown(String),
}

/// Finds the record: in the catalog of the state directory, or else with the service that has it.
pub fn of(config: &Config, image: &Path) -> Recorded {
    // The name first: a manifest may be the one that was exchanged.
    let of_manifest = || read_manifest(image).ok().flatten().map(|file| file.manifest.dump_id);
    let Some(dump_id) = dump_id_of(image).or_else(of_manifest) else {
        return Recorded::Unknown("neither its name nor a manifest says of which dump it is".to_owned());
    };
    let in_catalog = Catalog::open_to_read(&config.state_dir).and_then(|catalog| catalog.record_of(&dump_id));
    let why = match in_catalog {
        Ok(Some(record)) => return Recorded::By(Box::new(record)),
        Ok(None) => format!("the catalog in {} does not know dump {dump_id}", config.state_dir.display()),
        Err(error) => with_causes(&error),
    };
    match asked(config, &dump_id) {
        Some(Ok(record)) => Recorded::By(Box::new(record)),
        Some(Err(refusal)) => Recorded::Unknown(format!("{why}; {refusal}")),
        None => Recorded::Unknown(why),
    }
}

/// Asks the configured service, or the one that holds the state directory, where there is one.
fn asked(config: &Config, dump_id: &DumpId) -> Option<Result<Record, String>> {
    let holder = || {
        let url = Url::parse(holder_of(&config.state_dir)?.url.as_deref()?).ok()?;
        let (timeout, token) = (ASK_TIMEOUT, config.http.token.clone());
        Some(ServiceConfig { url, timeout, token })
    };
    let service = config.service.clone().or_else(holder)?;
    let ask = async {
        let client = ServiceClient::new(&service).map_err(|error| with_causes(&error))?;
        let told =
            client.image_call(Method::GET, dump_id, None, None).await.map_err(|problem| problem.detail)?;
        serde_json::from_value(told).map_err(|error| error.to_string())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Some(runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(ask)))
}
