//! The client: finds the calls that the store answers, learns the column types, creates the database, writes points.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use memdeck_model::{InfluxVersion, Record};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url, redirect};
use tokio::sync::RwLock;

use crate::api::{NEWEST_FIRST, Target, is_absent};
use crate::batch::Parts;
use crate::line::push_line;
use crate::point::AsLine;
use crate::reply::Reply;
use crate::settings::{is_loopback, public};
use crate::types::FieldTypes;
use crate::{FeedError, InfluxSettings, Login, Point, PointSink, Rejection, WriteOutcome, record_point};

/// A write is tried again with what a refusal taught: at most once for each field, and once for a new database.
const MAX_ATTEMPTS: u32 = 14;

/// A shorter body is sent as it is: packing would save nothing.
const PACKED_FROM_BYTES: usize = 1024;

/// A store of any version from 1 to 3.
pub struct Influx {
    pub(crate) http: Client,
    base: Url,
    pub(crate) database: String,
    org: String,
    bucket: String,
    pub(crate) login: Login,
    pub(crate) timeout: Duration,
    pub(crate) description: String,
    /// The calls that worked last. Tried first; when they are gone, all are tried anew.
    version: RwLock<Option<InfluxVersion>>,
    /// By measurement, the column types that the last write found to be right.
    types: RwLock<BTreeMap<String, Arc<FieldTypes>>>,
    /// The reading client of the crate `influxdb`, with the same connections and login.
    pub(crate) reader: influxdb::Client,
}

/// What [`PointSink::describe`] says; the rest is secret or noise.
impl fmt::Debug for Influx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Influx").field(&self.description).finish()
    }
}

