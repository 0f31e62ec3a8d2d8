//! What is inside of a real guest, over HTTP: its processes, and what its kernel is too old for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::lab::{LabGuest, lab};
use crate::support::{Home, Service};

fn rows<'a>(inside: &'a Value, table: &str) -> &'a [Value] {
    inside[table]["rows"].as_array().unwrap_or_else(|| panic!("{table}: {inside}"))
}

#[test]
fn processes_of_a_real_guest_are_read_over_http_and_kept() {
    let _turn = lab();
    let db = LabGuest::running("db-01");
    let home = Home::new();
    let serve = Service::start(&home, "serve", &[]);
    serve.trigger_frozen(&[db.name]);
    let ended = serve.wait_for_end(db.name);
    assert_eq!(ended["job_state"], "completed", "{ended}");
    let path = format!("/api/memory-dumps/{}/inside", ended["dump_id"].as_str().unwrap());
    let (status, _, asked) = serve.send("POST", &path, &json!({}));
    assert_eq!(status, 202, "{asked}");
    let finished = serve.wait(&path, "end of the reading", |reading| match reading["state"].as_str() {
        Some("waiting" | "running") => None,
        _ => Some(reading.clone()),
    });
    assert_eq!(finished["state"], "finished", "{finished}");
    let inside = &finished["inside"];
    assert_eq!(inside["guest"], db.name);
    let kernel = inside["system"]["kernel"].as_str().unwrap();
    assert!(kernel.starts_with("6."), "{kernel}");
    let processes = rows(inside, "processes");
    let init = processes.iter().find(|process| process["pid"] == 1).unwrap();
    assert_eq!((&init["kind"], &init["hidden"]), (&"user".into(), &false.into()), "{init}");
    let of_kernel = processes.iter().filter(|process| process["kind"] == "kernel").count();
    assert!(of_kernel > 5, "{processes:?}");
    assert!(!rows(inside, "open_files").is_empty());
    // What its kernel does not give is said, and not guessed.
    if kernel.starts_with("6.1.") {
        for table in ["modules", "interfaces", "connections", "kernel_log"] {
            assert_eq!(rows(inside, table), [] as [Value; 0]);
            assert_eq!(inside[table]["missing"]["why"], "kernel_too_old", "{table}");
        }
    }
    let (status, _, kept) = serve.send("POST", &path, &json!({}));
    assert_eq!((status, &kept), (200, &finished));
    let file = std::fs::read_dir(home.volume())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert_eq!(file.filter(|name| name.ends_with(".inside.json")).count(), 1);
}

#[test]
fn what_came_and_went_between_two_dumps_is_what_one_of_the_two_has_alone() {
    let _turn = lab();
    let web = LabGuest::running("web-01");
    let home = Home::new();
    let serve = Service::start(&home, "serve", &[]);
    let mut dumps: Vec<String> = Vec::new();
    let mut insides = Vec::new();
    for _ in 0..2 {
        serve.trigger_frozen(&[web.name]);
        let ended = serve.wait_for_end(web.name);
        let dump_id = ended["dump_id"].as_str().unwrap().to_owned();
        let path = format!("/api/memory-dumps/{dump_id}/inside");
        serve.send("POST", &path, &json!({}));
        insides.push(serve.wait(&path, "end of the reading", |reading| match reading["state"].as_str() {
            Some("waiting" | "running") => None,
            _ => Some(reading["inside"].clone()),
        }));
        dumps.push(dump_id);
    }
    let told = serve.get(&format!("/api/memory-dumps/{}/compare/{}/inside", dumps[0], dumps[1]));
    let changes = &told["changes"];
    assert_ne!(changes["rebooted"], true, "{changes}");
    let key = |process: &Value| format!("{} {} {}", process["pid"], process["started_ms"], process["name"]);
    let running = |inside: &Value| -> BTreeSet<String> {
        rows(inside, "processes").iter().filter(|process| process["kind"] != "ended").map(key).collect()
    };
    let (first, second) = (running(&insides[0]), running(&insides[1]));
    assert!(first.intersection(&second).count() > 5, "most of them go on: {first:?}, {second:?}");
    let listed = |list: &str| -> BTreeSet<String> {
        changes["processes"][list].as_array().unwrap().iter().map(key).collect()
    };
    assert_eq!(listed("came"), &second - &first);
    assert_eq!(listed("went"), &first - &second);

    // The same on the command line, where both are read anew.
    let run = home.memdeck(&["compare", &dumps[0], &dumps[1], "--inside", "--json"]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let compared: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(compared["inside"], *changes);
    assert!(compared["pages"]["compared"].as_u64().unwrap() > 0);
}
