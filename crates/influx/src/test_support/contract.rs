//! A store in memory that keeps the contract of `InfluxDB` 3 or 2, written from their documentation: calls, parameters,
//! authorization, packed bodies, partial writes, column types, and the answers to questions about rows and columns. The
//! refusals are quoted from a measured 3.9 and from the source of 2.7. It understands the questions that memdeck asks and no
//! others.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use memdeck_model::{InfluxVersion, Timestamp};
use serde_json::{Value, json};

use super::steps;

/// The token that the double asks for.
pub const CONTRACT_TOKEN: &str = "contract-t0ken";

/// A listening store; it ends with the runtime it was started on.
#[derive(Clone)]
pub struct ContractStore {
    /// Where it answers.
    pub url: String,
    state: Arc<Mutex<Contents>>,
}

struct Contents {
    version: InfluxVersion,
    is_away: bool,
    tables: BTreeMap<String, Table>,
    calls: Vec<String>,
    packed: usize,
}

#[derive(Default)]
struct Table {
    types: BTreeMap<String, &'static str>,
    /// By series and time.
    rows: BTreeMap<(i64, String), BTreeMap<String, Value>>,
}

impl ContractStore {
    /// A store of that version with the database `vmstats`, the bucket `dumps` and the organisation `ops`.
    ///
    /// # Panics
    /// No loopback port can be had.
    pub async fn start(version: InfluxVersion) -> Self {
        let contents =
            Contents { version, is_away: false, tables: BTreeMap::new(), calls: Vec::new(), packed: 0 };
        let state = Arc::new(Mutex::new(contents));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = tokio::net::TcpListener::bind(address).await.expect("a free loopback port");
        let url = format!("http://{}", listener.local_addr().expect("the address of a listener"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// Answers 503 to everything, or no longer.
    pub fn set_away(&self, is_away: bool) {
        lock(&self.state).is_away = is_away;
    }

    /// From now on it is of another version, with the rows it has.
    pub fn become_version(&self, version: InfluxVersion) {
        lock(&self.state).version = version;
    }

    /// Writes lines as another program would.
    ///
    /// # Panics
    /// It refuses one.
    pub fn write(&self, lines: &str) {
        let refused = lock(&self.state).store(lines);
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// The rows of a table, oldest first.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<BTreeMap<String, Value>> {
        lock(&self.state)
            .tables
            .get(table)
            .map(|table| table.rows.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Every call so far, by method and path.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state).calls.clone()
    }

    /// How many bodies came packed.
    #[must_use]
    pub fn packed_bodies(&self) -> usize {
        lock(&self.state).packed
    }
}

fn lock(state: &Mutex<Contents>) -> MutexGuard<'_, Contents> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

type Parameters = BTreeMap<String, String>;

async fn answer(
    State(state): State<Arc<Mutex<Contents>>>,
    method: Method,
    uri: Uri,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut contents = lock(&state);
    contents.calls.push(format!("{method} {}", uri.path()));
    if contents.is_away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let version = contents.version;
    let path = uri.path();
    if path == "/ping" {
        let number = if version == InfluxVersion::V3 { "3.9.0" } else { "v2.7.12" };
        return (StatusCode::NO_CONTENT, [("x-influxdb-version", number)]).into_response();
    }
    let authorization =
        headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bearer = authorization.strip_prefix("Bearer ") == Some(CONTRACT_TOKEN);
    let token = authorization.strip_prefix("Token ") == Some(CONTRACT_TOKEN);
    // Version 3 takes `Bearer` at its own calls and `Token` at the older ones too; version 2 takes either.
    let is_let_in = bearer || (token && (version == InfluxVersion::V2 || !path.starts_with("/api/v3/")));
    if !is_let_in {
        return told(401, &json!({"code": "unauthorized", "message": "unauthorized access"}));
    }
    let named = |name: &str, value: &str| parameters.get(name).is_some_and(|given| given == value);
    match (version, path) {
        (InfluxVersion::V3, "/api/v3/write_lp")
            if named("precision", "nanosecond") && named("db", "vmstats") =>
        {
            let refused = match contents.unpacked(&headers, &body) {
                Some(lines) => contents.store(&lines),
                None => return told(400, &json!({"error": "invalid gzip"})),
            };
            if refused.is_empty() {
                return StatusCode::NO_CONTENT.into_response();
            }
            let data: Vec<Value> = refused
                .iter()
                .map(|refused| {
                    json!({"original_line": refused.line, "line_number": refused.number, "error_message": refused.v3})
                })
                .collect();
            told(400, &json!({"error": "partial write of line protocol occurred", "data": data}))
        }
        (InfluxVersion::V2, "/api/v2/write") => {
            if !named("bucket", "dumps") || !named("org", "ops") {
                return told(404, &json!({"code": "not found", "message": "bucket \"x\" not found"}));
            }
            let Some(lines) = contents.unpacked(&headers, &body) else {
                return told(400, &json!({"code": "invalid", "message": "invalid gzip"}));
            };
            // A line that cannot be parsed refuses the whole body.
            if let Some(Err(error)) = parse_lines(&lines).find(Result::is_err) {
                return told(
                    400,
                    &json!({"code": "invalid", "message": format!("unable to parse: {error}")}),
                );
            }
            match contents.store(&lines).into_iter().next() {
                None => StatusCode::NO_CONTENT.into_response(),
                Some(refused) => {
                    let message =
                        format!("failure writing points to database: partial write: {}", refused.v1);
                    told(422, &json!({"code": "unprocessable entity", "message": message}))
                }
            }
        }
        (InfluxVersion::V3, "/api/v3/query_sql" | "/api/v3/query_influxql") if named("db", "vmstats") => {
            let question = parameters.get("q").cloned().unwrap_or_default();
            match contents.select(&question) {
                None => told(400, &json!({"error": "table 'public.iox.x' not found"})),
                Some(rows) => told(200, &json!(rows)),
            }
        }
        (_, "/query") => {
            told(200, &contents.answer_of_version_1(parameters.get("q").map_or("", String::as_str)))
        }
        _ => told(404, &json!({"code": "not found", "message": "path not found"})),
    }
}

fn told(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

#[derive(Debug)]
struct RefusedLine {
    number: usize,
    line: String,
    v3: String,
    v1: String,
}

impl Contents {
    fn unpacked(&mut self, headers: &HeaderMap, body: &Bytes) -> Option<String> {
        let mut text = String::new();
        if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
            self.packed += 1;
            GzDecoder::new(body.as_ref()).read_to_string(&mut text).ok()?;
        } else {
            text.push_str(std::str::from_utf8(body).ok()?);
        }
        Some(text)
    }

    /// Stores the lines that fit and names the others.
    fn store(&mut self, lines: &str) -> Vec<RefusedLine> {
        let mut refused = Vec::new();
        for (place, line) in parse_lines(lines).enumerate() {
            let parsed = match line {
                Ok(parsed) => self.store_line(&parsed),
                Err(error) => Err((error.to_string(), format!("unable to parse: {error}"))),
            };
            if let Err((v3, v1)) = parsed {
                let line = lines.lines().nth(place).unwrap_or_default().chars().take(20).collect();
                refused.push(RefusedLine { number: place + 1, line, v3, v1 });
            }
        }
        refused
    }

    fn store_line(&mut self, line: &ParsedLine<'_>) -> Result<(), (String, String)> {
        let measurement = line.series.measurement.to_string();
        let table = self.tables.entry(measurement.clone()).or_default();
        let mut row = BTreeMap::new();
        for (name, value) in &line.field_set {
            let (kind, value) = match value {
                FieldValue::I64(number) => ("integer", json!(number)),
                FieldValue::U64(number) => ("unsigned", json!(number)),
                FieldValue::F64(number) => ("float", json!(number)),
                FieldValue::String(text) => ("string", json!(text.as_str())),
                FieldValue::Boolean(truth) => ("boolean", json!(truth)),
            };
            let stored = *table.types.entry(name.to_string()).or_insert(kind);
            if stored != kind {
                return Err((
                    format!(
                        "invalid column type for column '{name}', expected iox::column_type::field::{stored}, got \
                         iox::column_type::field::{kind}"
                    ),
                    format!(
                        "field type conflict: input field \"{name}\" on measurement \"{measurement}\" is type {kind}, \
                         already exists as type {stored} dropped=1"
                    ),
                ));
            }
            row.insert(name.to_string(), value);
        }
        for (name, value) in line.series.tag_set.iter().flatten() {
            row.insert(name.to_string(), json!(value.as_str()));
        }
        let nanos = line.timestamp.unwrap_or_default();
        row.insert("time".to_owned(), json!(written(nanos)));
        let series = line.series.tag_set.iter().flatten().map(|(name, value)| format!("{name}={value},"));
        let key = (nanos, series.collect::<String>());
        table.rows.entry(key).or_default().extend(row);
        Ok(())
    }

    /// `None` if there is no such table.
    fn select(&self, question: &str) -> Option<Vec<BTreeMap<String, Value>>> {
        if let Some(table) = steps::table_of(question) {
            return steps::answer(question, &self.tables.get(table)?.rows);
        }
        let (_, from) = question.split_once(" FROM ")?;
        let table = from.split(' ').next()?.trim_matches('"');
        let limit = from.split_once(" LIMIT ")?.1.parse().ok()?;
        let since =
            from.split_once("time >= ").map(|(_, moment)| moment.split(" AND ").next().unwrap_or_default());
        let since = since.map(|moment| moment.split(" ORDER").next().unwrap_or_default());
        let since = since.map_or(i64::MIN, nanos_of);
        let rows = self.tables.get(table)?.rows.iter();
        Some(rows.filter(|((at, _), _)| *at >= since).take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn answer_of_version_1(&self, question: &str) -> Value {
        let nothing = json!({"results": [{"statement_id": 0}]});
        if let Some(table) = question.strip_prefix("SHOW FIELD KEYS FROM ") {
            let Some(table) = self.tables.get(table.trim_matches('"')) else { return nothing };
            let values: Vec<_> = table.types.iter().collect();
            let series = json!([{"name": "t", "columns": ["fieldKey", "fieldType"], "values": values}]);
            return json!({"results": [{"statement_id": 0, "series": series}]});
        }
        let Some(rows) = self.select(question).filter(|rows| !rows.is_empty()) else { return nothing };
        let mut columns: Vec<&String> = rows.iter().flat_map(BTreeMap::keys).collect();
        columns.sort_by_key(|name| (*name != "time", *name));
        columns.dedup();
        let values: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| columns.iter().map(|column| row.get(*column).cloned().unwrap_or_default()).collect())
            .collect();
        json!({"results": [{"statement_id": 0, "series": [{"name": "t", "columns": columns, "values": values}]}]})
    }
}

/// A time without a zone, as version 3 writes it.
pub(super) fn written(nanos: i64) -> String {
    let second = Timestamp::from_unix_micros(nanos.div_euclid(1_000_000_000) * 1_000_000).expect("a time");
    let written = second.to_string();
    let second = written.trim_end_matches('Z').split('.').next().unwrap_or_default();
    format!("{second}.{:09}", nanos.rem_euclid(1_000_000_000))
}

/// `TIMESTAMP '...'` or a number.
pub(super) fn nanos_of(moment: &str) -> i64 {
    if let Ok(nanos) = moment.trim().parse() {
        return nanos;
    }
    let text = moment.trim().trim_start_matches("TIMESTAMP '").trim_end_matches('\'');
    let (second, rest) = text.trim_end_matches('Z').split_once('.').expect("nine digits behind the point");
    let second: Timestamp = format!("{second}Z").parse().expect("a time");
    second.unix_micros() * 1000 + rest.parse::<i64>().expect("nanoseconds")
}
