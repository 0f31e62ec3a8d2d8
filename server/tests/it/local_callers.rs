//! Who needs no token on the machine where memdeck runs: the program itself, real connections, other users. Needs root,
//! to act as another user.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::TestApp;
use crate::support::program::{Running, memdeck};

/// `nobody`
const ANOTHER_USER: u32 = 65_534;
const TRIGGER: &str = r#"{"vms": ["web-09"]}"#;

fn address(running: &Running) -> SocketAddr {
    running.url.split_once("://").unwrap().1.parse().unwrap()
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// Sends as the user of this test; status and body.
fn send(to: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    split(&answer)
}

fn split(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (status.parse().unwrap(), answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Sends `request` as another user, in a way that `then` says in Python; what it printed.
fn as_another_user(to: SocketAddr, request: &str, then: &str) -> String {
    let program = format!(
        "import socket, sys\n\
         s = socket.create_connection(({:?}, {}))\n\
         def answer():\n    data = b''\n    while part := s.recv(65536): data += part\n    return data.decode()\n\
         request = {request:?}.encode()\n{then}",
        to.ip().to_string(),
        to.port(),
    );
    let mut python = Command::new("python3");
    python.args(["-c", &program]).current_dir("/").uid(ANOTHER_USER).gid(ANOTHER_USER);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until the service has ended every connection.
fn wait_until_nobody_is_connected(service: SocketAddr) {
    let port = format!(":{:04X}", service.port());
    let deadline = Instant::now() + Duration::from_mins(1);
    let is_connected = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Established, or closed by the client alone.
        fields[1].ends_with(&port) && matches!(fields[3], "01" | "08")
    };
    while std::fs::read_to_string("/proc/net/tcp").unwrap().lines().skip(1).any(is_connected) {
        assert!(Instant::now() < deadline, "a connection is left open");
        std::thread::yield_now();
    }
}

#[test]
fn another_local_user_without_the_token_gets_no_dump() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve(home.path(), &[]);
    let service = address(&running);
    let trigger = request("POST", "/api/memory-dumps/trigger", "", TRIGGER);

    let (status, body) = split(&as_another_user(service, &trigger, "s.sendall(request); print(answer())"));
    assert_eq!(status, 401, "{body}");
    assert!(body.contains("Authorization: Bearer"), "{body}");
    let half_closed = "s.sendall(request); s.shutdown(socket.SHUT_WR); print(answer())";
    let told = as_another_user(service, &trigger, half_closed);
    // A client that says that nothing follows may be taken for one that went away.
    assert!(told.trim().is_empty() || split(&told).0 == 401, "half closed: {told}");
    // The kernel shows a socket that was closed as one of user 0.
    let closed_at_once = "for _ in range(100):\n    s.sendall(request); s.close()\n    \
                          s = socket.create_connection(s_to)";
    let closed_at_once = format!("s_to = s.getpeername()\n{closed_at_once}");
    as_another_user(service, &trigger, &closed_at_once);
    wait_until_nobody_is_connected(service);
    let dumps = send(service, &request("GET", "/api/memory-dumps/status", "", "")).1;
    assert!(dumps.contains(r#""active_dumps":{}"#), "{dumps}");

    let (status, body) = send(service, &trigger);
    assert_eq!(status, 200, "root's scripts run on: {body}");
    let dumps = send(service, &request("GET", "/api/memory-dumps/status", "", "")).1;
    assert!(dumps.contains("web-09"), "{dumps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_local_user_without_the_token_downloads_no_memory() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("web-01").await;
    let home = app.dir.path().join("other");
    std::fs::create_dir_all(home.join("agent")).unwrap();
    let dumps = app.dir.path().join("dumps");
    let mut rebuild = memdeck(&home);
    assert!(rebuild.env("DUMP_DIR", &dumps).args(["catalog", "rebuild"]).status().unwrap().success());
    let variables = [("DUMP_DIR", dumps.to_str().unwrap())];
    let paths = ["image?format=raw", "image?format=stored", "manifest", "inspect", "inside"];
    for running in [Running::serve(&home, &variables), Running::agent(&home.join("agent"), &variables)] {
        let service = address(&running);
        for what in paths {
            let path = format!("/api/memory-dumps/{dump_id}/{what}");
            let asked = request("GET", &path, "", "");
            let told = as_another_user(service, &asked, "s.sendall(request); print(answer())");
            let (status, body) = split(&told);
            assert_eq!(status, 401, "{path}: {body}");
            assert!(body.contains("Authorization: Bearer") && body.len() < 1000, "{path}: {body}");
        }
    }
    let running = Running::serve(&home, &variables);
    let manifest = request("GET", &format!("/api/memory-dumps/{dump_id}/manifest"), "", "");
    assert_eq!(send(address(&running), &manifest).0, 200, "root's scripts run on");
}

#[test]
fn another_local_user_with_the_token_is_let_in() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve(home.path(), &[]);
    let token = std::fs::read_to_string(home.path().join("state/token")).unwrap();
    let header = format!("Authorization: Bearer {}\r\n", token.trim());
    let stats = request("GET", "/api/memory-dumps/stats", &header, "");
    let (code, answer) =
        split(&as_another_user(address(&running), &stats, "s.sendall(request); print(answer())"));
    assert_eq!(code, 200, "{answer}");
    assert!(!running.stop().1.contains(token.trim()), "the token is in no log");
}

#[test]
fn what_a_browser_sends_or_a_proxy_passes_on_needs_the_token_whoever_runs_it() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve(home.path(), &[]);
    let service = address(&running);
    let ask = |headers: &str| send(service, &request("GET", "/api/memory-dumps/stats", headers, "")).0;
    assert_eq!(ask(""), 200);
    for header in [
        "Origin: http://localhost\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: none\r\n",
        "Sec-Fetch-Mode: cors\r\n",
        "Forwarded: for=198.51.100.9\r\n",
        "X-Forwarded-For: 198.51.100.9\r\n",
        "X-Forwarded-Host: localhost\r\n",
        "Via: 1.1 proxy\r\n",
    ] {
        assert_eq!(ask(header), 401, "{header}");
    }
    drop(running);
    let running = Running::serve(home.path(), &[("MEMDECK_BEHIND_PROXY", "10.0.0.2")]);
    let declared = request("GET", "/api/memory-dumps/stats", "", "");
    assert_eq!(
        send(address(&running), &declared).0,
        401,
        "where a proxy is declared, every caller may be its"
    );
}

/// nginx sends none of the headers that tell, unless it is told to, and may run as root.
#[test]
fn who_may_come_through_a_proxy_that_does_not_say_so_needs_the_token() {
    let home = tempfile::tempdir().unwrap();
    let stats = request("GET", "/api/memory-dumps/stats", "", "");
    let running = Running::serve(home.path(), &[("MEMDECK_BASE_PATH", "/memdeck")]);
    assert_eq!(send(address(&running), &stats).0, 401, "a path is what a proxy shows");
    drop(running);
    let running = Running::serve(home.path(), &[("MEMDECK_ALLOWED_HOSTS", "ops.example")]);
    for (host, expected) in [("127.0.0.1", 200), ("[::1]:8000", 200), ("ops.example", 401)] {
        let named = stats.replace("Host: localhost", &format!("Host: {host}"));
        assert_eq!(send(address(&running), &named).0, expected, "{host}");
    }
}

#[test]
fn open_access_is_an_explicit_word_and_is_warned_of_at_each_start() {
    let home = tempfile::tempdir().unwrap();
    let trigger = request("POST", "/api/memory-dumps/trigger", "", TRIGGER);
    for start in ["the first", "the second"] {
        let running = Running::serve(home.path(), &[("OPEN_ACCESS", "loopback")]);
        let told = as_another_user(address(&running), &trigger, "s.sendall(request); print(answer())");
        assert_eq!(split(&told).0, 200, "{told}");
        let log = running.stop().1;
        assert!(log.contains("callers need no token there, as OPEN_ACCESS says"), "{start}: {log}");
    }
    let running = Running::serve(home.path(), &[]);
    assert!(!running.stop().1.contains("OPEN_ACCESS"));
    for wrong in ["yes", "127.0.0.1", "0.0.0.0", "10.0.0.7"] {
        let output = memdeck(home.path()).arg("serve").env("OPEN_ACCESS", wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("OPEN_ACCESS"), "{told}");
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_token_exists_from_the_first_start_and_the_command_line_finds_it() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve(home.path(), &[]);
    let token = home.path().join("state/token");
    assert_eq!(mode(&token), 0o600);
    let first = std::fs::read_to_string(&token).unwrap();
    // A proxy that is declared ends the trust in users: only the token opens.
    drop(running);
    let running = Running::serve(home.path(), &[("MEMDECK_BEHIND_PROXY", "10.0.0.2")]);
    let output = memdeck(home.path()).args(["dump", "web-09"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("no VM 'web-09' on test:///default"), "{told}");
    drop(running);
    let set = "a token of some length";
    let running =
        Running::serve(home.path(), &[("MEMDECK_TOKEN", set), ("MEMDECK_BEHIND_PROXY", "10.0.0.2")]);
    let stats = |token: &str| {
        let header = format!("Authorization: Bearer {token}\r\n");
        send(address(&running), &request("GET", "/api/memory-dumps/stats", &header, "")).0
    };
    assert_eq!((stats(set), stats(first.trim())), (200, 401), "MEMDECK_TOKEN overrides");
    assert_eq!(std::fs::read_to_string(&token).unwrap(), first, "kept");
}

#[test]
fn a_printed_link_signs_one_browser_in_once() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve(home.path(), &[]);
    let service = address(&running);
    let output = memdeck(home.path()).arg("sign-in-link").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let link = String::from_utf8(output.stdout).unwrap();
    let output = memdeck(home.path()).args(["sign-in-link", "--json"]).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["expires_in_sec"], 300);
    assert!(told["url"].as_str().unwrap().starts_with(&format!("{}/sign-in#code=", running.url)), "{told}");
    let (page, code) = link.trim().split_once("/sign-in#code=").unwrap();
    assert_eq!(page, running.url);

    // What the page's script posts.
    let post = |code: &str| {
        let body = format!("code={code}");
        let headers = format!("Origin: {page}\r\nSec-Fetch-Site: same-origin\r\n");
        let form = format!(
            "POST /sign-in HTTP/1.1\r\nHost: {service}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(service).unwrap();
        stream.write_all(form.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let first = post(code);
    assert!(first.starts_with("HTTP/1.1 303"), "{first}");
    let cookie = first.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("Sec-Fetch-Site: same-origin\r\nCookie: {}\r\n", cookie.split(';').next().unwrap());
    assert_eq!(send(service, &request("GET", "/api/memory-dumps/stats", &cookie, "")).0, 200);
    let (status, told) = send(service, &request("POST", "/api/sign-in-links", &cookie, ""));
    assert_eq!(status, 403, "a session prolongs itself: {told}");
    for used in [code, "", "guess"] {
        let again = post(used);
        assert!(again.starts_with("HTTP/1.1 401"), "{again}");
        assert!(again.contains("This link was used already or is older than five minutes."), "{again}");
    }
    let log = running.stop().1;
    assert!(!log.contains(code), "the code is in no log");
    let output = memdeck(home.path()).arg("sign-in-link").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no memdeck serve uses"), "nothing runs");
}

#[test]
fn a_directory_that_others_can_change_is_no_place_for_a_catalog_or_images() {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    for (setting, below) in
        [("STATE_DIR", false), ("STATE_DIR", true), ("DUMP_DIR", false), ("DUMP_DIR", true)]
    {
        for foreign in [false, true] {
            let home = tempfile::tempdir().unwrap();
            let place = home.path().join("place");
            std::fs::create_dir(&place).unwrap();
            if foreign {
                chown(&place, Some(ANOTHER_USER), None).unwrap();
            } else {
                std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o777)).unwrap();
            }
            let named = if below { place.join("below") } else { place.clone() };
            let output =
                memdeck(home.path()).args(["serve", "--bind", "127.0.0.1:0"]).env(setting, &named).output();
            let output = output.unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{setting} {below} {foreign}: {told}");
            let why = if foreign { "belongs to user 65534" } else { "chmod go-w" };
            assert!(told.contains(place.to_str().unwrap()) && told.contains(why), "{told}");
        }
    }
}

#[test]
fn two_instances_on_one_host_do_not_sign_each_other_out() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let token = "a token of some length";
    let both = homes.each_ref().map(|home| Running::serve(home.path(), &[("MEMDECK_TOKEN", token)]));
    let cookies: Vec<String> = both
        .iter()
        .map(|running| {
            let body = format!("token={}", token.replace(' ', "+"));
            let form = format!(
                "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut stream = TcpStream::connect(address(running)).unwrap();
            stream.write_all(form.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
            cookie.split(';').next().unwrap().to_owned()
        })
        .collect();
    let names: Vec<&str> = cookies.iter().map(|cookie| cookie.split('=').next().unwrap()).collect();
    assert_ne!(names[0], names[1], "a browser keeps one cookie of a name for all ports");
    for running in &both {
        let headers = format!("Sec-Fetch-Site: same-origin\r\nCookie: {}\r\n", cookies.join("; "));
        assert_eq!(send(address(running), &request("GET", "/api/memory-dumps/stats", &headers, "")).0, 200);
    }
}

#[test]
fn a_planted_lock_file_gets_no_token() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}", trap.local_addr().unwrap());
    let lock = std::fs::File::create(state.join("lock")).unwrap();
    lock.try_lock().unwrap();
    let dump = |pid: u32| {
        let text = format!(r#"{{"pid":{pid},"role":"serve","url":"{url}","token_in_state_dir":true}}"#);
        std::fs::write(state.join("lock"), text).unwrap();
        let output = memdeck(home.path())
            .args(["dump", "web-09"])
            .env("MEMDECK_TOKEN", "a token of some length")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(trap.accept().is_err(), "it called the trap");
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    let told = dump(std::process::id());
    assert!(told.contains("can be changed by others"), "{told}");
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).unwrap();
    let told = dump(1);
    assert!(told.contains("the process 1 does not hold"), "{told}");
}
