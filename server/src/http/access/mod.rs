//! Who may call. Any web page can reach 127.0.0.1 from the operator's browser, so what a browser does on behalf of a
//! foreign page must be distinguished from what the operator does:
//!
//! - the `Host` header must name this service (421 otherwise): a foreign name that resolves to us is DNS rebinding;
//! - a request that may change something must be same-origin where the browser says so (403 otherwise). What has a
//!   body must be JSON, which a foreign page cannot send without a preflight that nothing here answers: that is asked
//!   where the body is read (`answer::JsonBody`, 415 otherwise), so that a method that is not allowed is answered as such. The
//!   two forms of signing in and out are forms: for them the origin alone counts;
//! - `/api` takes only callers that send the token, or the cookie of somebody who signed in (401 otherwise), and answers
//!   only a few wrong tokens of an address (429 for more); `/metrics` likewise, which has a token of its own beside that. A script of this machine needs none if the kernel says that its socket is
//!   root's or that of memdeck's own user ([`local`]), and `OPEN_ACCESS` names who needs none without a question.
//!
//! What each of them may do is in one table (`memdeck_model::Service`), which is asked here before every route: 403 if the
//! caller is known and may not, which is noted ([`refused_calls`]). What the table does not name needs every permission.
//! Somebody who sees only some guests may make the calls that leave the others out, and no others: there is a list of those, too.
//!
//! There is no CORS header anywhere, on purpose. What a page may show to whom is decided where it is shown: the access
//! passes who asks to the routes ([`Standing`]).

mod attempts;
mod caller;
mod dialing;
mod failures;
mod guessing;
mod head;
mod local;
mod provider;
mod refusal;
mod refused_calls;
mod sessions;
mod sign_in_links;
mod socket_owner;
mod tokens;
mod who;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use memdeck_catalog::SecretDigest;
use memdeck_clock::Clock;
use memdeck_model::audit::AuditAction;
use memdeck_model::{AccountName, Need, Permission, Rights, Service};
use memdeck_operations::audit::Audit;
use memdeck_operations::{Accounts, Known, OpenSession, asked_from, lacked};
use parking_lot::RwLock;

use super::answer::RestError;
use super::headers;
use crate::config::{HttpConfig, OpenAccess};
use crate::oidc::Oidc;
use attempts::Attempts;
use caller::Proxies;
use failures::Failures;
use head::{
    bearer, check_form, check_same_origin, check_site, host, is_a_script, is_of_this_machine, without_port,
};
use local::Distrust;
use refusal::Refusal;
use refused_calls::{Call, RefusedCalls};
use tokens::{Opens, TokenDigest, Tokens};

pub use attempts::Verdict;
pub use caller::Caller;
pub use dialing::{DialingIn, LineOf};
pub use guessing::Tell;
pub(super) use head::cookies;
pub use local::{LocalTrust, Peer};
pub use sign_in_links::{LIFETIME as SIGN_IN_LINK_LIFETIME, SignInLinks};
pub use who::Who;

pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What takes a form instead of JSON: a page without script sends it.
const FORMS: [&str; 2] = ["/sign-in", "/sign-out"];
/// What Prometheus reads, with a token of its own where one is set.
const METRICS: &str = "/metrics";
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// Who asks, as far as it matters to routes that anybody may call.
#[derive(Clone, Debug)]
pub enum Standing {
    /// `OPEN_ACCESS` says that this caller needs no token.
    Open,
    /// A script of root or of memdeck's own user on this machine.
    Local,
    /// A script that sent the token.
    Bearer,
    /// A program that sent an API token.
    Token(Known),
    /// Prometheus, which sent the token for metrics.
    Metrics,
    /// A browser whose operator is signed in.
    SignedIn(OpenSession, Known),
    /// Somebody who signed in at the declared proxy.
    Vouched(Known),
    /// Somebody who did, too, and may do nothing here.
    NotAdmitted(AccountName),
    /// Nobody known.
    Stranger,
}

