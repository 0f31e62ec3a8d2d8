//! The calls of a dump service.

use std::collections::BTreeMap;
use std::time::Duration;

use memdeck_clock::{Clock, SystemClock};
use memdeck_model::{
    ALL_GUESTS, Actor, CancelReply, CancelRequest, Capabilities, DumpId, DumpOptions, DumpStatus,
    FrozenPause, Guest, MAX_TRIGGER_TARGETS, ModeChoice, Omitted, Readiness, RecordPage, Secret,
    ServiceStatus, SignInLink, Target, Timestamp, TriggerReply, TriggerRequest, VmRef,
};
use reqwest::{Method, StatusCode, Url};
use rustls::ClientConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::checked;
use crate::protocol::{
    DELETIONS_PER_CALL, DeletionFeedPage, NumberedDeletion, NumberedRecord, RECORDS_PER_CALL, RecordFeedPage,
};

/// The longest answer that is read: statuses of some ten thousand guests.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// How much of a refusal's body is told.
const MAX_REASON_CHARS: usize = 300;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No answer: not reachable, too slow, broken off.
    #[error("{0}")]
    NoAnswer(String),
    /// An answer that is a refusal.
    #[error("HTTP {status}: {detail}")]
    Refused {
        /// Its status code.
        status: StatusCode,
        /// Its `detail`, or the beginning of its body.
        detail: String,
    },
    /// An answer that cannot be read.
    #[error("it answered what no dump service answers ({0})")]
    Unreadable(String),
    /// An answer that is longer than so many bytes, and was not read further.
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
}

/// Where a service is, and what it is sent.
#[derive(Clone, Debug)]
pub struct ServiceAddress {
    /// Where it answers.
    pub url: Url,
    /// The longest one call may take.
    pub timeout: Duration,
    /// What it must be sent.
    pub token: Option<Secret>,
}

/// Which of memdeck's two services is called: both take dumps, under different paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// A dump service (contract section 1).
    Service,
    /// A dashboard (contract section 2).
    Dashboard,
}

/// What a service answered to a request for dumps.
#[derive(Debug, Default)]
pub struct Asked {
    /// The present state of each guest that was named, by [`Target::vm`].
    pub dumps: BTreeMap<String, DumpStatus>,
    /// Where all guests were asked for: those that are left out.
    pub omitted: Vec<Omitted>,
}

/// What a service answers to a call that an older one does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It has no such call.
    Lacking,
    /// It does not know yet.
    Unknown,
    /// What it knows.
    Known(T),
}

impl<T> Answer<T> {
    /// What it knows.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Lacking | Self::Unknown => None,
        }
    }
}

/// Calls one dump service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServiceClient {
    http: reqwest::Client,
    /// For answers that take as long as they take: limited between two parts, not as a whole.
    streams: reqwest::Client,
    base: Url,
    token: Option<Secret>,
}

