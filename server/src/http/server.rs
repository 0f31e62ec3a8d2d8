//! Answers on a listener, with the same limits with TLS and without: how many connections, how long the head and the body
//! of a request may take, how large a head may be, and how long a client may take nothing of its answer. With TLS a client
//! may speak HTTP/2; without, and where that is not agreed, a connection can become one of another kind. The same answers go over
//! a connection that an agent has opened itself.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::{HeaderValue, Request, Response, Version};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::access::Peer;
use super::connections::{Busy, ClientsTurn, Connection, Connections, Limits};
use super::cut_short::CutShort;
use super::patient::Patient;

/// How long a client may take to agree on keys, to send the head of its first request, and that of a further one.
const HEAD_LIMIT: Duration = Duration::from_secs(20);
/// How long the body of a request may take: 1 MiB at most, which a slow line sends in that time.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// The longest head of a request.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// Requests at the same time on one connection of HTTP/2, and on the one of an agent with its dashboard, whose readers share it.
const MAX_STREAMS: u32 = 100;
const MAX_STREAMS_OF_DASHBOARD: u32 = 1000;
/// Between two signs of life that a client of HTTP/2 is asked for, and how long one is waited for.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// The same between an agent and its dashboard, where either end gives up the other one after some seconds without a byte.
const PING_INTERVAL_OF_DASHBOARD: Duration = Duration::from_secs(3);
/// Before the next try, if the system accepts no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Lets this process have as many descriptors as it may, and returns the limits of connections that follow.
pub fn limits() -> Limits {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let now = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of descriptors cannot be raised");
    }
    Limits::within(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// Answers until `closing` is true, with the newest configuration of TLS where there is one, then until every request has been answered.
pub async fn serve(
    listener: TcpListener,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    routes: Router,
    connections: Arc<Connections>,
    mut closing: watch::Receiver<bool>,
) {
    // Every connection holds a receiver: the sender learns when the last one is gone.
    let (open, alive) = watch::channel(());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Of one client that went away, or of a system that has no more: neither ends the service.
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = connections.admit(remote.ip()) else {
            tracing::debug!(%remote, "a connection was refused: all others are busy");
            continue;
        };
        let client =
            Client { remote, place: Arc::new(place), routes: routes.clone(), closing: closing.clone() };
        // A connection has the certificate that holds when it begins.
        let tls = tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.borrow())));
        let alive = alive.clone();
        tokio::spawn(async move {
            client.answer(stream, tls).await;
            drop(alive);
        });
    }
    drop((listener, alive));
    open.closed().await;
}

/// Answers what is called over `stream`, a connection that this process has opened to `dashboard`, until it ends, or until `closing`
/// is true and every request has been answered.
pub async fn answer_over<S>(stream: S, dashboard: SocketAddr, routes: Router, closing: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let alone = Connections::new(Limits { per_address: 1, in_all: 1 });
    let Some(place) = alone.admit(dashboard.ip()) else { return };
    let client = Client { remote: dashboard, place: Arc::new(place), routes, closing };
    client.speak(stream, Peer::new(dashboard, None), CutShort::default(), Protocol::OfDashboard).await;
}

/// What is spoken on a connection.
#[derive(Clone, Copy)]
enum Protocol {
    Http1,
    Http2,
    /// HTTP/2 with the dashboard that an agent has dialed.
    OfDashboard,
}

/// One connection.
struct Client {
    remote: SocketAddr,
    place: Arc<Connection>,
    routes: Router,
    closing: watch::Receiver<bool>,
}