impl Standing {
    fn who(&self) -> Who {
        match self {
            Self::Open | Self::Local | Self::Bearer => Who::administrator(),
            Self::Token(known) | Self::SignedIn(_, known) | Self::Vouched(known) => Who::known(known),
            // Figures of everything, whoever's guests they are of.
            Self::Metrics => Who { rights: Rights::of(&[Permission::ReadMetrics]), ..Who::administrator() },
            Self::NotAdmitted(_) | Self::Stranger => Who::stranger(),
        }
    }
}

/// The rules of one service.
pub struct Access {
    hosts: Vec<String>,
    tokens: RwLock<Tokens>,
    /// Distinguishes the cookies of services under one host name: cookies know no ports.
    instance: String,
    open_to: OpenAccess,
    local: Arc<LocalTrust>,
    proxies: Proxies,
    /// Whether a proxy shows this service below a path of its site, declared or not.
    is_below_a_path: bool,
    accounts: Arc<Accounts>,
    links: Arc<SignInLinks>,
    /// The provider where people sign in, if there is one.
    oidc: Option<Arc<Oidc>>,
    sign_ins: Attempts,
    /// Counted apart: nobody guesses there, and who is kept out by their groups must not keep others out.
    by_provider: Attempts,
    /// Counted apart: a script with an old token must not keep operators out.
    calls: Attempts,
    failures: Failures,
    refused_calls: RefusedCalls,
    /// Tells whoever wants to know that somebody guesses.
    tell: Option<Arc<Tell>>,
    /// Knows the agents that dial in; `None` in an agent.
    line_of: Option<Arc<LineOf>>,
}

