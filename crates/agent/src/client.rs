//! The calls of a dump service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use memdeck_clock::{Clock, SystemClock};
use memdeck_model::{
    Actor, CancelReply, Capabilities, DumpId, DumpStatus, FrozenPause, Guest, OnBehalf, Readiness,
    RecordPage, Secret, ServiceStatus, SignInLink, Timestamp,
};
use memdeck_operations::request_name;
use reqwest::header::DATE;
use reqwest::tls::TlsInfo;
use reqwest::{Method, StatusCode, Url};
use rustls::ClientConfig;

use crate::call::{
    CallError, Limit, Line, Request, absent_as_none, answer, bounded_body, detail_of, lacking_as_none, read,
};
use crate::checked;
use crate::protocol::{
    DELETIONS_PER_CALL, DeletionFeedPage, HostReport, NumberedDeletion, NumberedRecord, RECORDS_PER_CALL,
    RecordFeedPage,
};

/// Names the request for which a call is made.
const REQUEST_ID: &str = "x-request-id";

/// Where a service is, and what it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    /// Where it answers. That of an agent that dials in has a scheme of its own.
    pub url: Url,
    /// The longest one call may take.
    pub timeout: Duration,
    /// What it must be sent.
    pub token: Option<Secret>,
    /// The certificates (PEM) of whom alone its certificate may be signed by; `None` where the system's are trusted.
    pub ca: Option<Vec<u8>>,
}

impl ServiceAddress {
    /// The scheme of the URL of an agent that dials in, whose host is its name.
    pub const DIAL_SCHEME: &str = "dial";

    /// Whether it is an agent that dials in: there is nowhere to reach it.
    pub fn dials_in(&self) -> bool {
        self.url.scheme() == Self::DIAL_SCHEME
    }
}

/// Which of memdeck's two services is called: both take dumps, under different paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// A dump service (contract section 1).
    Service,
    /// A dashboard (contract section 2).
    Dashboard,
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

/// After so long without a sign that what was sent has arrived, a connection is given up. A service that is slow does arrive there;
/// what is repeated over a way that was cut off comes ever more rarely, and would be late when there is a way again.
const SENT_IN_VAIN: Duration = Duration::from_secs(5);

/// Calls one dump service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServiceClient {
    http: reqwest::Client,
    /// For answers that take as long as they take: limited between two parts, not as a whole.
    streams: reqwest::Client,
    base: Url,
    token: Option<Secret>,
    /// The longest one call may take.
    timeout: Duration,
    /// The way to an agent that dials in.
    line: Option<Arc<Line>>,
}

impl ServiceClient {
    /// A client of the service at `config.url`. Redirects are not followed: a token must not travel. An agent that dials in is
    /// called over a line of its own, on which its connection is to be put.
    ///
    /// # Errors
    /// The TLS library cannot be set up, or the certificates of the issuers cannot be read.
    pub fn new(config: &ServiceAddress) -> Result<Self, reqwest::Error> {
        let issuers = config.ca.as_deref().map(reqwest::Certificate::from_pem_bundle).transpose()?;
        Self::with(config, || trusting(client_builder(config), &config.url, issuers.as_deref()))
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
        let builder = || builder().tcp_user_timeout(SENT_IN_VAIN);
        let http = builder().timeout(config.timeout).build()?;
        let streams = builder().read_timeout(config.timeout).build()?;
        let base = config.url.clone();
        let line = config.dials_in().then(|| Arc::new(Line::to(base.as_str())));
        Ok(Self { http, streams, base, token: config.token.clone(), timeout: config.timeout, line })
    }

    /// The way to it, if it is an agent that dials in.
    pub fn line(&self) -> Option<&Arc<Line>> {
        self.line.as_ref()
    }

