//! A real InfluxDB for the relay of the outbox and for rows that others wrote.

use std::sync::Arc;
use std::time::Duration;

use memdeck_influx::test_support::InfluxServer;
use memdeck_influx::{Influx, InfluxSettings, Login};

/// The database of every test.
pub const DATABASE: &str = "vmstats";

/// The adapter for that server.
pub fn influx(server: &InfluxServer) -> Arc<Influx> {
    memdeck::commands::install_tls_provider();
    let settings = InfluxSettings {
        url: server.url(),
        database: DATABASE.to_owned(),
        org: None,
        bucket: None,
        login: Login::None,
        timeout: Duration::from_secs(10),
    };
    Arc::new(Influx::new(settings).unwrap())
}
