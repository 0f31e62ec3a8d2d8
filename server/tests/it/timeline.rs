//! A guest's memory over its dumps.

use axum::http::StatusCode;
use memdeck_model::audit::{AuditAction, AuditFilter, AuditQuery};
use memdeck_model::{Actor, Permission, Rights};
use memdeck_operations::Caller;
use serde_json::{Value, json};

use crate::inside::{Reader, one_process, reached, told_by_the_test};
use crate::support::{TestApp, answer, delete, get, post};

const PATH: &str = "/api/guests/db-01/timeline";

async fn asked(app: &TestApp, path: &str) -> Value {
    let (status, told) = answer(&app.dashboard, get(path)).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["pending"], 0, "{told}");
    told
}

/// One number of each point, with `null` where it is not known.
fn of_each(told: &Value, pointer: &str) -> Vec<Value> {
    let points = told["points"].as_array().unwrap().iter();
    points.map(|point| point.pointer(pointer).cloned().unwrap_or_default()).collect()
}

async fn dumps(app: &TestApp, count: usize) -> Vec<(String, std::path::PathBuf)> {
    let mut dumps = Vec::new();
    for _ in 0..count {
        dumps.push(app.dumped("db-01").await);
    }
    dumps
}

#[tokio::test(flavor = "multi_thread")]
async fn each_dump_is_told_against_the_one_before_and_the_first_against_none() {
    let app = TestApp::start();
    let dumps = dumps(&app, 3).await;
    app.dumped("web-01").await;
    let told = asked(&app, PATH).await;
    let ids: Vec<Value> = dumps.iter().map(|(id, _)| json!(id)).collect();
    assert_eq!(of_each(&told, "/dump_id"), ids, "oldest first, and of one guest");
    assert_eq!((&told["guest"], &told["has_earlier"]), (&json!("db-01"), &json!(false)));
    let pages = told["points"][0]["memory"]["pages"].as_u64().unwrap();
    assert!(pages > told["points"][0]["memory"]["zero_pages"].as_u64().unwrap());
    assert_eq!(of_each(&told, "/changes/compared"), [Value::Null, json!(pages), json!(pages)]);
    assert_eq!(of_each(&told, "/changes/different"), [Value::Null, json!(0), json!(0)], "it does not change");

    let [.., (second, _), (third, _)] = dumps.as_slice() else { unreachable!() };
    let compared = format!("/api/memory-dumps/{second}/compare/{third}");
    let entropy = asked_for(&app, &compared).await["second"]["mean_entropy_millibits"].clone();
    assert_eq!(of_each(&told, "/memory/mean_entropy_millibits"), vec![entropy; 3]);

    // What is not shown is still what the first that is shown is compared with.
    let newest = asked(&app, &format!("{PATH}?limit=2")).await;
    assert_eq!((of_each(&newest, "/dump_id"), &newest["has_earlier"]), (ids[1..].to_vec(), &json!(true)));
    assert_eq!(of_each(&newest, "/changes/different"), [json!(0), json!(0)]);
    let by_uuid = format!("/api/guests/{}/timeline", told["guest_uuid"].as_str().unwrap().to_uppercase());
    assert_eq!(asked(&app, &by_uuid).await, told);
}