impl Client {
    async fn answer(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let peer = Peer::new(self.remote, stream.local_addr().ok());
        // Small answers are not to wait for the next one.
        let _ = stream.set_nodelay(true);
        let cut_short = CutShort::default();
        let stream = Patient::new(stream, cut_short.clone());
        let Some(tls) = tls else { return self.speak(stream, peer, cut_short, Protocol::Http1).await };
        let encrypted = tokio::select! {
            encrypted = timeout(HEAD_LIMIT, tls.accept(stream)) => encrypted,
            () = self.place.has_to_go() => return,
        };
        match encrypted {
            Ok(Ok(stream)) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
                self.speak(stream, peer, cut_short, protocol).await;
            }
            // Scanners, browsers that do not trust the certificate: no concern of the operator.
            Ok(Err(error)) => tracing::debug!(peer = %self.remote, %error, "no TLS with this client"),
            Err(_) => tracing::debug!(peer = %self.remote, "this client did not go on with TLS"),
        }
    }

    async fn speak<S>(self, stream: S, peer: Peer, cut_short: CutShort, protocol: Protocol)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (answering, routes, stream) =
            (Arc::clone(&self.place), self.routes.clone(), TokioIo::new(stream));
        let service = service_fn(move |request: Request<Incoming>| {
            let busy = answering.busy();
            let (routes, peer, cut_short) = (routes.clone(), peer.clone(), cut_short.clone());
            async move { Ok::<_, Infallible>(answered(routes, request, peer, busy, cut_short).await) }
        });
        match protocol {
            Protocol::Http1 => {
                let connection = over_http1().serve_connection(stream, service).with_upgrades();
                self.until_end(connection, http1::UpgradeableConnection::graceful_shutdown).await;
            }
            Protocol::Http2 => {
                let connection = over_http2(MAX_STREAMS, PING_INTERVAL).serve_connection(stream, service);
                self.until_end(connection, http2::Connection::graceful_shutdown).await;
            }
            Protocol::OfDashboard => {
                let builder = over_http2(MAX_STREAMS_OF_DASHBOARD, PING_INTERVAL_OF_DASHBOARD);
                let connection = builder.serve_connection(stream, service);
                self.until_end(connection, http2::Connection::graceful_shutdown).await;
            }
        }
    }

    /// Answers on a connection; `end` tells it to end after what is being answered.
    async fn until_end<C>(self, connection: C, end: fn(Pin<&mut C>))
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let Self { remote, place, mut closing, .. } = self;
        let mut connection = pin!(connection);
        let mut unserved = pin!(sleep(HEAD_LIMIT));
        let mut is_closing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %remote, %error, "a connection ended early");
                    }
                    return;
                }
                () = place.has_to_go() => return,
                () = unserved.as_mut() => {
                    if !place.was_asked() {
                        return;
                    }
                    unserved.as_mut().reset(Instant::now() + Duration::from_hours(24));
                }
                _ = closing.wait_for(|closing| *closing), if !is_closing => {
                    is_closing = true;
                    end(connection.as_mut());
                }
            }
        }
    }
}

fn over_http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(MAX_HEAD_BYTES);
    builder
}

fn over_http2(streams: u32, ping_interval: Duration) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(streams)
        .keep_alive_interval(ping_interval)
        .keep_alive_timeout(PING_INTERVAL);
    builder
}

async fn answered(
    routes: Router,
    request: Request<Incoming>,
    peer: Peer,
    busy: Busy,
    cut_short: CutShort,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let version = parts.version;
    // HTTP/2 has the name of the service in the URI alone, where nothing else may contradict it.
    if parts.version == Version::HTTP_2
        && let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(HOST, host);
    }
    parts.extensions.insert(ConnectInfo(peer));
    let rest = (!body.is_end_stream()).then(|| busy.wait_for_client());
    if rest.is_none() {
        busy.has_all();
    }
    let busy = Arc::new(busy);
    let deadline = Box::pin(sleep(BODY_LIMIT));
    let body = Body::new(InTime { body, deadline, busy: Arc::clone(&busy), rest });
    let answer = match routes.oneshot(Request::from_parts(parts, body)).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    let has_length =
        answer.headers().contains_key(CONTENT_LENGTH) || answer.body().size_hint().exact().is_some();
    // From HTTP/1.1 on, a body without a length says itself where it ends.
    let ends_by_closing = version < Version::HTTP_11 && !has_length;
    let cut_short = ends_by_closing.then_some(cut_short);
    answer.map(|body| Body::new(UntilSent { body, cut_short, busy, untaken: None }))
}

/// The body of a request, which must be there in time.
struct InTime {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
    busy: Arc<Busy>,
    /// Until all of it has come.
    rest: Option<ClientsTurn>,
}

impl HttpBody for InTime {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let is_last = frame.is_none() || self.body.is_end_stream();
            if is_last && self.rest.take().is_some() {
                self.busy.has_all();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.deadline.as_mut().poll(context));
        let late = format!("it did not arrive within {} s", BODY_LIMIT.as_secs());
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, late).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer; the connection is busy until it is gone.
struct UntilSent {
    body: Body,
    /// Where nothing but the end of the connection tells the end of the body.
    cut_short: Option<CutShort>,
    busy: Arc<Busy>,
    /// A part of it was handed over, and nobody has come for the next one.
    untaken: Option<ClientsTurn>,
}

impl HttpBody for UntilSent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.untaken = None;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.untaken = Some(self.busy.wait_for_client());
        if let (Some(Err(_)), Some(cut_short)) = (&frame, &self.cut_short) {
            cut_short.note();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
