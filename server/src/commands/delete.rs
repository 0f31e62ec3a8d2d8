//! `memdeck delete`

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Arc;

use memdeck_catalog::LockRole;
use memdeck_model::{DeleteRequest, DumpId, Record};
use memdeck_operations::{Caller, Images};

use super::output::say;
use super::service::{Service, operator};
use super::table::printable;
use super::{Exit, Failure, Output};
use crate::cli::DeleteArgs;
use crate::config::Config;
use crate::node::{self, State};

pub async fn run(config: &Config, args: &DeleteArgs) -> Result<Exit, Failure> {
    if !args.yes && !io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask on; --yes deletes without asking"));
    }
    let store = Store::open(config).await?;
    let record = store.record(&args.dump_id).await?;
    if record.deleted_at.is_none() && !args.yes && !confirmed(&record)? {
        return Err(Failure::new("nothing was deleted"));
    }
    let deleted = store.delete(&args.dump_id, &record).await?;
    let mut output = Output::default();
    if args.json {
        output.json(&deleted)?;
    } else {
        let (name, id) = (printable(&deleted.dom.0), &args.dump_id);
        output.line(format_args!("{name}: the image of dump {id} is deleted; its record stays"))?;
    }
    Ok(Exit::Done)
}

/// Who has the images.
enum Store {
    Service(Service),
    /// This process, which holds the state directory until the end.
    Here {
        images: Arc<Images>,
        _held: State,
    },
}

impl Store {
    async fn open(config: &Config) -> Result<Self, Failure> {
        if let Some(service) = Service::find(config)? {
            return Ok(Self::Service(service));
        }
        let state = State::take(config, LockRole::Delete)?;
        let here = node::stored_images(config, &state).await;
        let images =
            Arc::new(Images::new(Arc::clone(&state.catalog), node::audit(config, &state), here, None));
        Ok(Self::Here { images, _held: state })
    }

    async fn record(&self, dump_id: &DumpId) -> Result<Record, Failure> {
        match self {
            Self::Service(service) => Ok(service.client.record(dump_id).await?),
            Self::Here { images, .. } => {
                Ok(images.record(dump_id.as_str(), &Caller::trusted(operator())).await?)
            }
        }
    }

    async fn delete(&self, dump_id: &DumpId, record: &Record) -> Result<Record, Failure> {
        let request = DeleteRequest::confirmed(&record.dom.0);
        match self {
            Self::Service(service) => {
                let by = service.takes_actors().await?.then(operator);
                let request = DeleteRequest { by, ..request };
                Ok(service.client.delete_image(dump_id, &request).await?)
            }
            Self::Here { images, .. } => {
                let caller = Caller::trusted(operator());
                Ok(images.delete(dump_id.as_str(), request, &caller).await?)
            }
        }
    }
}

/// Shows what would go, and asks.
fn confirmed(record: &Record) -> Result<bool, Failure> {
    let unknown = || "unknown".to_owned();
    say(format_args!(
        "{}, dumped at {}\n  file    {}\n  size    {}\n  sha256  {}",
        printable(&record.dom.0),
        record.timestamp,
        record.dump_path.clone().unwrap_or_else(unknown),
        record.gzip_size_bytes.map_or_else(unknown, |size| size.to_string()),
        record.sha256.clone().unwrap_or_else(unknown),
    ));
    say("Delete this image for good? The record stays. Write yes to delete it:");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(format!("standard input: {error}")))?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
