//! Rows of a store: by SQL where it speaks SQL, else by `InfluxQL`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use async_trait::async_trait;
use influxdb::ReadQuery;
use memdeck_model::InfluxVersion;
use reqwest::StatusCode;
use serde_json::Value;

use crate::reply::Reply;
use crate::short::{masked, shortened};
use crate::texts::is_missing_database;
use crate::{FeedError, Influx, Row, RowQuery, RowSource, Step, StepQuery, StepSource, steps};

/// The longest answer to a question: more than the rows of any question of ours.
const MAX_ANSWER_BYTES: usize = 48 * 1024 * 1024;

#[async_trait]
impl RowSource for Influx {
    async fn rows(&self, query: &RowQuery) -> Result<Vec<Row>, FeedError> {
        // What was written to by older calls has no SQL.
        if !matches!(self.version().await, Some(InfluxVersion::V1 | InfluxVersion::V2)) {
            for (call, question) in [("query_sql", query.sql()), ("query_influxql", query.influxql())] {
                if let Some(rows) = self.rows_of_version_3(call, &question).await? {
                    return Ok(rows);
                }
            }
        }
        self.rows_of_version_1(&query.influxql()).await
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

#[async_trait]
impl StepSource for Influx {
    async fn steps(&self, query: &StepQuery) -> Result<Vec<Step>, FeedError> {
        if !matches!(self.version().await, Some(InfluxVersion::V1 | InfluxVersion::V2))
            && let Some(rows) = self.rows_of_version_3("query_sql", &query.sql()).await?
        {
            return Ok(steps::of_sql(rows));
        }
        let mut answers = Vec::new();
        for question in query.influxql() {
            answers.push(self.rows_of_version_1(&question).await?);
        }
        let [changes, last] =
            [answers.first(), answers.get(1)].map(|rows| rows.map_or(&[][..], Vec::as_slice));
        Ok(steps::of_influxql(changes, last))
    }
}

impl Influx {
    /// `None` if the store has no such call, or does not take the question and may take another.
    async fn rows_of_version_3(&self, call: &str, question: &str) -> Result<Option<Vec<Row>>, FeedError> {
        let parameters = [("db", self.database.as_str()), ("q", question), ("format", "json")];
        let url = self.target().url(&format!("api/v3/{call}"), &parameters);
        let reply =
            Reply::up_to(MAX_ANSWER_BYTES, self.http.get(url), &self.description, self.timeout).await?;
        match reply.status {
            status if status.is_success() => {
                let rows: Vec<BTreeMap<String, Value>> = serde_json::from_slice(&reply.body)
                    .map_err(|error| self.unreadable(&error.to_string()))?;
                Ok(Some(rows.into_iter().map(without_nulls).collect()))
            }
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(None),
            _ => Err(self.refused(reply, None)),
        }
    }

    /// By the crate `influxdb`: it asks `/query` and reads series into rows by column.
    async fn rows_of_version_1(&self, question: &str) -> Result<Vec<Row>, FeedError> {
        let answer = self.reader.json_query(ReadQuery::new(question));
        let mut answer = match answer.await {
            Ok(answer) => answer,
            // No such database, or no mapping to a bucket.
            Err(influxdb::Error::ApiError(400 | 404)) => return Ok(Vec::new()),
            Err(influxdb::Error::ApiError(status @ (401 | 403))) => {
                return Err(FeedError::Unauthorized { store: self.description.clone(), status });
            }
            // Its text holds the whole URL.
            Err(influxdb::Error::ConnectionError { .. }) => {
                return Err(self.unreadable("it cannot be reached, or did not answer in time"));
            }
            Err(error) => return Err(self.unreadable(&error.to_string())),
        };
        // It takes the first result out of a list that may have none, and reads a result that is an error as one without
        // rows.
        let Some(result) = answer.results.first() else {
            return Err(self.unreadable("an answer without a result"));
        };
        if let Some(error) = result.get("error").and_then(Value::as_str) {
            return if is_missing_database(error) { Ok(Vec::new()) } else { Err(self.unreadable(error)) };
        }
        let answer = answer
            .deserialize_next::<BTreeMap<String, Value>>()
            .map_err(|error| self.unreadable(&error.to_string()))?;
        Ok(answer.series.into_iter().flat_map(|series| series.values).map(without_nulls).collect())
    }

    fn unreadable(&self, reason: &str) -> FeedError {
        let reason = shortened(&masked(reason, self.login.secret()));
        FeedError::Unreadable { store: self.description.clone(), reason }
    }

    /// What the store says it is: version 1 and 2 in headers of `/ping`, version 3 in its answer.
    pub(crate) async fn server_version(&self) -> Result<Option<String>, FeedError> {
        let url = self.target().url("ping", &[]);
        let sent = self.http.get(url).send().await;
        let response = sent.map_err(|error| FeedError::Unreachable {
            store: self.description.clone(),
            source: std::sync::Arc::new(error.without_url()),
        })?;
        let mut version = String::new();
        for header in ["x-influxdb-build", "x-influxdb-version"] {
            if let Some(value) = response.headers().get(header).and_then(|value| value.to_str().ok()) {
                // Writing to a string cannot fail.
                let _infallible = write!(version, "{}{value}", if version.is_empty() { "" } else { " " });
            }
        }
        Ok((!version.is_empty()).then(|| shortened(&version)))
    }
}

fn without_nulls(row: BTreeMap<String, Value>) -> Row {
    Row(row.into_iter().filter(|(_, value)| !value.is_null()).collect())
}