    /// The service's URL without a trailing slash.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// What an agent says of itself, and the difference of the clocks; `None` where the service has no such call. The
    /// difference is measured at the middle of the call.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn report(&self) -> Result<Option<(HostReport, i64)>, CallError> {
        let begun = now();
        let told = lacking_as_none(answer(self.request(Method::GET, &["api", "host"])).await)?;
        let middle = midpoint(begun, now());
        Ok(told.map(|report: HostReport| {
            let ahead = (report.time.unix_micros() - middle) / 1000;
            (checked::report(report), ahead)
        }))
    }

    /// The newest dump of every guest that had one, and how far the clock of the service is ahead by the header `Date` of its
    /// answer: in milliseconds, known to a second, `None` where it sends none.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn look(&self) -> Result<(BTreeMap<String, DumpStatus>, Option<i64>), CallError> {
        let begun = now();
        let response = self.request(Method::GET, &["api", "dumps"]).send().await?;
        let ended = now();
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        // It is cut to whole seconds: on average half a second has passed since.
        let ahead =
            date.map(|date| (Timestamp::from(date).unix_micros() + 500_000 - midpoint(begun, ended)) / 1000);
        let told: BTreeMap<String, DumpStatus> = read(response).await?;
        let statuses = told.into_iter().map(|(vm, status)| (vm, checked::status(status, ended)));
        Ok((statuses.collect(), ahead))
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

    /// The newest dump of every guest that had one.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn statuses(&self, face: Face) -> Result<BTreeMap<String, DumpStatus>, CallError> {
        match face {
            Face::Service => Ok(self.look().await?.0),
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
        let call = self.request(Method::POST, &path).json(&OnBehalf { by: by.cloned() });
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

    /// The certificate (DER) that the service shows; `None` without TLS.
    ///
    /// # Errors
    /// The service does not answer, or its certificate is not trusted.
    pub async fn certificate(&self) -> Result<Option<Vec<u8>>, CallError> {
        let response = self.request(Method::GET, &["healthz"]).send().await?;
        let shown = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        Ok(shown.map(<[u8]>::to_vec))
    }

    /// `GET /readyz`; `None` where the service has no such call.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn readiness(&self) -> Result<Option<Readiness>, CallError> {
        let response = self.request(Method::GET, &["readyz"]).send().await?;
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

    pub(crate) fn request(&self, method: Method, path: &[&str]) -> Request {
        self.request_of(&self.http, Limit::Whole(self.timeout), method, path)
    }

    /// A request whose answer may go on for hours.
    pub(crate) fn stream_request(&self, method: Method, path: &[&str]) -> Request {
        self.request_of(&self.streams, Limit::Part(self.timeout), method, path)
    }

    fn request_of(&self, client: &reqwest::Client, limit: Limit, method: Method, path: &[&str]) -> Request {
        let mut url = self.base.clone();
        // Fails for URLs that cannot have a path, such as `mailto:`; the configuration takes http and https only.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = client.request(method, url);
        // So that the log of the service names the request for which it was called.
        if let Some(name) = request_name() {
            request = request.header(REQUEST_ID, name);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        Request::new(request, self.line.clone().map(|line| (line, limit)))
    }
}

/// Without TLS the system's certificates are not needed, and a machine that has none is no obstacle.
pub(crate) fn trusting(
    builder: reqwest::ClientBuilder,
    url: &Url,
    issuers: Option<&[reqwest::Certificate]>,
) -> reqwest::ClientBuilder {
    match issuers {
        _ if url.scheme() != "https" => builder.tls_certs_only([]),
        Some(issuers) => builder.tls_certs_only(issuers.to_vec()),
        None => builder,
    }
}

pub(crate) fn client_builder(config: &ServiceAddress) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(config.timeout.min(Duration::from_secs(5)))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_info(true)
}

/// The middle between two instants, in microseconds.
fn midpoint(begun: Timestamp, ended: Timestamp) -> i64 {
    begun.unix_micros().midpoint(ended.unix_micros())
}

/// The present by this host's clock: what a service tells is measured by it.
pub(crate) fn now() -> Timestamp {
    SystemClock::default().now()
}
