use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use reqwest::Method;
use tokio::io::DuplexStream;

use super::super::{bounded_body, condition_of};
use super::*;

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(100);

fn by(last: u8, instance: &str) -> DialedBy {
    DialedBy { address: IpAddr::from([192, 0, 2, last]), instance: Some(instance.to_owned()) }
}

/// This end of a connection with an agent whose answers have this body.
fn agent(body: fn() -> Body) -> DuplexStream {
    let (here, there) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move {
        let service = service_fn(move |_: hyper::Request<Incoming>| async move {
            Ok::<_, Infallible>(hyper::Response::new(body()))
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(there), service).await;
    });
    here
}

/// Lets an agent come, and waits until it is there.
async fn comes(line: &Arc<Line>, stream: DuplexStream, by: DialedBy) {
    tokio::spawn({
        let line = Arc::clone(line);
        async move { line.keep(stream, by).await }
    });
    line.changed().await;
}

async fn ask(line: &Line, limit: Limit) -> Result<Vec<u8>, CallError> {
    let request = reqwest::Request::new(Method::GET, "dial://kvm-02/api/dumps".parse().unwrap());
    bounded_body(line.send(request, limit).await?).await
}

#[tokio::test]
async fn an_agent_is_called_while_it_is_there_and_its_absence_is_told_in_words() {
    let line = Arc::new(Line::to("dial://kvm-02"));
    let never = ask(&line, Limit::Whole(LONG)).await.unwrap_err();
    assert_eq!(never.to_string(), "it has never dialed in since this dashboard was started");
    assert!(!condition_of(&never).is_up());
    comes(&line, agent(|| Body::from("it works")), by(1, "a")).await;
    for limit in [Limit::Whole(LONG), Limit::Part(LONG)] {
        assert_eq!(ask(&line, limit).await.unwrap(), b"it works");
    }
    line.hang_up();
    line.changed().await;
    let gone = ask(&line, Limit::Whole(LONG)).await.unwrap_err();
    assert!(gone.to_string().starts_with("it has not dialed in since 20"), "{gone}");
}

#[tokio::test]
async fn the_end_of_a_connection_is_seen_and_calls_on_their_way_end_with_it() {
    let line = Arc::new(Line::to("dial://kvm-02"));
    let (here, there) = tokio::io::duplex(64 << 10);
    comes(&line, here, by(1, "a")).await;
    let (asked, ()) = tokio::join!(ask(&line, Limit::Whole(LONG)), async { drop(there) });
    assert!(asked.is_err());
    line.changed().await;
    let gone = ask(&line, Limit::Whole(LONG)).await.unwrap_err();
    assert!(gone.to_string().starts_with("it has not dialed in since 20"), "{gone}");
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_not_waited_for_longer_than_it_may_take() {
    let line = Arc::new(Line::to("dial://kvm-02"));
    let stops = || Body::wrap_stream(stream::pending::<Result<Bytes, Infallible>>());
    comes(&line, agent(stops), by(1, "a")).await;
    for limit in [Limit::Whole(SHORT), Limit::Part(SHORT)] {
        assert_eq!(ask(&line, limit).await.unwrap_err().to_string(), LATE);
    }
}

#[tokio::test]
async fn two_agents_that_take_each_others_place_are_noticed_and_one_that_comes_back_is_not() {
    let line = Arc::new(Line::to("dial://kvm-02"));
    for _ in 0..5 {
        comes(&line, agent(|| Body::from("a")), by(1, "a")).await;
    }
    assert_eq!(line.notice(), None);
    comes(&line, agent(|| Body::from("b")), by(2, "b")).await;
    assert_eq!(line.notice(), None, "it may have moved");
    assert_eq!(ask(&line, Limit::Whole(LONG)).await.unwrap(), b"b");
    comes(&line, agent(|| Body::from("a")), by(1, "a")).await;
    let notice = line.notice().expect("both are there").to_string();
    assert!(notice.contains("192.0.2.1 and 192.0.2.2"), "{notice}");
    assert_eq!(ask(&line, Limit::Whole(LONG)).await.unwrap(), b"a");
}

#[tokio::test]
async fn a_token_does_not_open_connections_in_a_loop() {
    let line = Line::to("dial://kvm-02");
    assert!(line.admit());
    assert!(!line.admit());
}
