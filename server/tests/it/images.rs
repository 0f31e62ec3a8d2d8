//! Downloading stored images: forms, parts, conditions, and what breaks in the middle.

use std::fmt::Write as _;
use std::path::Path;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use memdeck::http::MAX_DOWNLOADS_OF_ONE;
use memdeck_image::{
    Effort, ExportFormat, FrozenCapture, ImageExport, ImageStore, Provenance, read_manifest,
};
use memdeck_model::ByteCount;

use crate::access::TOKEN;
use crate::support::front::Listening;
use crate::support::{HOST, TestApp, answer, get, http, send, text};

pub fn image(dump_id: &str, format: &str) -> String {
    format!("/api/memory-dumps/{dump_id}/image?format={format}")
}

/// A request for an image with these headers.
fn asked(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

async fn body(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn part(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
    let response = send(&app.dashboard, asked(Method::GET, path, headers)).await;
    (response.status(), response.headers().clone(), body(response).await)
}

/// What the library makes of a stored image.
pub fn exported(stored: &Path, format: ExportFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    ImageExport::open(stored, format).unwrap().write_from(0, Effort::Shared, &mut bytes).unwrap();
    bytes
}

/// Headers as text, without what differs from run to run.
fn told(headers: &HeaderMap, dump_id: &str, sha256: &str, size: u64) -> String {
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id" && *name != "memdeck-audit")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .map(|line| line.replace(dump_id, "<dump>").replace(sha256, "<sha256>"))
        .map(|line| line.replace(&format!("content-length: {size}"), "content-length: <stored bytes>"))
        .collect();
    lines.sort();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_downloaded_in_every_form() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("db-01").await;
    let record = answer(&app.dashboard, get(&format!("/api/memory-dumps/{dump_id}"))).await.1;
    let (sha256, size) = (record["sha256"].as_str().unwrap(), record["gzip_size_bytes"].as_u64().unwrap());
    let mut text = String::new();
    for form in ["elf", "raw", "lime", "avml", "stored"] {
        let expected = match form.parse() {
            Ok(format) => exported(&stored, format),
            Err(_) => std::fs::read(&stored).unwrap(),
        };
        for router in [&app.dashboard, &app.agent] {
            let response = send(router, get(&image(&dump_id, form))).await;
            let shown = told(response.headers(), &dump_id, sha256, size);
            writeln!(text, "> GET {form}\n{}\n{shown}\n", response.status().as_u16()).unwrap();
            assert!(body(response).await == expected, "{form}");
        }
        let (status, headers, nothing) = {
            let response = send(&app.dashboard, asked(Method::HEAD, &image(&dump_id, form), &[])).await;
            (response.status(), response.headers().clone(), body(response).await)
        };
        let length =
            headers.get("content-length").map(|length| length.to_str().unwrap().parse::<usize>().unwrap());
        assert_eq!((status, nothing.len()), (StatusCode::OK, 0));
        assert_eq!(length, (form != "avml").then_some(expected.len()), "{form}");
    }
    // Both services say the same, so it is shown once.
    let calls: Vec<&str> = text.split_inclusive("\n\n").collect();
    assert!(calls.chunks(2).all(|pair| pair[0] == pair[1]));
    let shown: String = calls.into_iter().step_by(2).collect();
    insta::assert_snapshot!(shown);
    let default = send(&app.dashboard, get(&format!("/api/memory-dumps/{dump_id}/image"))).await;
    assert!(body(default).await == exported(&stored, ExportFormat::Elf));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_that_part_of_the_whole() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    for form in ["elf", "raw", "lime", "stored"] {
        let path = image(&dump_id, form);
        let whole = part(&app, &path, &[]).await.2;
        let last = whole.len() - 1;
        for (range, first, end) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=4000-9999".to_owned(), 4000, 10_000),
            ("bytes=-100".to_owned(), last - 99, last + 1),
            (format!("bytes={last}-"), last, last + 1),
            (format!("bytes=10-{}", u64::MAX), 10, last + 1),
        ] {
            let (status, headers, bytes) = part(&app, &path, &[("range", &range)]).await;
            assert_eq!(status, StatusCode::PARTIAL_CONTENT, "{form} {range}");
            assert!(bytes == whole[first..end], "{form} {range}");
            assert_eq!(headers["content-range"], format!("bytes {first}-{}/{}", end - 1, whole.len()));
            assert_eq!(headers["content-length"], (end - first).to_string());
        }
        let (status, headers, detail) =
            part(&app, &path, &[("range", &format!("bytes={}-", whole.len()))]).await;
        assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(headers["content-range"], format!("bytes */{}", whole.len()));
        assert!(String::from_utf8_lossy(&detail).contains("there is no such part"), "{form}");
        let (status, _, bytes) = part(&app, &path, &[("range", "bytes=0-1,5-6")]).await;
        assert!(status == StatusCode::OK && bytes == whole, "several parts get everything");
    }
    let (status, _, bytes) = part(&app, &image(&dump_id, "avml"), &[("range", "bytes=0-9")]).await;
    assert!(status == StatusCode::OK && bytes == exported(&stored, ExportFormat::Avml), "AVML has no parts");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_tag_stands_for_the_bytes_of_one_form() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("web-01").await;
    let mut tags = Vec::new();
    for form in ["elf", "raw", "lime", "avml", "stored"] {
        let path = image(&dump_id, form);
        let tag = part(&app, &path, &[]).await.1["etag"].to_str().unwrap().to_owned();
        let (status, headers, bytes) = part(&app, &path, &[("if-none-match", &tag)]).await;
        assert_eq!((status, bytes.len()), (StatusCode::NOT_MODIFIED, 0));
        assert!(headers["etag"] == tag && headers["cache-control"] == "no-store");
        let (status, ..) = part(&app, &path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(status, StatusCode::OK);
        if form != "avml" {
            let range = [("range", "bytes=0-9"), ("if-range", tag.as_str())];
            assert_eq!(part(&app, &path, &range).await.2.len(), 10);
            let (status, _, bytes) =
                part(&app, &path, &[("range", "bytes=0-9"), ("if-range", "\"other\"")]).await;
            assert!(status == StatusCode::OK && bytes.len() > 10);
        }
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_downloaded_is_a_sentence() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let refused = async |path: &str| {
        let (status, answer) = answer(&app.dashboard, get(path)).await;
        (status, answer["detail"].as_str().unwrap().replace(&dump_id, "<dump>"))
    };
    assert_eq!(
        refused(&image(&dump_id, "kdump")).await,
        (
            StatusCode::BAD_REQUEST,
            "'kdump' is no format of an image; there are elf, raw, lime, avml and stored".to_owned()
        )
    );
    for odd in ["no-such-dump", "..%2f..%2fetc%2fpasswd", "%00", "a_b"] {
        let (status, detail) = refused(&image(odd, "elf")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{detail}");
        assert!(detail.starts_with("there is no finished dump "), "{detail}");
    }

    let bytes = std::fs::read(&stored).unwrap();
    std::fs::write(&stored, &bytes[..bytes.len() - 1]).unwrap();
    let (status, detail) = refused(&image(&dump_id, "stored")).await;
    let length = bytes.len();
    assert_eq!(
        (status, detail.as_str()),
        (
            StatusCode::CONFLICT,
            format!(
                "the file of dump <dump> of web-01 is not the one that was recorded: it was changed or exchanged; \
                 verify it (the size of the stored file in bytes is {}, but the catalog's record says {length})",
                length - 1
            )
            .as_str()
        )
    );
    let (status, raw) = refused(&image(&dump_id, "raw")).await;
    assert_eq!((status, raw), (StatusCode::CONFLICT, detail));
    let mut without_table = bytes.clone();
    without_table[length - 1] ^= 1;
    std::fs::write(&stored, without_table).unwrap();
    let (status, detail) = refused(&image(&dump_id, "raw")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(detail.contains("does not end with a seek table") && !detail.contains("/dumps/"), "{detail}");

    std::fs::remove_file(&stored).unwrap();
    for path in
        [image(&dump_id, "elf"), image(&dump_id, "stored"), format!("/api/memory-dumps/{dump_id}/inspect")]
    {
        let (status, detail) = refused(&path).await;
        assert_eq!(status, StatusCode::GONE, "{path}");
        assert!(detail.contains("is no longer where it was stored"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_middle_breaks_the_connection() {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", ByteCount::from_mib(16)));
    let (dump_id, stored) = app.dumped("mail-01").await;
    let mut bytes = std::fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&stored, bytes).unwrap();
    let service = Listening::with(app.dashboard.clone()).await;
    memdeck::commands::install_tls_provider();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for form in ["elf", "raw", "lime", "avml"] {
        let url = format!("http://{}{}", service.address, image(&dump_id, form));
        let response = client.get(&url).header("host", HOST).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let broken = response.bytes().await;
        assert!(broken.is_err(), "{form}: {} bytes came as if they were all", broken.unwrap().len());
    }
}

/// The stored file of the same image with one byte of memory changed and compressed anew, as long as the original; and
/// where the byte is.
pub fn forged(stored: &Path, elf: &[u8]) -> (usize, Vec<u8>) {
    let manifest = read_manifest(stored).unwrap().unwrap().manifest;
    let length = std::fs::metadata(stored).unwrap().len();
    for at in (9 << 20..elf.len()).step_by(40_961) {
        let mut changed = elf.to_vec();
        changed[at] ^= 1;
        let dir = tempfile::tempdir().unwrap();
        let store = ImageStore::open(&dir.path().join("dumps")).unwrap();
        let received = FrozenCapture::prepare(&store).unwrap();
        let received = received.receive(changed.as_slice(), &|| false, &mut |_| {}).unwrap();
        let mut partial = store.create(&manifest.guest.name, &"forged".parse().unwrap()).unwrap();
        partial.capture(received, &|| false, &mut |_| {}).unwrap();
        let manifest = manifest.clone();
        let requested_by = manifest.asked_by();
        let sealed = partial.seal(Provenance {
            guest: manifest.guest,
            host: manifest.host,
            host_kernel: manifest.host_kernel,
            host_clock: manifest.host_clock,
            hypervisor: manifest.hypervisor,
            memdeck_version: manifest.memdeck_version,
            requested_by,
            mode: manifest.mode,
            started_at: manifest.started_at,
            finished_at: manifest.finished_at,
            pause_ms: manifest.pause_ms,
            capture: manifest.capture,
            case: manifest.case,
            note: manifest.note,
            audit: None,
        });
        let sealed = sealed.unwrap();
        if sealed.stored_size.0 == length {
            return (at, std::fs::read(sealed.image).unwrap());
        }
    }
    panic!("no changed byte leaves the length of the stored file as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_was_changed_and_compressed_anew_is_not_sent_in_any_form() {
    const MIB: usize = 1 << 20;
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", ByteCount::from_mib(16)));
    let (dump_id, stored) = app.dumped("mail-01").await;
    let original = std::fs::read(&stored).unwrap();
    let elf = exported(&stored, ExportFormat::Elf);
    let forms = ["elf", "raw", "lime", "avml", "stored"];
    let expected = forms.map(|form| match form.parse() {
        Ok(format) => exported(&stored, format),
        Err(_) => original.clone(),
    });
    let (at, changed) = forged(&stored, &elf);
    std::fs::write(&stored, changed).unwrap();
    let service = Listening::with(app.dashboard.clone()).await;
    memdeck::commands::install_tls_provider();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (form, expected) in forms.into_iter().zip(expected) {
        let url = format!("http://{}{}", service.address, image(&dump_id, form));
        let mut response = client.get(&url).header("host", HOST).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut came = Vec::new();
        let broken = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => came.extend(chunk),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(broken, "{form}: {} bytes came as if they were all", came.len());
        assert!(expected.starts_with(&came), "{form}: a byte that differs was sent");
        assert!(form == "avml" || came.len() <= at, "{form}");
    }
    let url = format!("http://{}{}", service.address, image(&dump_id, "elf"));
    let part = async |range: String| {
        let response = client.get(&url).header("host", HOST).header("range", range).send().await.unwrap();
        response.bytes().await
    };
    let frame = at / MIB * MIB;
    assert!(part(format!("bytes={frame}-{}", frame + 9)).await.is_err(), "no byte of the frame");
    assert!(part(format!("bytes={}-{}", frame - 10, frame - 1)).await.unwrap() == elf[frame - 10..frame]);
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_are_bounded_and_one_that_is_given_up_makes_room() {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", ByteCount::from_mib(16)));
    let (dump_id, _) = app.dumped("mail-01").await;
    let path = image(&dump_id, "lime");
    let mut open = Vec::new();
    for _ in 0..MAX_DOWNLOADS_OF_ONE {
        // Nobody reads the body, so it stays open.
        open.push(send(&app.dashboard, get(&path)).await);
    }
    let refused = send(&app.dashboard, get(&path)).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "30");
    let detail = String::from_utf8(body(refused).await.to_vec()).unwrap();
    assert!(detail.contains("4 images are being downloaded, which is the limit"), "{detail}");
    let head = send(&app.dashboard, asked(Method::HEAD, &path, &[])).await;
    assert_eq!(head.status(), StatusCode::OK, "what sends no body needs no place");

    drop(open.pop());
    until_admitted(&app.dashboard, &path).await;
    for response in open {
        assert!(body(response).await.len() > 16 << 20);
    }
}

/// Asks until a download is admitted: a thread notices with its next chunk that nobody takes it.
async fn until_admitted(router: &Router, path: &str) {
    let begun = std::time::Instant::now();
    loop {
        let response = send(router, get(path)).await;
        if response.status() == StatusCode::OK {
            return;
        }
        assert!(
            begun.elapsed() < std::time::Duration::from_mins(1),
            "the place of a download was never free again"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manifest_and_inspection_are_told() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("web-01").await;
    for router in [&app.dashboard, &app.agent] {
        let response = send(router, get(&format!("/api/memory-dumps/{dump_id}/manifest"))).await;
        assert_eq!(response.headers()["cache-control"], "no-store");
        let manifest: serde_json::Value = serde_json::from_slice(&body(response).await).unwrap();
        assert_eq!(
            (&manifest["dump_id"], &manifest["guest"]["name"]),
            (&dump_id.as_str().into(), &"web-01".into())
        );
        let seen = answer(router, get(&format!("/api/memory-dumps/{dump_id}/inspect"))).await.1;
        assert_eq!((&seen["manifest"], &seen["cpus"]), (&manifest, &1.into()));
        assert_eq!(seen["exports"][1]["omitted"][0]["address"], 0xfffc_0000_u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_behind_the_guard() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    for (method, what) in [
        (Method::GET, "/image"),
        (Method::HEAD, "/image"),
        (Method::GET, "/inspect"),
        (Method::POST, "/verify"),
        (Method::DELETE, ""),
    ] {
        let path = format!("/api/memory-dumps/some-dump{what}");
        for router in [&app.dashboard, &app.agent] {
            let json = ("content-type", "application/json");
            let without = send(router, asked(method.clone(), &path, &[json])).await;
            assert_eq!(without.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            let with = [json, ("authorization", &format!("Bearer {TOKEN}"))];
            assert_ne!(
                send(router, asked(method.clone(), &path, &with)).await.status(),
                StatusCode::UNAUTHORIZED
            );
        }
    }
    let (status, _) = text(&app.dashboard, get("/healthz")).await;
    assert_eq!(status, StatusCode::OK);
}
