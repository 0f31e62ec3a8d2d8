//! `memdeck guests`

use std::sync::Arc;

use memdeck_model::Guest;
use memdeck_operations::blocking;
use serde_json::json;

use super::service::Service;
use super::table::Table;
use super::{Exit, Failure, Output, with_causes};
use crate::cli::JsonArgs;
use crate::config::Config;
use crate::node;

pub async fn run(config: &Config, args: &JsonArgs) -> Result<Exit, Failure> {
    let guests = match Service::find(config)? {
        Some(service) => service.guests().await?,
        None => here(config).await?,
    };
    let mut output = Output::default();
    if args.json {
        output.json(&json!({"guests": guests}))?;
    } else {
        output.text(table(guests).to_string())?;
    }
    Ok(Exit::Done)
}

async fn here(config: &Config) -> Result<Vec<Guest>, Failure> {
    let hypervisor = node::hypervisor(&config.libvirt, &config.dumps);
    let hypervisor = Arc::clone(&hypervisor);
    blocking(move || hypervisor.guests()).await.map_err(|error| Failure::new(with_causes(&error)))
}

fn table(mut guests: Vec<Guest>) -> Table {
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    let mut table = Table::new(["VM", "ID", "STATE", "VCPUS", "MEMORY", "UUID"]);
    for guest in guests {
        table.row(&[
            guest.name.0,
            guest.id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
            guest.state.as_str().to_owned(),
            guest.vcpus.to_string(),
            guest.memory.to_string(),
            guest.uuid,
        ]);
    }
    table
}
