//! Who may call. Any web page can reach 127.0.0.1 from the operator's browser, so what a browser does on behalf of a
//! foreign page must be told apart from what the operator does:
//!
//! - the `Host` header must name this service (421 otherwise): a foreign name that resolves to us is DNS rebinding;
//! - a request that may change something must be same-origin where the browser says so (403 otherwise). What has a
//!   body must be JSON, which a foreign page cannot send without a preflight that nothing here answers: that is asked
//!   where the body is read (`answer::JsonBody`, 415 otherwise), so that a method that is not taken is told so. The
//!   two forms of signing in and out are forms: for them the origin alone counts;
//! - `/api` takes only callers that send the token, or the cookie of somebody who signed in (401 otherwise), and answers
//!   only a few wrong tokens of an address (429 for more). A script of this machine needs none if the kernel says that its socket is
//!   root's or that of memdeck's own user ([`local`]), and `OPEN_ACCESS` names who needs none without a question.
//!
//! There is no CORS header anywhere, on purpose. What a page may show to whom is decided where it is shown: the access
//! tells routes who asks ([`Standing`]).

mod attempts;
mod caller;
mod local;
mod sessions;
mod sign_in_links;
mod socket_owner;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use memdeck_clock::Clock;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::answer::{RestError, media_type};
use super::headers;
use crate::config::{HttpConfig, OpenAccess, Secret};
use attempts::Attempts;
use caller::Proxies;
use local::Distrust;

pub use attempts::Verdict;
pub use caller::Caller;
pub use local::{LocalTrust, Peer};
pub use sessions::{OpenSession, Sessions};
pub use sign_in_links::{LIFETIME as SIGN_IN_LINK_LIFETIME, SignInLinks};

pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What takes a form instead of JSON: a page without script sends it.
const FORMS: [&str; 2] = ["/sign-in", "/sign-out"];
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
    /// A browser whose operator is signed in.
    SignedIn(OpenSession),
    /// Nobody known.
    Stranger,
}

