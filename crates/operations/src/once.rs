//! Requests that may be repeated: under one key, the same request has one effect and one answer, for a day.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use memdeck_catalog::{Catalog, CatalogError, Claim};
use memdeck_clock::Clock;
use memdeck_model::{Problem, ProblemKind, RequestKey};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{blocking, catalog_problem};

/// What was asked for under keys.
pub struct Once {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    /// Keys of requests that go on now: who repeats one waits for its answer.
    turns: Mutex<HashMap<RequestKey, Arc<tokio::sync::Mutex<()>>>>,
}

/// A request under a key that was not answered yet.
pub struct OpenRequest<'a> {
    once: &'a Once,
    key: &'a RequestKey,
    passed_on: RequestKey,
    plan: Option<String>,
}

impl OpenRequest<'_> {
    /// The key by which hosts are asked; the same each time the request is repeated.
    #[must_use]
    pub fn passed_on(&self) -> &RequestKey {
        &self.passed_on
    }

    /// What was decided when the request was made first, or is decided now by `decide`: what is asked of hosts must be the
    /// same when it is repeated.
    ///
    /// # Errors
    /// Those of `decide`, or the catalog failed.
    pub async fn plan<P: Serialize + DeserializeOwned>(
        &self,
        decide: impl Future<Output = Result<P, Problem>>,
    ) -> Result<P, Problem> {
        if let Some(plan) = self.plan.as_deref().and_then(|plan| serde_json::from_str(plan).ok()) {
            return Ok(plan);
        }
        let plan = decide.await?;
        let (key, kept) = (self.key.clone(), json(&plan)?);
        self.once.on_catalog(move |catalog| catalog.plan_request(&key, &kept)).await?;
        Ok(plan)
    }
}

impl Once {
    /// Remembers in `catalog`.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, clock: Arc<dyn Clock>) -> Self {
        Self { catalog, clock, turns: Mutex::default() }
    }

    /// A key that no other request has.
    #[must_use]
    pub fn fresh() -> RequestKey {
        // A UUID is visible ASCII; a counter would begin anew with each start.
        let text = uuid::Uuid::new_v4().to_string();
        text.parse().unwrap_or_else(|_| unreachable!("a UUID is a key"))
    }

    /// What `run` answers to the request for `body`, or answered before to the same request under `key`. A request that was
    /// cut off, or failed, goes on when it is repeated.
    ///
    /// # Errors
    /// Those of `run`; the key belongs to another request; too many keys are known; or the catalog failed.
    pub async fn answer<A>(
        &self,
        key: &RequestKey,
        body: &impl Serialize,
        run: impl AsyncFnOnce(OpenRequest<'_>) -> Result<A, Problem>,
    ) -> Result<A, Problem>
    where
        A: Serialize + DeserializeOwned,
    {
        let turn =
            Turn { once: self, key, lock: Arc::clone(self.turns.lock().entry(key.clone()).or_default()) };
        let _turn = turn.lock.lock().await;
        self.in_turn(key, body, run).await
    }

    async fn in_turn<A>(
        &self,
        key: &RequestKey,
        body: &impl Serialize,
        run: impl AsyncFnOnce(OpenRequest<'_>) -> Result<A, Problem>,
    ) -> Result<A, Problem>
    where
        A: Serialize + DeserializeOwned,
    {
        let (claimed, body, at) = (key.clone(), json(body)?, self.clock.now());
        let claim = self
            .on_catalog(move |catalog| catalog.claim_request(&claimed, body.as_bytes(), &Self::fresh(), at))
            .await?;
        let (passed_on, plan) = match claim {
            Claim::Open { passed_on, plan } => (passed_on, plan),
            Claim::Answered(answer) => {
                return serde_json::from_str(&answer).map_err(|error| {
                    let detail = format!(
                        "the answer that was kept for this {} cannot be read ({error})",
                        RequestKey::HEADER
                    );
                    Problem::new(ProblemKind::Internal, detail)
                });
            }
            Claim::OtherBody => {
                let detail = format!(
                    "this {} was used for another request in the last 24 h; nothing was dumped: send the same body, or \
                     another key",
                    RequestKey::HEADER
                );
                return Err(Problem::new(ProblemKind::KeyReused, detail));
            }
            Claim::Full { limit } => {
                let detail = format!(
                    "more than {limit} requests with an {} came in the last 24 h; nothing was dumped: send it without one",
                    RequestKey::HEADER
                );
                return Err(Problem::new(ProblemKind::Unavailable, detail));
            }
        };
        let answer = run(OpenRequest { once: self, key, passed_on, plan }).await?;
        let (key, kept) = (key.clone(), json(&answer)?);
        self.on_catalog(move |catalog| catalog.answer_request(&key, &kept)).await?;
        Ok(answer)
    }

    async fn on_catalog<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || work(&catalog)).await.map_err(|error| catalog_problem(&error))
    }
}

/// A place among those who make the same request at the same time. Callers go away at any moment: it is left by being
/// dropped.
struct Turn<'a> {
    once: &'a Once,
    key: &'a RequestKey,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.once.turns.lock();
        // Held by this turn and by the map: nobody else waits.
        if Arc::strong_count(&self.lock) <= 2 {
            turns.remove(self.key);
        }
    }
}

fn json(what: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(what).map_err(|error| Problem::new(ProblemKind::Internal, error.to_string()))
}
