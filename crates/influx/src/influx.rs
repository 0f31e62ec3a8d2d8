//! The client: learns the column types, creates the database, writes points.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memdeck_model::Record;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url, redirect};

use crate::line::line;
use crate::reply::Reply;
use crate::settings::{is_loopback, public};
use crate::types::FieldTypes;
use crate::{FeedError, InfluxSettings, Login, RecordFeed};

/// A write is tried again with what a refusal taught: at most once for each field, and once for a new database.
const MAX_ATTEMPTS: u32 = 14;

/// A store that answers the calls of `InfluxDB` 1.
pub struct Influx {
    http: Client,
    base: Url,
    database: String,
    login: Login,
    timeout: Duration,
    description: String,
    /// The column types that the last write found to be right; `None` before the first.
    types: Mutex<Option<FieldTypes>>,
}

/// What [`RecordFeed::describe`] says; the rest is secret or noise.
impl fmt::Debug for Influx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Influx").field(&self.description).finish()
    }
}

impl Influx {
    /// A client for that store. Nothing is sent yet.
    ///
    /// The process must have installed a TLS provider (`rustls::crypto::CryptoProvider::install_default`) before.
    ///
    /// # Errors
    /// The URL, the database's name or the token cannot be used.
    pub fn new(settings: InfluxSettings) -> Result<Self, FeedError> {
        let base = settings.base_url()?;
        let InfluxSettings { database, login, timeout, .. } = settings;
        if database.is_empty() || database.chars().any(char::is_control) {
            let reason = "INFLUX_DB must name a database, without control characters".to_owned();
            return Err(FeedError::Settings { reason });
        }
        let http = client(&base, &login, timeout)?;
        let description = format!("InfluxDB at {}, database {database}", public(&base));
        Ok(Self { http, base, database, login, timeout, description, types: Mutex::default() })
    }

    fn url(&self, call: &str, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{call}", self.base.path()));
        url.query_pairs_mut().append_pair("db", &self.database).extend_pairs(parameters);
        url
    }

    async fn post_line(&self, line: String) -> Result<Reply, FeedError> {
        let request = self.http.post(self.url("write", &[("precision", "ns")])).body(line);
        Reply::of(request, &self.description, self.timeout).await
    }

    /// Asks for the column types. A store that has no such database or table yet answers 400 or 404: all unknown.
    async fn learn_types(&self) -> Result<FieldTypes, FeedError> {
        let request = self.http.get(self.url("query", &[("q", &FieldTypes::query())]));
        let reply = Reply::of(request, &self.description, self.timeout).await?;
        match reply.status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Ok(FieldTypes::default()),
            status if status.is_success() => Ok(FieldTypes::read(&reply.body)),
            _ => Err(self.refused(reply, None)),
        }
    }

    /// Asks for the database to be created. Whether that worked is told by the write that follows: version 3 refuses
    /// this call and needs none.
    async fn create_database(&self) -> Result<Reply, FeedError> {
        let name = self.database.replace('\\', "\\\\").replace('"', "\\\"");
        let statement = format!("CREATE DATABASE \"{name}\"");
        let request = self.http.post(self.url("query", &[("q", &statement)]));
        Reply::of(request, &self.description, self.timeout).await
    }

    fn refused(&self, reply: Reply, cause: Option<&str>) -> FeedError {
        reply.into_error(&self.description, cause, self.login.secret())
    }

    fn known_types(&self) -> Option<FieldTypes> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember_types(&self, types: FieldTypes) {
        *self.types.lock().unwrap_or_else(PoisonError::into_inner) = Some(types);
    }
}

#[async_trait]
impl RecordFeed for Influx {
    async fn write(&self, record: &Record) -> Result<(), FeedError> {
        let mut types = match self.known_types() {
            Some(types) => types,
            None => self.learn_types().await?,
        };
        // What refusals of this write stated. It outweighs what the store lists, which may be of another shard.
        let mut stated = FieldTypes::default();
        let mut creation: Option<Reply> = None;
        let mut attempt = 1;
        loop {
            let reply = self.post_line(line(record, &types)).await?;
            if reply.acknowledges() {
                self.remember_types(types);
                return Ok(());
            }
            if reply.misses_database() {
                if let Some(creation) = creation {
                    let cause = format!("creating it: {}", creation.reason());
                    return Err(self.refused(reply, Some(&cause)));
                }
                creation = Some(self.create_database().await?);
            } else if let Some(correction) = FieldTypes::from_refusal(&reply.text()) {
                stated.extend(&correction);
                let mut learned = self.learn_types().await?;
                learned.extend(&stated);
                if learned == types || attempt >= MAX_ATTEMPTS {
                    return Err(self.refused(reply, None));
                }
                types = learned;
            } else {
                return Err(self.refused(reply, None));
            }
            attempt += 1;
        }
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

/// An HTTP client that asks that store and no other: a redirected write would not be one.
fn client(base: &Url, login: &Login, timeout: Duration) -> Result<Client, FeedError> {
    let mut headers = HeaderMap::new();
    let authorization = match login {
        Login::None => None,
        Login::Token(token) => Some(format!("Bearer {token}")),
        Login::User { name, password } => {
            Some(format!("Basic {}", BASE64.encode(format!("{name}:{password}"))))
        }
    };
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::try_from(authorization).map_err(|_| {
            let reason = "INFLUX_TOKEN contains a character that cannot be sent".to_owned();
            FeedError::Settings { reason }
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let mut builder =
        Client::builder().default_headers(headers).timeout(timeout).redirect(redirect::Policy::none());
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if base.scheme() == "http" {
        // Without TLS the system's certificates are not needed, and a machine that has none is no obstacle.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| FeedError::Settings { reason: format!("no HTTP client ({error})") })
}