impl ServiceClient {
    /// A client of the service at `config.url`. Redirects are not followed: a token must not travel.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(config: &ServiceAddress) -> Result<Self, reqwest::Error> {
        let secured = || {
            let builder = client_builder(config);
            // Without TLS the system's certificates are not needed, and a machine that has none is no obstacle.
            if config.url.scheme() == "http" { builder.tls_certs_only([]) } else { builder }
        };
        Self::with(config, secured)
    }

    /// A client that speaks TLS as `tls` says, instead of trusting whom the system trusts.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn with_tls(config: &ServiceAddress, tls: &ClientConfig) -> Result<Self, reqwest::Error> {
        Self::with(config, || client_builder(config).tls_backend_preconfigured(tls.clone()))
    }

    fn with(
        config: &ServiceAddress,
        builder: impl Fn() -> reqwest::ClientBuilder,
    ) -> Result<Self, reqwest::Error> {
        let http = builder().timeout(config.timeout).build()?;
        let streams = builder().read_timeout(config.timeout).build()?;
        Ok(Self { http, streams, base: config.url.clone(), token: config.token.clone() })
    }

    /// The service's URL without a trailing slash.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// What the service can do. One that does not tell is known by whether it lists records.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn capabilities(&self) -> Result<Capabilities, CallError> {
        let told = answer(self.request(Method::GET, &["api", "capabilities"])).await;
        if let Some(capabilities) = lacking_as_none(told)? {
            return Ok(capabilities);
        }
        let records: Result<RecordFeedPage, _> =
            answer(self.request(Method::GET, &["api", "records"]).query(&[("limit", 1)])).await;
        Ok(lacking_as_none(records)?.map_or(Capabilities::NONE, |_| Capabilities::FIRST_VERSION))
    }

    /// Asks a dump service for dumps; the present state of each guest that was named. However many there are, none is
    /// left out: they go in as many calls as they need.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn trigger(
        &self,
        targets: &[Target],
        options: &DumpOptions,
        capabilities: Capabilities,
        requested_by: &Actor,
    ) -> Result<BTreeMap<String, DumpStatus>, CallError> {
        let mut dumps = BTreeMap::new();
        for targets in targets.chunks(MAX_TRIGGER_TARGETS) {
            let sent: Vec<VmRef> = targets.iter().map(|target| sent_as(target, capabilities)).collect();
            let call = self.request(Method::POST, &["api", "dumps"]);
            let call = if capabilities.options {
                let requested_by = capabilities.actors.then(|| requested_by.clone());
                let (request, options) = (TriggerRequest::of(sent.clone()), options.clone());
                call.json(&TriggerRequest { requested_by, options, ..request })
            } else {
                call.json(&serde_json::json!({"vms": sent}))
            };
            let mut statuses: BTreeMap<String, DumpStatus> = answer(call).await?;
            for (target, sent) in targets.iter().zip(&sent) {
                let Some(status) = statuses.remove(sent.as_str()) else {
                    return Err(CallError::Unreadable(format!(
                        "it does not say what becomes of VM '{sent}'"
                    )));
                };
                dumps.insert(target.vm.to_string(), checked::status(status, now()));
            }
        }
        Ok(dumps)
    }

    /// Asks a dashboard for dumps of the guests that these texts name, or of all.
    ///
    /// # Errors
    /// The dashboard does not answer, refuses, or answers what cannot be read.
    pub async fn trigger_on_dashboard(
        &self,
        targets: Vec<VmRef>,
        options: DumpOptions,
        requested_by: &Actor,
    ) -> Result<Asked, CallError> {
        let request = TriggerRequest { options, ..TriggerRequest::of(targets).by(requested_by.clone()) };
        let call = self.request(Method::POST, &["api", "memory-dumps", "trigger"]).json(&request);
        let TriggerReply { vm_ids, dumps, omitted, .. } = answer(call).await?;
        if dumps.is_empty() && !vm_ids.is_empty() {
            return Err(CallError::Unreadable("it is an older memdeck; restart it".to_owned()));
        }
        let dumps = dumps.into_iter().map(|dump| (dump.dump_id.to_string(), dump)).collect();
        Ok(Asked { dumps, omitted })
    }

    /// The newest dump of every guest that had one.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn statuses(&self, face: Face) -> Result<BTreeMap<String, DumpStatus>, CallError> {
        match face {
            Face::Service => {
                let told: BTreeMap<String, DumpStatus> =
                    answer(self.request(Method::GET, &["api", "dumps"])).await?;
                let now = now();
                Ok(told.into_iter().map(|(vm, status)| (vm, checked::status(status, now))).collect())
            }
            Face::Dashboard => {
                let status: ServiceStatus =
                    answer(self.request(Method::GET, &["api", "memory-dumps", "status"])).await?;
                match status.error {
                    Some(error) => Err(CallError::NoAnswer(error.to_string())),
                    None => Ok(status.active_dumps),
                }
            }
        }
    }

    /// `GET /api/dumps/{vm}`; `None` for 404.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn status(&self, vm: &str) -> Result<Option<DumpStatus>, CallError> {
        let told = absent_as_none(answer(self.request(Method::GET, &["api", "dumps", vm])).await)?;
        Ok(told.map(|status| checked::status(status, now())))
    }

    /// Cancels a dump; false where the service knows no such dump or has no such call. `by` is on whose behalf; `None` for
    /// a service that does not take an actor ([`Capabilities::actors`]).
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn cancel(&self, face: Face, dump_id: &DumpId, by: Option<&Actor>) -> Result<bool, CallError> {
        let path = match face {
            Face::Service => ["api", "dumps", dump_id.as_str(), "cancel"],
            Face::Dashboard => ["api", "memory-dumps", "cancel", dump_id.as_str()],
        };
        let call = self.request(Method::POST, &path).json(&CancelRequest { by: by.cloned() });
        let reply: Option<CancelReply> = lacking_as_none(answer(call).await)?;
        Ok(reply.is_some())
    }

    /// `GET /api/records?since=`; `None` where the service has no such call.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn records(&self, since: u64) -> Result<Option<RecordFeedPage>, CallError> {
        let query = [("since", since), ("limit", RECORDS_PER_CALL.into())];
        let page: Option<RecordFeedPage> =
            lacking_as_none(answer(self.request(Method::GET, &["api", "records"]).query(&query)).await)?;
        let now = now();
        let record = |NumberedRecord { seq, record }: NumberedRecord| NumberedRecord {
            seq,
            record: checked::record(record, now),
        };
        Ok(page
            .map(|page| RecordFeedPage { records: page.records.into_iter().map(record).collect(), ..page }))
    }

    /// Records of a dashboard as `query` says, in the words of its call.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn record_page(&self, query: &[(&'static str, String)]) -> Result<RecordPage, CallError> {
        answer(self.request(Method::GET, &["api", "memory-dumps", "records"]).query(query)).await
    }

    /// `GET /api/guests`; `None` where the service has no such call.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn guests(&self) -> Result<Option<Vec<Guest>>, CallError> {
        let guests = lacking_as_none(answer(self.request(Method::GET, &["api", "guests"])).await)?;
        Ok(guests.map(checked::guests))
    }

    /// `GET /api/frozen-pause`
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn frozen_pause(&self) -> Result<Answer<FrozenPause>, CallError> {
        let told = answer(self.request(Method::GET, &["api", "frozen-pause"])).await;
        let Some(told) = lacking_as_none::<Option<FrozenPause>>(told)? else { return Ok(Answer::Lacking) };
        Ok(told.and_then(checked::frozen_pause).map_or(Answer::Unknown, Answer::Known))
    }

    /// `GET /readyz`; `None` where the service has no such call.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn readiness(&self) -> Result<Option<Readiness>, CallError> {
        let response = self.request(Method::GET, &["readyz"]).send().await;
        let response = response.map_err(|error| CallError::NoAnswer(root_cause(&error)))?;
        let status = response.status();
        let body = bounded_body(response).await?;
        match status {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => {
                let told = serde_json::from_slice(&body);
                let told: Readiness = told.map_err(|error| CallError::Unreadable(error.to_string()))?;
                Ok(Some(checked::readiness(told)))
            }
            _ => lacking_as_none(Err(CallError::Refused { status, detail: detail_of(&body) })),
        }
    }

    /// `GET /api/deletions?since=`; `None` where the service has no such call.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn deletions(&self, since: u64) -> Result<Option<DeletionFeedPage>, CallError> {
        let query = [("since", since), ("limit", DELETIONS_PER_CALL.into())];
        let page: Option<DeletionFeedPage> =
            lacking_as_none(answer(self.request(Method::GET, &["api", "deletions"]).query(&query)).await)?;
        let now = now();
        let deletion = |NumberedDeletion { seq, deletion }: NumberedDeletion| NumberedDeletion {
            seq,
            deletion: checked::deletion(deletion, now),
        };
        Ok(page.map(|page| DeletionFeedPage {
            deletions: page.deletions.into_iter().map(deletion).collect(),
            ..page
        }))
    }

    /// `POST /api/sign-in-links` of a dashboard.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn make_sign_in_link(&self) -> Result<SignInLink, CallError> {
        answer(self.request(Method::POST, &["api", "sign-in-links"]).json(&serde_json::json!({}))).await
    }

    pub(crate) fn request(&self, method: Method, path: &[&str]) -> reqwest::RequestBuilder {
        self.request_of(&self.http, method, path)
    }

    /// A request whose answer may go on for hours.
    pub(crate) fn stream_request(&self, method: Method, path: &[&str]) -> reqwest::RequestBuilder {
        self.request_of(&self.streams, method, path)
    }

    fn request_of(&self, client: &reqwest::Client, method: Method, path: &[&str]) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        // Fails for URLs that cannot have a path, such as `mailto:`; the configuration takes http and https only.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let request = client.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }
}

