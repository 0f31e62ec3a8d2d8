//! What is read inside of a guest with a newer kernel, against what the guest itself said on its console just before: a newer kernel
//! gives every table. And what reading it costs.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{ExtraGuest, lab};
use crate::support::{Home, Service};

/// Of a guest of 512 MiB: seconds of processors, since other work on the machine is not what is measured.
const MOST_TIME: Duration = Duration::from_secs(5);
const MOST_ANONYMOUS_KIB: u64 = 256 << 10;

/// What the guest said: the words behind this one, line by line.
fn said<'a>(console: &'a str, what: &str) -> Vec<Vec<&'a str>> {
    let lines = console.lines().filter_map(|line| line.split_once("memdeck-guest: ").map(|(_, said)| said));
    let words = lines.map(|line| line.split(' ').collect::<Vec<_>>());
    words.filter(|words| words[0] == what).map(|words| words[1..].to_vec()).collect()
}

fn rows<'a>(inside: &'a Value, table: &str) -> &'a [Value] {
    let table = &inside[table];
    assert_eq!(
        (&table["missing"], &table["further"], &table["unreadable"]),
        (&Value::Null, &0.into(), &0.into())
    );
    table["rows"].as_array().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// `0100007F:1267`, as the kernel writes it, as people do; nothing for the end that a socket does not have.
fn end(hexadecimal: &str) -> Option<String> {
    let (address, port) = hexadecimal.split_once(':').unwrap();
    let address = Ipv4Addr::from(u32::from_str_radix(address, 16).unwrap().to_le_bytes());
    let port = u16::from_str_radix(port, 16).unwrap();
    (port != 0).then(|| format!("{address}:{port}"))
}

fn check_processes(console: &str, inside: &Value) {
    type Process = (u64, u64, String);
    let told: BTreeSet<Process> = said(console, "process")
        .iter()
        .map(|words| (words[0].parse().unwrap(), words[1].parse().unwrap(), words[2..].join(" ")))
        .collect();
    let processes = rows(inside, "processes");
    assert!(processes.iter().all(|process| process["hidden"] == false), "{processes:?}");
    assert_eq!(inside["lists_compared"], true);
    let of_kind = |kind: &str| -> BTreeSet<Process> {
        let of_kind = processes.iter().filter(|process| process["kind"] == kind);
        let number = |value: &Value| value.as_u64().unwrap();
        of_kind.map(|row| (number(&row["pid"]), number(&row["parent_pid"]), text(&row["name"]))).collect()
    };
    // Threads of the kernel that work for others come and go, and their names are longer where the kernel tells them.
    let (of_kernel, users): (BTreeSet<_>, BTreeSet<_>) =
        told.into_iter().partition(|(pid, parent, _)| *pid == 2 || *parent == 2);
    assert_eq!(of_kind("user"), users);
    let numbers = |processes: &BTreeSet<Process>| -> BTreeSet<u64> {
        let lasting = processes.iter().filter(|(_, _, name)| !name.starts_with("kworker/"));
        lasting.map(|(pid, ..)| *pid).collect()
    };
    assert_eq!(numbers(&of_kind("kernel")), numbers(&of_kernel));
    let known = processes.iter().find(|process| process["name"] == "known").unwrap();
    assert_eq!(
        (&known["command_line"], &known["program"]),
        (&"/known with arguments".into(), &"/known".into())
    );
    let files = rows(inside, "open_files");
    assert!(files.iter().any(|file| file["pid"] == known["pid"] && file["path"] == "/init"), "{files:?}");
}

fn check_modules_and_interfaces(console: &str, inside: &Value) {
    let of = |table: &str| -> BTreeSet<String> {
        rows(inside, table).iter().map(|row| text(&row["name"])).collect()
    };
    let told = |what: &str| -> BTreeSet<String> {
        said(console, what).iter().map(|words| words[0].to_owned()).collect()
    };
    assert!(told("module").len() > 3, "{console}");
    assert_eq!(of("modules"), told("module"));
    assert_eq!(rows(inside, "modules").len(), told("module").len());
    assert_eq!(of("interfaces"), told("interface"));
    let known = rows(inside, "interfaces").iter().find(|interface| interface["name"] == "known0").unwrap();
    let mac =
        said(console, "interface").into_iter().find(|words| words[0] == "known0").unwrap()[1].to_owned();
    assert_eq!(text(&known["hardware_address"]), mac);
    assert_eq!(known["addresses"][0], "192.0.2.17/255.255.255.0");
}