impl Access {
    /// Rules of the service that listens on `address`. Nobody is trusted by the user of its socket.
    #[must_use]
    pub fn new(address: SocketAddr, http: &HttpConfig, clock: &Arc<dyn Clock>) -> Self {
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into();
        if !address.ip().is_unspecified() {
            hosts.push(match address.ip() {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
        }
        hosts.extend_from_slice(&http.allowed_hosts);
        Self {
            hosts,
            tokens: RwLock::new(Tokens::of(http)),
            instance: String::new(),
            open_to: http.open_access.clone(),
            local: Arc::new(LocalTrust::off()),
            proxies: Proxies::new(http),
            is_below_a_path: http.base_path.is_some(),
            links: Arc::new(SignInLinks::new(Arc::clone(clock))),
            accounts: Arc::new(Accounts::none(clock)),
            oidc: http.oidc.as_ref().map(|config| Arc::new(Oidc::new(config, clock))),
            sign_ins: Attempts::new(Arc::clone(clock)),
            by_provider: Attempts::new(Arc::clone(clock)),
            calls: Attempts::new(Arc::clone(clock)),
            failures: Failures::default(),
            refused_calls: RefusedCalls::new(Arc::clone(clock)),
            tell: None,
            line_of: None,
        }
    }

    /// The same rules, for those who have an account or a token here. Sessions end that another token opened, or other settings of
    /// the provider.
    #[must_use]
    pub async fn with_accounts(self, accounts: Arc<Accounts>) -> Self {
        accounts.sessions().keep_only_of_token(self.token_digest()).await;
        let provider = self.oidc.as_ref().map(|oidc| oidc.config().fingerprint());
        accounts.sessions().keep_only_of_provider(provider).await;
        self.beside_accounts(accounts)
    }

    /// The same of accounts whose sessions the present token opened.
    #[must_use]
    pub fn beside_accounts(self, accounts: Arc<Accounts>) -> Self {
        Self { accounts, ..self }
    }

    /// The same rules, with `trust` in users of this machine.
    #[must_use]
    pub fn with_local_trust(self, trust: Arc<LocalTrust>) -> Self {
        Self { local: trust, ..self }
    }

    /// The same rules; wrong tokens are noted in `audit`, refused calls, and who signs in.
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Self {
        Self { failures: Failures::noted_in(audit), ..self }
    }

    /// Where it is noted who signs in; `None` in a service that has none.
    pub fn audit(&self) -> Option<&Audit> {
        self.failures.audit()
    }

    /// The same rules, with cookies that `id` distinguishes from those of other services, of which the first eight
    /// letters and digits count.
    #[must_use]
    pub fn with_instance(self, id: &str) -> Self {
        let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        Self { instance: format!("_{id}"), ..self }
    }

    /// From now on these tokens count. Where the operators' one is another, everybody signs in anew.
    pub async fn change_tokens(&self, http: &HttpConfig) {
        *self.tokens.write() = Tokens::of(http);
        self.accounts.sessions().keep_only_of_token(self.token_digest()).await;
    }

    /// Tells the token of this memdeck from any other one.
    fn token_digest(&self) -> SecretDigest {
        self.tokens.read().operators.as_ref().map(TokenDigest::fingerprint).unwrap_or_default()
    }

    /// The links with which a browser signs in.
    pub fn links(&self) -> &Arc<SignInLinks> {
        &self.links
    }

    /// Judges a request by its head, and notes what routes need to know about who asks.
    async fn judge(
        &self,
        service: Service,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        known: &mut Extensions,
    ) -> Result<(), Refusal> {
        self.check_host(headers)?;
        let peer = known.get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.clone());
        let caller = self.proxies.caller(peer.as_ref().map(|peer| peer.remote.ip()), headers)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            check_same_origin(headers, &caller)?;
        }
        if *method == Method::POST && FORMS.contains(&path) {
            check_form(headers)?;
        }
        let is_metrics = path == METRICS;
        // Where no route matched, the page's files are.
        let routed = known.get::<MatchedPath>().map_or(path, MatchedPath::as_str);
        let need = service.need(method.as_str(), routed);
        let is_guarded = need != Need::Nothing;
        if is_guarded {
            check_site(headers)?;
        }
        if let Some(dialing_in) = self.dialing_in(need, headers) {
            known.insert(dialing_in);
            known.insert(caller);
            return Ok(());
        }
        let given = bearer(headers).filter(|_| is_guarded).map(|given| (given, is_metrics));
        let mut standing = self.standing(given, headers, &caller, peer.as_ref())?;
        if matches!(standing, Standing::Stranger) {
            let trusted = self.trust(headers, peer.as_ref()).await;
            match trusted {
                Ok(true) => standing = Standing::Local,
                refused if is_guarded => return Err(Refusal::unauthorized(&caller, refused.err())),
                _ => {}
            }
        }
        if let (Standing::NotAdmitted(name), true) = (&standing, is_guarded) {
            return Err(RestError::new(StatusCode::FORBIDDEN, not_admitted(name)).into());
        }
        let who = standing.who();
        let is_met = need.is_met_by(who.rights);
        let is_within = !who.reach.is_limited() || service.is_open_to_limited(method.as_str(), routed);
        known.insert(who);
        known.insert(standing);
        known.insert(caller);
        match (is_within, is_met) {
            (true, true) => Ok(()),
            (true, false) => Err(Refusal::Forbidden(need)),
            (false, _) => Err(Refusal::Limited),
        }
    }