async fn asked_for(app: &TestApp, path: &str) -> Value {
    answer(&app.dashboard, get(path)).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_map_that_cannot_be_used_is_a_gap_with_a_reason() {
    let app = TestApp::start();
    let dumps = dumps(&app, 3).await;
    let map = dumps[1].1.to_str().unwrap().replace(".elf.zst", ".pages");
    let mut bytes = std::fs::read(&map).unwrap();
    let last = bytes.len() / 2;
    bytes[last] ^= 1;
    std::fs::write(&map, &bytes).unwrap();
    let told = asked(&app, PATH).await;
    assert_eq!(
        of_each(&told, "/memory").iter().map(Value::is_null).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(of_each(&told, "/changes"), [Value::Null, Value::Null, Value::Null]);
    let problem = told["points"][1]["problem"].as_str().unwrap();
    assert!(problem.contains("changed or exchanged"), "{problem}");
    assert!(!problem.contains(app_directory(&dumps[1].1)), "no path leaves the host: {problem}");

    // Without it, the others stand side by side.
    let deletion = delete(&format!("/api/memory-dumps/{}", dumps[1].0), r#"{"confirm": "db-01"}"#);
    assert_eq!(answer(&app.dashboard, deletion).await.0, StatusCode::OK);
    let told = asked(&app, PATH).await;
    assert_eq!(of_each(&told, "/changes/different"), [Value::Null, json!(0)]);
}

fn app_directory(image: &std::path::Path) -> &str {
    image.parent().unwrap().to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_began_are_told_where_both_dumps_were_read_and_to_who_may_know() {
    let app = told_by_the_test();
    let mut read = Vec::new();
    for number in 0..4_u32 {
        let (dump_id, image) = app.dumped("db-01").await;
        read.push(dump_id.clone());
        // The third is not read.
        if number == 2 {
            continue;
        }
        let reader = Reader::of(&image);
        answer(&app.dashboard, post(&format!("/api/memory-dumps/{dump_id}/inside"), "{}")).await;
        let mut told = one_process("init");
        for pid in 0..number {
            let mut another = told["inside"]["processes"]["rows"][0].clone();
            another["pid"] = (100 + pid).into();
            told["inside"]["processes"]["rows"].as_array_mut().unwrap().push(another);
        }
        reader.answers(told).await;
        reached(&app.dashboard, &dump_id, &["finished"]).await;
    }
    let noted = async || {
        let query = AuditQuery { filter: AuditFilter::default(), before: None, limit: 200 };
        let entries = app.images.audit().list(query).await.unwrap().entries;
        entries.iter().filter(|entry| entry.action == AuditAction::InsideShown).count()
    };
    let before = noted().await;
    let told = asked(&app, PATH).await;
    assert_eq!(of_each(&told, "/processes/programs"), [json!(1), json!(2), Value::Null, json!(4)]);
    assert_eq!(of_each(&told, "/processes/new"), [Value::Null, json!(1), Value::Null, Value::Null]);
    assert_eq!((noted().await, &told["with_processes"]), (before, &json!(true)), "there is no name in it");

    let viewer = Caller { rights: Rights::of(&[Permission::View]), ..Caller::trusted(Actor::Api) };
    let seen = app.operations.timeline("db-01", None, &viewer).await.unwrap();
    assert!(!seen.with_processes && seen.points.iter().all(|point| point.processes.is_none()));
    assert!(seen.points.iter().all(|point| point.memory.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_refused_with_a_sentence() {
    let app = TestApp::start();
    let refused = async |path: &str| {
        let (status, told) = answer(&app.dashboard, get(path)).await;
        (status, told["detail"].as_str().unwrap_or_default().to_owned())
    };
    let none = "no image of db-01 is kept on this machine, where it could be compared";
    assert_eq!(refused(PATH).await, (StatusCode::NOT_FOUND, none.to_owned()));
    for limit in ["0", "501"] {
        let (status, detail) = refused(&format!("{PATH}?limit={limit}")).await;
        assert_eq!(
            (status, detail),
            (StatusCode::BAD_REQUEST, format!("a timeline has 1 to 500 dumps, not {limit}"))
        );
    }
    assert_eq!(refused(&format!("{PATH}?limit=many")).await.0, StatusCode::BAD_REQUEST);

    // A guest that was made anew under the name is another one.
    let (first, _) = app.dumped("db-01").await;
    app.hypervisor.remove_guest("db-01");
    let anew = app.hypervisor.add_guest("db-01", memdeck_model::ByteCount::from_mib(1));
    let (second, _) = app.dumped("db-01").await;
    let (status, detail) = refused(PATH).await;
    assert_eq!(status, StatusCode::CONFLICT, "{detail}");
    assert!(
        detail.starts_with("2 guests with images here had the name db-01: ") && detail.contains(&anew.uuid)
    );
    let told = asked(&app, &format!("/api/guests/{}/timeline", anew.uuid)).await;
    assert_eq!(of_each(&told, "/dump_id"), [json!(second)]);
    assert_ne!(first, second);
}