fn check_connections(console: &str, inside: &Value) {
    type Connection = (String, Option<String>, Option<String>);
    let mut told: Vec<Connection> = Vec::new();
    for protocol in ["tcp", "udp"] {
        told.extend(
            said(console, protocol).iter().map(|words| (protocol.to_owned(), end(words[0]), end(words[1]))),
        );
    }
    let end_of = |value: &Value| value.as_str().map(str::to_owned);
    let mut found: Vec<Connection> = rows(inside, "connections")
        .iter()
        .map(|row| (text(&row["protocol"]), end_of(&row["local"]), end_of(&row["remote"])))
        .collect();
    told.sort();
    found.sort();
    assert_eq!(told.len(), 4, "one that listens, both ends of a connection, and one of UDP: {console}");
    assert_eq!(found, told);
    let states: BTreeSet<String> = rows(inside, "connections")
        .iter()
        .filter(|row| row["protocol"] == "tcp")
        .map(|row| text(&row["state"]))
        .collect();
    assert_eq!(states, ["established", "listen"].map(str::to_owned).into());
}

/// The text that a program put together in its own memory is that program's, for whoever asks.
fn check_owners(serve: &Service, home: &Home, dump_id: &str, inside: &Value) {
    let wanted = rows(inside, "processes").iter().find(|process| process["name"] == "known").unwrap();
    let path = format!("/api/memory-dumps/{dump_id}/inside");
    serve.send("POST", &path, &json!({}));
    let read = serve.wait(&path, "end of the reading", |reading| {
        (!matches!(reading["state"].as_str(), Some("waiting" | "running"))).then(|| reading.clone())
    });
    assert_eq!((&read["state"], read["inside"].get("mapped")), (&"finished".into(), None), "{read}");
    let (status, _, hunt) =
        serve.send("POST", "/api/hunts", &json!({"patterns": ["kept-by-known-"], "dump_ids": [dump_id]}));
    assert_eq!(status, 202, "{hunt}");
    let path = format!("/api/hunts/{}", hunt["id"].as_str().unwrap());
    serve.wait(&path, "end of the hunt", |hunt| (hunt["state"] == "completed").then_some(()));
    let hits = serve.get(&format!("{path}/hits"))["hits"].clone();
    let hits = hits.as_array().unwrap();
    let own = json!({"processes": [{"pid": wanted["pid"], "name": "known"}], "further": 0});
    assert_eq!(
        hits.iter().filter(|hit| hit["owners"] == own).count(),
        16,
        "one in each of its pages: {hits:?}"
    );
    assert!(hits.iter().all(|hit| !hit["owners"].is_null()), "{hits:?}");

    let run = home.memdeck(&["hunt", "kept-by-known-7", "--in", dump_id]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(told.contains(&format!("[{} known]", wanted["pid"])), "{told}");
}

/// What was read, the time of processors that it took, and the most anonymous memory of the process that read it, in KiB.
fn measured(home: &Home, dump_id: &str) -> (Value, Duration, u64) {
    let before = time_of_children();
    let mut child = home
        .memdeck(&["inside", dump_id, "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let answer = std::thread::spawn(move || serde_json::from_reader::<_, Value>(out));
    let mut most = 0;
    let status = loop {
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        // It starts the reader from a thread of its own, and may be gone.
        let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten().flatten();
        let of_threads = threads.map(|thread| thread.path().join("children"));
        for file in of_threads.chain([children.into()]) {
            for pid in std::fs::read_to_string(file).unwrap_or_default().split_whitespace() {
                most = most.max(anonymous_kib(pid));
            }
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success());
    (answer.join().unwrap().unwrap(), time_of_children().saturating_sub(before), most)
}

/// What the processes took of processors that this one waited for, and theirs; see proc(5).
fn time_of_children() -> Duration {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |number: usize| fields[number].parse::<u64>().unwrap();
    Duration::from_millis((ticks(13) + ticks(14)) * 1000 / TICKS_PER_SECOND)
}

fn anonymous_kib(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn a_newer_kernel_gives_what_the_guest_itself_says_within_the_limits() {
    let _turn = lab();
    let known = ExtraGuest::start("inside-01", "512:0:known");
    let home = Home::new();
    let serve = Service::start(&home, "serve", &[]);
    serve.trigger_frozen(&[known.0.name]);
    let ended = serve.wait_for_end(known.0.name);
    assert_eq!(ended["job_state"], "completed", "{ended}");
    let console = known.console();
    drop(known);

    let (inside, took, most) = measured(&home, ended["dump_id"].as_str().unwrap());
    let inside = &inside;
    let system = &inside["system"];
    assert_eq!(text(&system["kernel"]), said(&console, "kernel")[0][0]);
    assert_eq!((&system["host_name"], &system["booted_at_missing"]), (&"known-guest".into(), &Value::Null));
    check_processes(&console, inside);
    check_modules_and_interfaces(&console, inside);
    check_connections(&console, inside);
    assert!(rows(inside, "kernel_log").len() > 100);

    check_owners(&serve, &home, ended["dump_id"].as_str().unwrap(), inside);

    assert!((Duration::from_millis(100)..=MOST_TIME).contains(&took), "{took:?}");
    assert!((1..=MOST_ANONYMOUS_KIB).contains(&most), "{most} KiB of anonymous memory");
}