    /// Whether the other end of the connection is trusted by its user. A browser is not, whoever runs it, since its
    /// pages are of others; nor is what speaks for somebody else.
    async fn trust(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<bool, Distrust> {
        let Some(peer) = peer else { return Ok(false) };
        let has_proxy = self.proxies.are_declared() || self.is_below_a_path;
        if has_proxy || !is_a_script(headers) || !is_of_this_machine(without_port(host(headers))) {
            return Ok(false);
        }
        self.local.judge(peer).await
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), RestError> {
        let name = without_port(host(headers)).to_ascii_lowercase();
        if self.hosts.contains(&name) {
            return Ok(());
        }
        let detail = format!(
            "this service is not known as '{}'; set MEMDECK_ALLOWED_HOSTS to the names by which it is reached",
            name.escape_default()
        );
        Err(RestError::new(StatusCode::MISDIRECTED_REQUEST, detail))
    }

    /// A token that is sent must be right: a cookie beside a wrong one does not help. `given` is what was sent, and
    /// whether metrics are asked for.
    fn standing(
        &self,
        given: Option<(&[u8], bool)>,
        headers: &HeaderMap,
        caller: &Caller,
        peer: Option<&Peer>,
    ) -> Result<Standing, Refusal> {
        // None if no connection is: in tests.
        let address = peer.map_or(caller.address, |peer| peer.remote.ip().to_canonical());
        if self.open_to.includes(address) && !self.proxies.contains(address) {
            return Ok(Standing::Open);
        }
        if let Some((given, is_metrics)) = given {
            let opens = self.tokens.read().opens(given, is_metrics);
            let known = if opens.is_none() { self.accounts.token(given) } else { None };
            let verdict = self.calls.attempt(caller.address, || opens.is_some() || known.is_some());
            verdict.log("call", caller.address);
            self.failures.note(verdict, caller.address, AuditAction::WrongToken);
            if matches!(verdict, Verdict::Wrong { .. }) {
                self.tell_of_guessing(&self.calls, caller.address, None);
            }
            return match verdict {
                Verdict::Right if opens == Some(Opens::Metrics) => Ok(Standing::Metrics),
                Verdict::Right => Ok(known.map_or(Standing::Bearer, Standing::Token)),
                Verdict::Wrong { .. } => Err(Refusal::unauthorized(caller, None)),
                Verdict::Blocked { retry_after_s } => Err(Refusal::TooMany { retry_after_s }),
            };
        }
        if let Some(vouched) = self.proxies.vouched(peer.map(|peer| peer.remote.ip()), headers)? {
            let known = self.accounts.vouched(&vouched.name, vouched.rights, &vouched.groups);
            return Ok(known.map_or(Standing::NotAdmitted(vouched.name), Standing::Vouched));
        }
        // Sent by the browser by itself: it counts only for what our own page, or the operator, asked for.
        let ours = headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none");
        let name = self.cookie_name(caller);
        let session = cookies(headers, &name).filter(|_| ours).find_map(|id| self.accounts.resume(id));
        Ok(session.map_or(Standing::Stranger, |(session, known)| Standing::SignedIn(session, known)))
    }
}

/// What somebody is told who signed in at the proxy and may do nothing here.
pub(super) fn not_admitted(name: &AccountName) -> String {
    format!(
        "you signed in as {name}, who may do nothing here: ask an administrator for an account or a group"
    )
}

/// The middleware before every route.
pub async fn check(
    State((access, service)): State<(Arc<Access>, Service)>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut known = std::mem::take(request.extensions_mut());
    let (method, path) = (request.method(), request.uri().path());
    let judged = access.judge(service, method, path, request.headers(), &mut known).await;
    let address = known.get::<Caller>().map(|caller| caller.address.to_string());
    let call = Call::of(method, &known);
    *request.extensions_mut() = known;
    let (mut response, lacking) = asked_from(address, async {
        match judged {
            Ok(()) => {
                let response = next.run(request).await;
                let is_forbidden = response.status() == StatusCode::FORBIDDEN;
                (response, lacked().filter(|_| is_forbidden).map(Permission::name))
            }
            Err(refusal) => {
                let lacking = refusal.lacking();
                (refusal.into_response(), lacking)
            }
        }
    })
    .await;
    if let (Some(call), Some(lacking)) = (call, lacking) {
        access.refused_calls.note(access.audit(), call, lacking);
    }
    headers::add(response.headers_mut());
    response
}