/// The rules of one service.
pub struct Access {
    hosts: Vec<String>,
    token: Option<TokenDigest>,
    /// Distinguishes the cookies of services under one host name: cookies know no ports.
    instance: String,
    open_to: OpenAccess,
    local: Arc<LocalTrust>,
    proxies: Proxies,
    sessions: Arc<Sessions>,
    links: Arc<SignInLinks>,
    sign_ins: Attempts,
    /// Counted apart: a script with an old token must not keep operators out.
    calls: Attempts,
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
            token: http.token.as_ref().map(TokenDigest::of),
            instance: String::new(),
            open_to: http.open_access.clone(),
            local: Arc::new(LocalTrust::off()),
            proxies: Proxies::new(http),
            links: Arc::new(SignInLinks::new(Arc::clone(clock))),
            sessions: Arc::new(Sessions::new(Arc::clone(clock))),
            sign_ins: Attempts::new(Arc::clone(clock)),
            calls: Attempts::new(Arc::clone(clock)),
        }
    }

    /// The same rules, with `trust` in users of this machine.
    #[must_use]
    pub fn with_local_trust(self, trust: Arc<LocalTrust>) -> Self {
        Self { local: trust, ..self }
    }

    /// The same rules, with cookies that are told apart from those of other services by `id`, of which the first eight
    /// letters and digits count.
    #[must_use]
    pub fn with_instance(self, id: &str) -> Self {
        let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        Self { instance: format!("_{id}"), ..self }
    }

    /// The name of the session's cookie. With TLS it has the prefix that binds it to this very host.
    pub fn cookie_name(&self, caller: &Caller) -> String {
        let prefix = if caller.secure { "__Host-" } else { "" };
        format!("{prefix}memdeck_session{}", self.instance)
    }

    /// The sessions of signed-in operators.
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// The links with which a browser signs in.
    pub fn links(&self) -> &Arc<SignInLinks> {
        &self.links
    }

    /// Whether `given` is the token, as `caller` says when signing in.
    pub fn judge_sign_in(&self, caller: &Caller, given: &str) -> Verdict {
        let is_right = || self.token.as_ref().is_some_and(|token| token.matches(given.as_bytes()));
        let verdict = self.sign_ins.attempt(caller.address, is_right);
        verdict.log("sign-in", caller.address);
        verdict
    }

    /// Whether `code` is that of a link that was made and not used.
    pub fn judge_link(&self, caller: &Caller, code: &str) -> Verdict {
        let verdict = self.sign_ins.attempt(caller.address, || self.links.take(code));
        verdict.log("sign-in link", caller.address);
        verdict
    }

    /// Judges a request by its head, and notes what routes need to know about who asks.
    async fn judge(
        &self,
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
        let is_api = path.starts_with("/api/") || path == "/api";
        if is_api {
            check_site(headers)?;
        }
        let mut standing = self.standing(is_api, headers, &caller, peer.as_ref())?;
        if matches!(standing, Standing::Stranger) {
            let trusted = self.trust(headers, peer.as_ref()).await;
            match trusted {
                Ok(true) => standing = Standing::Local,
                refused if is_api => return Err(Refusal::unauthorized(&caller, refused.err())),
                _ => {}
            }
        }
        known.insert(standing);
        known.insert(caller);
        Ok(())
    }

    /// Whether the other end of the connection is trusted by its user. A browser is not, whoever runs it, since its
    /// pages are of others; nor is what speaks for somebody else.
    async fn trust(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<bool, Distrust> {
        let Some(peer) = peer else { return Ok(false) };
        if self.proxies.are_declared() || !is_a_script(headers) {
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

    /// A token that is sent must be right: a cookie beside a wrong one does not help.
    fn standing(
        &self,
        is_api: bool,
        headers: &HeaderMap,
        caller: &Caller,
        peer: Option<&Peer>,
    ) -> Result<Standing, Refusal> {
        // None where no connection is: in tests.
        let address = peer.map_or(caller.address, |peer| peer.remote.ip().to_canonical());
        if self.open_to.includes(address) && !self.proxies.contains(address) {
            return Ok(Standing::Open);
        }
        if is_api && let Some(given) = bearer(headers) {
            let is_right = || self.token.as_ref().is_some_and(|token| token.matches(given));
            let verdict = self.calls.attempt(caller.address, is_right);
            verdict.log("call", caller.address);
            return match verdict {
                Verdict::Right => Ok(Standing::Bearer),
                Verdict::Wrong { .. } => Err(Refusal::unauthorized(caller, None)),
                Verdict::Blocked { retry_after_s } => Err(Refusal::TooMany { retry_after_s }),
            };
        }
        // Sent by the browser by itself: it counts only for what our own page, or the operator, asked for.
        let ours = headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none");
        let name = self.cookie_name(caller);
        let session = cookies(headers, &name).filter(|_| ours).find_map(|id| self.sessions.resume(id));
        Ok(session.map_or(Standing::Stranger, Standing::SignedIn))
    }
}

/// The SHA-256 of the token: of fixed length, so that comparing takes the same time whatever is compared.
struct TokenDigest([u8; 32]);

impl TokenDigest {
    fn of(token: &Secret) -> Self {
        Self(Sha256::digest(token.expose()).into())
    }

    fn matches(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.ct_eq(&given).into()
    }
}

/// Why a request is not passed on.
enum Refusal {
    Plain(RestError),
    TooMany { retry_after_s: u64 },
}

impl From<RestError> for Refusal {
    fn from(error: RestError) -> Self {
        Self::Plain(error)
    }
}

impl Refusal {
    /// To a caller of this machine it says why it needs the token too.
    fn unauthorized(caller: &Caller, distrust: Option<Distrust>) -> Self {
        let mut detail = "sign in, or send the service's token as `Authorization: Bearer <token>`".to_owned();
        match distrust {
            Some(distrust) if caller.address.is_loopback() && distrust != Distrust::NotUsed => {
                detail.push_str("; root and memdeck's own user need it too: ");
                detail.push_str(&distrust.to_string());
            }
            _ => {}
        }
        Self::Plain(RestError::unauthorized(detail))
    }

    fn into_response(self) -> Response {
        match self {
            Self::Plain(error) => {
                let mut response = error.into_response();
                if response.status() == StatusCode::UNAUTHORIZED {
                    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                }
                response
            }
            Self::TooMany { retry_after_s } => {
                let detail =
                    format!("too many wrong tokens came from your address; try again in {retry_after_s} s");
                let mut response = RestError::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
                response
            }
        }
    }
}

/// Whether nothing says that a browser sent it or that it was passed on for somebody else.
fn is_a_script(headers: &HeaderMap) -> bool {
    !headers.keys().any(|name| {
        let name = name.as_str();
        matches!(name, "origin" | "forwarded" | "via" | "x-real-ip")
            || name.starts_with("sec-fetch-")
            || name.starts_with("x-forwarded-")
    })
}

/// What is sent as the token, where one is sent.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, given) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(given)
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|pairs| pairs.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(found, _)| *found == name)
        .map(|(_, value)| value)
}

fn check_same_origin(headers: &HeaderMap, caller: &Caller) -> Result<(), RestError> {
    check_site(headers)?;
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let same = origin.to_str().is_ok_and(|origin| {
        // A page that came without TLS is not ours where we have it. Without a declared proxy there may be one still.
        let plain = origin.strip_prefix("http://").filter(|_| !caller.secure);
        let authority = plain.or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host(headers)))
    });
    if same { Ok(()) } else { Err(from_another_page()) }
}

/// Another page asks for nothing here, not even to look: links to pages of ours are all it may have.
fn check_site(headers: &HeaderMap) -> Result<(), RestError> {
    match headers.get(SEC_FETCH_SITE) {
        Some(site) if site != "same-origin" && site != "none" => Err(from_another_page()),
        _ => Ok(()),
    }
}

fn from_another_page() -> RestError {
    RestError::new(StatusCode::FORBIDDEN, "requests from other web pages are not accepted")
}

fn check_form(headers: &HeaderMap) -> Result<(), RestError> {
    if media_type(headers).eq_ignore_ascii_case(FORM_TYPE) {
        return Ok(());
    }
    let detail = "send a form with `Content-Type: application/x-www-form-urlencoded`";
    Err(RestError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// `[::1]:8000` is `[::1]`, `localhost:8000` is `localhost`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(']') =>
        {
            name
        }
        _ => host,
    }
}

/// The middleware before every route.
pub async fn check(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let mut known = std::mem::take(request.extensions_mut());
    let judged = access.judge(request.method(), request.uri().path(), request.headers(), &mut known).await;
    *request.extensions_mut() = known;
    let mut response = match judged {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    headers::add(response.headers_mut());
    response
}
