//! memdeck read by Debian's Prometheus, as an operator sets it up.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::program::Running;

/// How long Prometheus may take to start and to read memdeck twice, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const TOKEN: &str = "a token of prometheus";

/// A private Prometheus; killed when dropped.
struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    /// One that reads these services with the token, every second.
    fn reading(dir: &Path, services: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let token = dir.join("token");
        std::fs::write(&token, TOKEN).unwrap();
        let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
        for (job, url) in services {
            let target = url.strip_prefix("http://").unwrap();
            write!(
                config,
                "  - job_name: {job}\n    authorization: {{credentials_file: {}}}\n    static_configs: [{{targets: \
                 [\"{target}\"]}}]\n",
                token.display()
            )
            .unwrap();
        }
        let file = dir.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let started = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("prometheus.log")).unwrap())
            .spawn();
        let child = started.unwrap_or_else(|error| panic!("prometheus ({error}): run scripts/setup test"));
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }

    fn ask(&self, path: &str, query: &str) -> Option<Value> {
        let url =
            reqwest::Url::parse_with_params(&format!("{}{path}", self.url), [("query", query)]).unwrap();
        reqwest::blocking::get(url).ok()?.json().ok()
    }

    /// The value of a query that has one sample, once it has it.
    fn value(&mut self, query: &str) -> f64 {
        let began = Instant::now();
        loop {
            let answer = self.ask("/api/v1/query", query).unwrap_or_default();
            let results = answer["data"]["result"].as_array().cloned().unwrap_or_default();
            if let [one] = results.as_slice() {
                return one["value"][1].as_str().unwrap().parse().unwrap();
            }
            assert!(self.child.try_wait().unwrap().is_none(), "prometheus ended");
            let targets = self.ask("/api/v1/targets", "").unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "{query}: {answer}\n{targets}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn prometheus_reads_a_dashboard_and_an_agent_with_a_token_of_its_own() {
    memdeck::commands::install_tls_provider();
    let (home, home_of_agent, dir) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = [("METRICS_TOKEN", TOKEN), ("MEMDECK_TOKEN", "a token of operators")];
    let serve = Running::serve(home.path(), &settings);
    let agent = Running::agent(home_of_agent.path(), &settings);
    let mut prometheus = Prometheus::reading(dir.path(), &[("serve", &serve.url), ("agent", &agent.url)]);
    let is = |found: f64, expected: f64| (found - expected).abs() < f64::EPSILON;
    for (job, service) in [("serve", "dashboard"), ("agent", "agent")] {
        let build = prometheus.value(&format!(r#"memdeck_build_info{{job="{job}",service="{service}"}}"#));
        assert!(is(build, 1.0));
        assert!(is(prometheus.value(&format!(r#"up{{job="{job}"}}"#)), 1.0));
        // It counts itself: what Prometheus was answered first is told the second time.
        let read = prometheus.value(&format!(
            r#"memdeck_http_requests_total{{job="{job}",route="/metrics",status="200"}} > 0"#
        ));
        assert!(read >= 1.0);
        let ready = prometheus.value(&format!(r#"memdeck_check_ok{{job="{job}",check="catalog"}}"#));
        assert!(is(ready, 1.0));
    }
}

#[test]
fn promtool_finds_nothing_wrong_with_the_text() {
    memdeck::commands::install_tls_provider();
    let home = tempfile::tempdir().unwrap();
    let serve = Running::serve(home.path(), &[("METRICS_TOKEN", TOKEN)]);
    let asked = reqwest::blocking::Client::new().get(format!("{}/metrics", serve.url)).bearer_auth(TOKEN);
    let text = asked.send().unwrap().text().unwrap();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool ({error}): run scripts/setup test"));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let found = promtool.wait_with_output().unwrap();
    let said = [found.stdout, found.stderr].concat();
    assert!(found.status.success() && said.is_empty(), "{}\n{text}", String::from_utf8_lossy(&said));
}
