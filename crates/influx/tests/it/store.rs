//! The stores that the tests write to, and how to look into them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use memdeck_influx::Influx;
use memdeck_influx::test_support::InfluxServer;
use serde_json::Value;

/// A database of its own in a running store.
pub struct Store {
    server: Server,
    pub database: String,
}

enum Server {
    /// A private `InfluxDB` 1.
    Own(InfluxServer),
    /// The `InfluxDB` 3 that the environment names.
    Given { url: String, token: Option<String> },
}

impl Store {
    /// Every store there is: always `InfluxDB` 1, and `InfluxDB` 3 where `INFLUX3_URL` (and, if it asks for one,
    /// `INFLUXDB3_TOKEN`) says where. The database does not exist yet.
    pub fn all() -> Vec<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("memdeck_test_{}_{number}", std::process::id());
        let mut stores =
            vec![Self { server: Server::Own(InfluxServer::start()), database: database.clone() }];
        if let Ok(url) = std::env::var("INFLUX3_URL") {
            let token = std::env::var("INFLUXDB3_TOKEN").ok();
            stores.push(Self { server: Server::Given { url, token }, database });
        }
        stores
    }

    pub fn client(&self) -> Influx {
        match &self.server {
            Server::Own(server) => crate::client(&server.url(), &self.database, None),
            Server::Given { url, token } => crate::client(url, &self.database, token.as_deref()),
        }
    }

    /// Writes lines as another program would; the database must exist where the store does not create it.
    pub async fn write(&self, lines: &str) {
        let status = match &self.server {
            Server::Own(server) => server.write(&self.database, lines),
            Server::Given { url, token } => {
                let request = http(token.as_deref()).post(format!("{url}/write?db={}", self.database));
                request.body(lines.to_owned()).send().await.unwrap().status().as_u16()
            }
        };
        assert_eq!(status, 204, "{lines}");
    }

    pub async fn query(&self, statement: &str) -> Value {
        match &self.server {
            Server::Own(server) => server.query(&self.database, statement),
            Server::Given { url, token } => {
                let request = http(token.as_deref()).get(format!("{url}/query"));
                let parameters = [("db", self.database.as_str()), ("q", statement), ("epoch", "")];
                request.query(&parameters).send().await.unwrap().json().await.unwrap()
            }
        }
    }

    /// Creates the database as an operator would have. `InfluxDB` 3 creates it at the first write.
    pub async fn create(&self) {
        if let Server::Own(_) = self.server {
            self.query(&format!("CREATE DATABASE {}", self.database)).await;
        }
    }

    /// The rows of `mem_dumps`, oldest first, by column; a column without a value is missing.
    pub async fn rows(&self) -> Vec<BTreeMap<String, Value>> {
        let answer = self.query("SELECT * FROM mem_dumps").await;
        let Some(series) = answer.pointer("/results/0/series/0") else { return Vec::new() };
        let columns: Vec<String> = serde_json::from_value(series["columns"].clone()).unwrap();
        let values: Vec<Vec<Value>> = serde_json::from_value(series["values"].clone()).unwrap();
        let row = |row: Vec<Value>| {
            columns.iter().cloned().zip(row).filter(|(_, value)| !value.is_null()).collect()
        };
        values.into_iter().map(row).collect()
    }

    /// The types of the columns of `mem_dumps`.
    pub async fn types(&self) -> BTreeMap<String, String> {
        let answer = self.query("SHOW FIELD KEYS FROM mem_dumps").await;
        serde_json::from_value::<Vec<(String, String)>>(answer["results"][0]["series"][0]["values"].clone())
            .unwrap()
            .into_iter()
            .collect()
    }
}

fn http(token: Option<&str>) -> reqwest::Client {
    let mut headers = reqwest::header::HeaderMap::new();
    if let Some(token) = token {
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    reqwest::Client::builder().default_headers(headers).tls_certs_only([]).build().unwrap()
}