fn client_builder(config: &ServiceAddress) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(config.timeout.min(Duration::from_secs(5)))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
}

/// What of `options` the service would drop without a word; `None` where nothing.
pub fn refused_options(options: &DumpOptions, capabilities: Capabilities) -> Option<String> {
    let asked = [
        ("mode", options.mode != ModeChoice::Auto),
        ("pause budget", options.pause_budget_ms.is_some()),
        ("bandwidth", options.bandwidth_mibps.is_some()),
        ("case number", options.case.is_some()),
        ("note", options.note.is_some()),
        ("consent to encrypted memory", options.accept_encrypted),
    ];
    let dropped: Vec<&str> =
        asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(what, _)| what).collect();
    (!capabilities.options && !dropped.is_empty()).then(|| dropped.join(", no "))
}

/// The present by this host's clock: what a service tells is measured by it.
fn now() -> Timestamp {
    SystemClock::default().now()
}

/// How a service is told of a guest: by UUID where it takes one. Else by name, or by id where the name would be read as
/// an id or as all guests.
fn sent_as(target: &Target, capabilities: Capabilities) -> VmRef {
    let Some(guest) = &target.guest else { return target.vm.clone() };
    let name = target.vm.as_str();
    let is_mistakable = name == ALL_GUESTS || name.bytes().all(|byte| byte.is_ascii_digit());
    let text = if capabilities.uuids {
        &guest.uuid
    } else if is_mistakable {
        &guest.vmid
    } else {
        name
    };
    VmRef::new(text).unwrap_or_else(|_| target.vm.clone())
}

