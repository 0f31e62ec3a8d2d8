//! memdeck under a service manager: its units, the protocol of `sd_notify`, SIGHUP, and how a stop ends. No systemd runs
//! here: that the units boot is not tested.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::markdown;
use crate::support::program::{Running, memdeck};

const UNITS: [&str; 2] = ["memdeck.service", "memdeck-agent.service"];
/// What the test waits for something that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let dir = tempfile::tempdir().unwrap();
    for name in UNITS {
        let unit = markdown::read(&format!("server/debian/{name}"));
        // Where the package would put it; here it is where it was built.
        let unit = unit.replace("/usr/bin/memdeck ", concat!(env!("CARGO_BIN_EXE_memdeck"), " "));
        std::fs::write(dir.path().join(name), unit).unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    let found =
        verify.args(["verify", "--man=no"]).args(UNITS.map(|name| dir.path().join(name))).output().unwrap();
    let said = String::from_utf8_lossy(&found.stderr);
    assert!(found.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_units_differ_in_what_they_start_and_in_nothing_else() {
    let units = UNITS.map(|name| markdown::read(&format!("server/debian/{name}")));
    let differing = units[0].lines().zip(units[1].lines()).filter(|(one, other)| one != other);
    let differing: Vec<&str> = differing.filter_map(|(line, _)| line.split('=').next()).collect();
    assert_eq!(differing, ["Description", "Conflicts", "ExecStart"]);
    assert_eq!(units[0].lines().count(), units[1].lines().count());
}

#[test]
fn the_packaged_configuration_is_one_that_memdeck_takes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("memdeck.toml");
    std::fs::write(&file, markdown::read("server/debian/memdeck.toml")).unwrap();
    let mut config = memdeck(dir.path());
    let told = config.env_remove("STATE_DIR").env_remove("DUMP_DIR").arg("--config").arg(&file).arg("config");
    let told = told.output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains(r#"dir = "/var/lib/memdeck/state"  # from the configuration file"#), "{told}");
}

/// A service manager of the test.
struct Manager {
    socket: UnixDatagram,
    _dir: tempfile::TempDir,
    address: String,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, address: path.display().to_string(), _dir: dir }
    }

    /// The next datagram that is no sign of life.
    fn told(&self) -> String {
        loop {
            let told = self.next();
            if told != "WATCHDOG=1" {
                return told;
            }
        }
    }

    fn next(&self) -> String {
        let mut buffer = [0; 1024];
        let length = self.socket.recv(&mut buffer).expect("the service tells its manager something");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }
}

