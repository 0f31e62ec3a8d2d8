//! Agents that have the token and mean no good: what they send is bounded, and the other hosts go on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use futures_util::stream;
use memdeck_agent::{WebSocketRole, over_websocket};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::site::{Dialer, Site, TOKEN, dials_in};
use crate::hosts::fleet::{Fleet, PATIENCE, service};
use crate::support::TestApp;
use crate::support::front::Listening;

/// A host that dials in, and another one that is called.
async fn beside_another(app: &TestApp) -> (Site, Listening) {
    let other = Listening::with(app.agent.clone()).await;
    let hosts = vec![
        ("kvm-a", service(&dials_in("kvm-a"), Some(TOKEN))),
        ("kvm-b", service(&format!("http://{}/", other.address), None)),
    ];
    let site = Site::with(Fleet::over(tempfile::tempdir().unwrap(), app, hosts), "127.0.0.1:0").await;
    site.fleet.until_up("kvm-b").await;
    (site, other)
}

/// A connection with the token, right after the dashboard agreed to a WebSocket.
async fn dialed(dashboard: SocketAddr) -> TcpStream {
    loop {
        let mut stream = TcpStream::connect(dashboard).await.unwrap();
        let request = format!(
            "GET /api/agents/dial HTTP/1.1\r\nHost: {dashboard}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("HTTP/1.1 101") {
            assert!(
                head.to_ascii_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
                "{head}"
            );
            return stream;
        }
        // One connection of a token at a time, and not too fast.
        assert!(head.starts_with("HTTP/1.1 429"), "{head}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the other end has had enough.
async fn until_closed(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let rest = async {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
    };
    tokio::time::timeout(PATIENCE, rest).await.expect("the dashboard closes the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_connection_of_an_agent_is_closed_and_the_next_one_is_welcome() {
    let app = TestApp::start();
    let (site, _other) = beside_another(&app).await;
    for wrong in [
        // A message that is too long, one of text, one without a mask, none at all.
        &[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &[0x81, 0x81, 0, 0, 0, 0, b'x'],
        &[0x82, 0x01, b'x'],
        &[0xff; 64],
    ] {
        let mut stream = dialed(site.address).await;
        stream.write_all(wrong).await.unwrap();
        until_closed(stream).await;
    }
    for wrong in [
        // Messages that hold something else than HTTP/2, and frames that no server sends: a stream of its own, a window that
        // overflows, a frame beyond the agreed length.
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0\0\0\x04\0\0\0\0\0\0\0\x05\x05\x04\0\0\0\x01promi",
        b"\0\0\0\x04\0\0\0\0\0\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff",
        b"\0\0\0\x04\0\0\0\0\0\xff\xff\xff\0\0\0\0\0\x01",
    ] {
        let stream = dialed(site.address).await;
        let mut stream = over_websocket(stream, WebSocketRole::Client).await;
        stream.write_all(wrong).await.unwrap();
        stream.flush().await.unwrap();
        until_closed(stream).await;
    }
    let _agent = Dialer::start(app.agent.clone(), site.address, TOKEN);
    site.fleet.until_up("kvm-a").await;
    site.fleet.until_up("kvm-b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_reads_keeps_nobody_from_the_other_host() {
    let app = TestApp::start();
    let (site, _other) = beside_another(&app).await;
    let silent = dialed(site.address).await;
    site.fleet.until("kvm-a", |host| host["error"] == "no answer in time").await;
    let (status, reply) = site.fleet.trigger(json!({"vms": ["kvm-b/web-01"]})).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    app.ended(1).await;
    // Nothing was heard of it.
    let gone = |host: &serde_json::Value| {
        host["error"].as_str().is_some_and(|error| error.starts_with("it has not dialed in since"))
    };
    let begun = std::time::Instant::now();
    while !gone(&site.fleet.get("/api/hosts").await.1["hosts"][0]) {
        assert!(begun.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(silent);
}

/// The bytes that this process has in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_an_end_are_not_read_to_the_last_byte_of_memory() {
    let app = TestApp::start();
    let (site, _other) = beside_another(&app).await;
    let endless = || async {
        let bytes = axum::body::Bytes::from(vec![b' '; 64 << 10]);
        Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(bytes.clone())))
    };
    let before = resident();
    let _agent = Dialer::start(Router::new().fallback(endless), site.address, TOKEN);
    site.fleet.until("kvm-a", |host| host["condition"] == "garbage" || host["warning"].is_string()).await;
    let mut most = 0;
    for _ in 0..100 {
        most = most.max(resident().saturating_sub(before));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(most < 256 << 20, "{most} bytes");
    site.fleet.until_up("kvm-b").await;
    let (status, reply) = site.fleet.trigger(json!({"vms": ["kvm-b/web-01"]})).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
}