/// `None` where the service has no such call: a path that is not there, or one that takes other methods only.
fn lacking_as_none<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Err(CallError::Refused { status: StatusCode::METHOD_NOT_ALLOWED, .. }) => Ok(None),
        other => absent_as_none(other),
    }
}

fn absent_as_none<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, CallError> {
    let response = request.send().await.map_err(|error| CallError::NoAnswer(root_cause(&error)))?;
    let status = response.status();
    let body = bounded_body(response).await?;
    if !status.is_success() {
        return Err(CallError::Refused { status, detail: detail_of(&body) });
    }
    serde_json::from_slice(&body).map_err(|error| CallError::Unreadable(error.to_string()))
}

pub(crate) async fn bounded_body(mut response: reqwest::Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| CallError::NoAnswer(root_cause(&error)))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            return Err(CallError::TooLarge(MAX_ANSWER_BYTES));
        }
    }
    Ok(body)
}

/// FastAPI's `{"detail": ...}`, or the beginning of whatever it is.
pub(crate) fn detail_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Detail {
        detail: serde_json::Value,
    }
    let text = match serde_json::from_slice(body) {
        Ok(Detail { detail: serde_json::Value::String(text) }) => text,
        Ok(Detail { detail }) => detail.to_string(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    text.chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect()
}

/// The innermost cause: `connection refused` says more than `error sending request`. URLs are left out.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