fn signal(service: &Running, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(service.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_service_tells_its_manager_when_it_is_ready_alive_reloading_and_stopping() {
    for role in ["serve", "agent"] {
        let (home, manager) = (tempfile::tempdir().unwrap(), Manager::new());
        let variables = [
            ("NOTIFY_SOCKET", manager.address.as_str()),
            ("WATCHDOG_USEC", "300000"),
            ("SHUTDOWN_GRACE", "7"),
        ];
        let service = match role {
            "serve" => Running::serve(home.path(), &variables),
            _ => Running::agent(home.path(), &variables),
        };
        assert!(manager.told().starts_with("READY=1\nSTATUS="), "{role}");
        let began = Instant::now();
        for _ in 0..5 {
            assert_eq!(manager.next(), "WATCHDOG=1");
        }
        assert!(began.elapsed() < PATIENCE);
        signal(&service, Signal::HUP);
        assert_eq!(manager.told(), "RELOADING=1");
        assert!(manager.told().starts_with("READY=1\n"));
        let (code, log) = service.stop();
        assert_eq!(manager.told(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=12000000");
        assert_eq!(code, Some(0), "{log}");
    }
}

fn status(url: &str, token: &str) -> u16 {
    let client = reqwest::blocking::Client::new();
    // Root and memdeck's own user need none; a wrong token is wrong whoever sends it.
    let answer = client.get(format!("{url}/api/memory-dumps/stats")).bearer_auth(token).send();
    answer.unwrap().status().as_u16()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn on_sighup_a_service_takes_the_new_token_and_not_the_old_one_any_more() {
    memdeck::commands::install_tls_provider();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("memdeck.toml");
    let write = |token: &str, poll: &str| {
        std::fs::write(
            &file,
            format!("[http]\ntoken = \"{token}\"\n[telemetry]\npoll_interval = \"{poll}\"\n"),
        )
        .unwrap();
    };
    let (old, new) = ("the first token of all", "the second token of all");
    write(old, "1.0");
    let manager = Manager::new();
    let variables = [("MEMDECK_CONFIG", file.to_str().unwrap()), ("NOTIFY_SOCKET", &manager.address)];
    let service = Running::serve(home.path(), &variables);
    manager.told();
    let reload = || {
        signal(&service, Signal::HUP);
        (manager.told(), manager.told())
    };
    assert_eq!((status(&service.url, old), status(&service.url, new)), (200, 401));
    write(new, "2.0");
    reload();
    assert_eq!((status(&service.url, old), status(&service.url, new)), (401, 200));
    // What cannot be used changes nothing.
    write("short", "2.0");
    reload();
    assert_eq!(status(&service.url, new), 200);
    let (code, log) = service.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("POLL_INTERVAL"), "what takes effect with the next start is named: {log}");
    assert!(log.contains("nothing was reloaded"), "{log}");
    assert!(!log.contains(new) && !log.contains(old), "no token is in the log");
}

/// The certificate that a service shows, in PEM, as its issuer made it.
fn shown_certificate(url: &str) -> String {
    let address = url.strip_prefix("https://").unwrap();
    let mut client = Command::new("openssl");
    let told = client.args(["s_client", "-connect", address]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let end = "-----END CERTIFICATE-----";
    let from = told.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{told}"));
    told[from..told.find(end).unwrap() + end.len()].to_owned()
}

fn make_certificate(cert: &Path, key: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(cert, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    made.cert.pem().lines().collect()
}

#[test]
fn on_sighup_new_connections_get_the_new_certificate() {
    let home = tempfile::tempdir().unwrap();
    let (cert, key) = (home.path().join("cert.pem"), home.path().join("key.pem"));
    let first = make_certificate(&cert, &key);
    let variables = [("TLS_CERT", cert.to_str().unwrap()), ("TLS_KEY", key.to_str().unwrap())];
    let service = Running::serve(home.path(), &variables);
    let shown = |url: &str| -> String { shown_certificate(url).lines().collect() };
    assert_eq!(shown(&service.url), first);
    let second = make_certificate(&cert, &key);
    signal(&service, Signal::HUP);
    wait_until("the new certificate is shown", || shown(&service.url) == second);
}

/// The hosts of a dashboard with their conditions, and what it tells Prometheus of them.
fn hosts(url: &str) -> (Vec<String>, Vec<String>) {
    let get = |path: &str| reqwest::blocking::get(format!("{url}{path}")).unwrap().text().unwrap();
    let told: serde_json::Value = serde_json::from_str(&get("/api/hosts")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let told = told["hosts"].as_array().unwrap().iter();
    let told = told.map(|host| format!("{} {}", text(&host["name"]), text(&host["condition"]))).collect();
    let metrics = get("/metrics");
    let up = metrics.lines().filter(|line| line.starts_with("memdeck_host_up{"));
    (told, up.map(ToOwned::to_owned).collect())
}

#[test]
fn on_sighup_hosts_are_added_changed_and_removed() {
    memdeck::commands::install_tls_provider();
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [a, b] = [0, 1].map(|place| Running::agent(homes[place].path(), &[]));
    let file = homes[2].path().join("memdeck.toml");
    let write = |hosts: &[(&str, &str)]| {
        let entry = |(name, url): &(&str, &str)| format!("[[hosts]]\nname = \"{name}\"\nurl = \"{url}\"\n");
        std::fs::write(&file, hosts.iter().map(entry).collect::<String>()).unwrap();
    };
    write(&[("a", &a.url)]);
    let service = Running::serve(homes[2].path(), &[("MEMDECK_CONFIG", file.to_str().unwrap())]);
    let becomes = |wanted: &[&str]| {
        wait_until(&format!("{wanted:?}"), || hosts(&service.url).0 == wanted);
    };
    becomes(&["a up"]);
    write(&[("b", &b.url), ("a", &a.url)]);
    signal(&service, Signal::HUP);
    becomes(&["b up", "a up"]);
    assert_eq!(hosts(&service.url).1, ["memdeck_host_up{host=\"b\"} 1", "memdeck_host_up{host=\"a\"} 1"]);
    // Nobody listens there.
    write(&[("b", "http://127.0.0.1:9"), ("a", &a.url)]);
    signal(&service, Signal::HUP);
    becomes(&["b unreachable", "a up"]);
    // What cannot be used changes nothing.
    write(&[("a", &a.url), ("a", &b.url)]);
    signal(&service, Signal::HUP);
    write(&[("a", &a.url)]);
    signal(&service, Signal::HUP);
    becomes(&["a up"]);
    let (code, log) = service.stop();
    assert_eq!(code, Some(0), "{log}");
    for told in ["added", "changed", "removed"] {
        assert!(log.contains(&format!("hosts of the configuration: {told}")), "{told}: {log}");
    }
}

/// A terminal that goes asks for the end, as it always did; only a service without one reloads.
#[test]
fn a_service_ends_when_the_terminal_goes_from_which_it_was_started() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    let command = format!("{} serve 2>{}", env!("CARGO_BIN_EXE_memdeck"), log.display());
    // It gives what it starts a terminal of its own, which goes with it.
    let mut script = Command::new("script");
    script.args(["-q", "-c", &command, "/dev/null"]).current_dir(home.path());
    for (name, value) in memdeck(home.path()).get_envs() {
        if let Some(value) = value {
            script.env(name, value);
        }
    }
    let mut terminal = Ended(
        script
            .env("MEMDECK_BIND", "127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("script ({error})")),
    );
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_until("it is ready", || said().contains("dashboard ready"));
    terminal.0.kill().unwrap();
    terminal.0.wait().unwrap();
    wait_until("it has ended", || said().contains("stopping"));
    assert!(said().contains("SIGHUP"), "{}", said());
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