/// A refusal of the whole body, or what its answer says of single lines.
enum Refused {
    /// These places were refused and all others were written.
    Lines(Vec<(usize, FeedError)>),
    /// One of the lines, or all of them.
    Together(FeedError),
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
        let InfluxSettings { database, org, bucket, login, timeout, .. } = settings;
        if database.is_empty() || database.chars().any(char::is_control) {
            let reason = "INFLUX_DB must name a database, without control characters".to_owned();
            return Err(FeedError::Settings { reason });
        }
        let http = client(&base, &login, timeout)?;
        let description = format!("InfluxDB at {}, database {database}", public(&base));
        let reader = influxdb::Client::new(base.as_str().trim_end_matches('/'), &database)
            .with_http_client(http.clone());
        Ok(Self {
            http,
            base,
            bucket: bucket.unwrap_or_else(|| database.clone()),
            org: org.unwrap_or_default(),
            database,
            login,
            timeout,
            description,
            version: RwLock::default(),
            types: RwLock::default(),
            reader,
        })
    }

    /// Writes the record's point.
    ///
    /// # Errors
    /// As [`PointSink::write`]; and the store refuses this very point, see [`FeedError::is_permanent`].
    pub async fn write_record(&self, record: &Record) -> Result<(), FeedError> {
        let outcome = self.write(&[record_point(record)?]).await?;
        outcome.rejected.into_iter().next().map_or(Ok(()), |rejection| Err(rejection.error))
    }

    /// Which generation of calls worked last.
    pub async fn version(&self) -> Option<InfluxVersion> {
        *self.version.read().await
    }

    pub(crate) fn target(&self) -> Target<'_> {
        Target { base: &self.base, database: &self.database, bucket: &self.bucket, org: &self.org }
    }

    /// Writes what can be written as lines. The same as [`PointSink::write`].
    pub(crate) async fn write_lines<L: AsLine + Sync>(
        &self,
        points: &[L],
    ) -> Result<WriteOutcome, FeedError> {
        let mut outcome = WriteOutcome::default();
        let mut parts = Parts::of(points.len());
        while let Some(part) = parts.next() {
            let Some(lines) = points.get(part.clone()) else { continue };
            match self.write_part(lines).await? {
                Ok(written) => {
                    outcome.written += written;
                }
                Err(Refused::Lines(refused)) => {
                    outcome.written += part.len().saturating_sub(refused.len());
                    let placed = |(at, error)| Rejection { index: part.start + at, error };
                    outcome.rejected.extend(refused.into_iter().map(placed));
                }
                Err(Refused::Together(error)) => {
                    // A single line, or one refusal too many. What is not about the lines stops the whole write.
                    if !error.is_permanent() {
                        return Err(error);
                    }
                    if parts.split(&part).is_none() {
                        let mut rejected = |index: usize| {
                            outcome.rejected.push(Rejection { index, error: error.clone() });
                        };
                        part.clone().for_each(&mut rejected);
                    }
                }
            }
        }
        outcome.rejected.sort_by_key(|rejection| rejection.index);
        Ok(outcome)
    }

    /// Writes some lines in one body, again with what a refusal taught of types and of the database.
    async fn write_part<L: AsLine + Sync>(&self, points: &[L]) -> Result<Result<usize, Refused>, FeedError> {
        let mut types = self.types_for(points).await?;
        // What refusals of this write stated. It outweighs what the store lists, which may be of another shard.
        let mut stated = FieldTypes::default();
        let mut attempt = 1;
        loop {
            let (body, places) = Self::body(points, &types);
            if places.is_empty() {
                return Ok(Ok(points.len()));
            }
            let reply = self.post(body).await?;
            if reply.acknowledges() {
                self.types.write().await.extend(types);
                return Ok(Ok(points.len()));
            }
            let Some(correction) = FieldTypes::from_refusal(&reply.text()) else {
                return Ok(Err(self.refused_lines(reply, &places)));
            };
            // It names a column and not its measurement: among several, what the store lists has to do, and splitting.
            let is_mixed = types.len() > 1;
            if !is_mixed {
                stated.extend(&correction);
            }
            let mut learned = BTreeMap::new();
            for measurement in types.keys() {
                let mut known = self.learn_types(measurement).await?;
                known.extend(&stated);
                learned.insert(measurement.clone(), Arc::new(known));
            }
            if is_mixed && learned == types {
                return Ok(Err(Refused::Together(self.refused(reply, None))));
            }
            if learned == types || attempt >= MAX_ATTEMPTS {
                return Ok(Err(self.refused_lines(reply, &places)));
            }
            types = learned;
            attempt += 1;
        }
    }

    /// The lines as a body, and for each of its lines the place of its point.
    fn body<L: AsLine>(points: &[L], types: &BTreeMap<String, Arc<FieldTypes>>) -> (String, Vec<usize>) {
        let unknown = FieldTypes::default();
        let (mut body, mut places) = (String::new(), Vec::with_capacity(points.len()));
        for (place, point) in points.iter().enumerate() {
            let before = body.len();
            if !places.is_empty() {
                body.push('\n');
            }
            let known = types.get(point.measurement()).map_or(&unknown, Arc::as_ref);
            if push_line(&mut body, point, known) {
                places.push(place);
            } else {
                body.truncate(before);
            }
        }
        (body, places)
    }

    /// Which lines the store names in its refusal. Only version 3 does, and it has written the others; with any other
    /// answer, which lines it is about is found by splitting.
    fn refused_lines(&self, reply: Reply, places: &[usize]) -> Refused {
        let named = reply.refused_lines();
        let error = self.refused(reply, None);
        let lines: Option<Vec<_>> = named.map(|lines| {
            let of_point = |(number, reason): (usize, String)| {
                let place = places.get(number.checked_sub(1)?)?;
                Some((*place, error.with_reason(&reason, self.login.secret())))
            };
            lines.into_iter().filter_map(of_point).collect()
        });
        match lines {
            Some(lines) if !lines.is_empty() && error.is_permanent() => Refused::Lines(lines),
            _ => Refused::Together(error),
        }
    }

    /// Posts to the calls that worked last; to all of them, newest first, if none is known or it is gone.
    async fn post(&self, body: String) -> Result<Reply, FeedError> {
        let packed = pack(&body);
        let remembered = *self.version.read().await;
        if let Some(version) = remembered {
            let reply = self.post_to(version, &body, packed.as_ref()).await?;
            if !is_absent(&reply) {
                return Ok(reply);
            }
        }
        let mut telling: Option<Reply> = None;
        for version in NEWEST_FIRST {
            let mut reply = self.post_to(version, &body, packed.as_ref()).await?;
            if version == InfluxVersion::V1 && reply.misses_database() {
                let creation = self.create_database().await?;
                reply = self.post_to(version, &body, packed.as_ref()).await?;
                if reply.misses_database() {
                    let cause = format!("creating it: {}", creation.reason());
                    return Err(self.refused(reply, Some(&cause)));
                }
            }
            if !is_absent(&reply) {
                // Even a refusal is an answer of a call that is there; one that comes from something in between is not
                // remembered.
                if reply.acknowledges() || reply.status == StatusCode::BAD_REQUEST {
                    *self.version.write().await = Some(version);
                }
                return Ok(reply);
            }
            // A bucket that is missing says more than a call that is missing.
            if telling.as_ref().is_none_or(|told| !told.says_something()) {
                telling = Some(reply);
            }
        }
        *self.version.write().await = None;
        telling.ok_or_else(|| FeedError::Settings { reason: "no call to write with".to_owned() })
    }

    async fn post_to(
        &self,
        version: InfluxVersion,
        body: &str,
        packed: Option<&Vec<u8>>,
    ) -> Result<Reply, FeedError> {
        let mut request = self.http.post(self.target().write_url(version));
        if let (InfluxVersion::V2, Login::Token(token)) = (version, &self.login)
            && let Ok(mut value) = HeaderValue::try_from(format!("Token {token}"))
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = match packed {
            Some(packed) => request.header(CONTENT_ENCODING, "gzip").body(packed.clone()),
            None => request.body(body.to_owned()),
        };
        Reply::of(request, &self.description, self.timeout).await
    }

    async fn types_for<L: AsLine>(
        &self,
        points: &[L],
    ) -> Result<BTreeMap<String, Arc<FieldTypes>>, FeedError> {
        let mut types = BTreeMap::new();
        for point in points {
            let measurement = point.measurement();
            if types.contains_key(measurement) {
                continue;
            }
            let known = self.types.read().await.get(measurement).cloned();
            let known = match known {
                Some(known) => known,
                None => Arc::new(self.learn_types(measurement).await?),
            };
            types.insert(measurement.to_owned(), known);
        }
        Ok(types)
    }

    /// Asks for the column types. A store that has no such database or table yet answers 400 or 404, and a token that
    /// may only write gets 403: all unknown.
    pub(crate) async fn learn_types(&self, measurement: &str) -> Result<FieldTypes, FeedError> {
        let question = FieldTypes::query(measurement);
        let url = self.target().url("query", &[("db", &self.database), ("q", &question)]);
        match Reply::of(self.http.get(url), &self.description, self.timeout).await {
            Err(FeedError::Unauthorized { status: 403, .. }) => Ok(FieldTypes::default()),
            Err(error) => Err(error),
            Ok(reply) => match reply.status {
                StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Ok(FieldTypes::default()),
                status if status.is_success() => Ok(FieldTypes::read(&reply.body)),
                _ => Err(self.refused(reply, None)),
            },
        }
    }

    /// Asks for the database to be created, as version 1 needs it. Whether that worked shows in the write that follows.
    async fn create_database(&self) -> Result<Reply, FeedError> {
        let name = self.database.replace('\\', "\\\\").replace('"', "\\\"");
        let statement = format!("CREATE DATABASE \"{name}\"");
        let url = self.target().url("query", &[("db", &self.database), ("q", &statement)]);
        Reply::of(self.http.post(url), &self.description, self.timeout).await
    }

    pub(crate) fn refused(&self, reply: Reply, cause: Option<&str>) -> FeedError {
        reply.into_error(&self.description, cause, self.login.secret())
    }
}

#[async_trait]
impl PointSink for Influx {
    async fn write(&self, points: &[Point]) -> Result<WriteOutcome, FeedError> {
        self.write_lines(points).await
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

/// The body in gzip, if that is worth it.
fn pack(body: &str) -> Option<Vec<u8>> {
    if body.len() < PACKED_FROM_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.as_bytes()).ok()?;
    encoder.finish().ok()
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
