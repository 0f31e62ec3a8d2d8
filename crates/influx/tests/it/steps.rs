//! Fields over time, computed by the store: a real `InfluxDB` 1, a real 3 where one is named, and the double of 3.

use std::fmt::Write as _;
use std::time::Duration;

use memdeck_influx::test_support::{CONTRACT_TOKEN, ContractStore};
use memdeck_influx::{FieldKind, Influx, Login, Step, StepQuery, StepSource as _};
use memdeck_model::InfluxVersion;

use crate::client_as;
use crate::store::Store;

/// A whole minute.
const START: i64 = 1_763_110_680;
const COUNTER: FieldKind = FieldKind::Counter { max_gap_ms: 60_000 };

/// A guest from second 0 on, a sample every ten seconds, that counts 100 in each, but 400 in one. At 240 it is started
/// anew with a counter that is far ahead, at 300 the counter goes back, and from 400 to 600 nobody measures.
fn lines() -> String {
    let mut lines = String::new();
    let mut counted = 0_i64;
    for second in (0..720).step_by(10) {
        let id = if second < 240 { 7 } else { 8 };
        counted = match second {
            240 => 1_000_000,
            300 => 50,
            130 => counted + 400,
            _ => counted + 100,
        };
        if (400..600).contains(&second) {
            continue;
        }
        let nanos = (START + second) * 1_000_000_000;
        let memory = 1000 + second % 60;
        writeln!(
            lines,
            "vm_totals,VMID={id},name=web\\ 01,uuid=u-1 cputime={counted}i,memrss={memory}i {nanos}\n\
             vm_totals,VMID=9,name=db-01,uuid=u-2 cputime={}i,memrss=5i {nanos}\n\
             vm_devices,VMID={id},name=web\\ 01,uuid=u-1,devtype=disk,device=vda rd_bytes={counted}i {nanos}",
            second * 1_000_000
        )
        .unwrap();
    }
    lines
}

fn query(measurement: &'static str, field: &'static str, kind: FieldKind) -> StepQuery {
    let mut tags = vec![("uuid", "u-1".to_owned())];
    if measurement == "vm_devices" {
        tags.extend([("devtype", "disk".to_owned()), ("device", "vda".to_owned())]);
    }
    StepQuery {
        measurement,
        field,
        kind,
        tags,
        series: &["VMID", "name"],
        from_nanos: START * 1_000_000_000,
        until_nanos: (START + 720) * 1_000_000_000,
        step_ms: 60_000,
        limit: 100,
    }
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-6
}

/// The minutes in which there is a step, from the start on.
fn minutes(steps: &[Step]) -> Vec<i64> {
    steps.iter().map(|step| (step.from_nanos / 1_000_000_000 - START) / 60).collect()
}

async fn a_store_computes_steps(client: &Influx) {
    for (measurement, field) in [("vm_totals", "cputime"), ("vm_devices", "rd_bytes")] {
        let steps = client.steps(&query(measurement, field, COUNTER)).await.unwrap();
        assert_eq!(minutes(&steps), [0, 1, 2, 3, 4, 5, 6, 10, 11], "{steps:?}");
        for step in &steps {
            let is_fast = (step.from_nanos / 1_000_000_000 - START) / 60 == 2;
            let (mean, max) = if is_fast { (15.0, 40.0) } else { (10.0, 10.0) };
            assert!(near(step.min, 10.0) && near(step.mean, mean) && near(step.max, max), "{step:?}");
        }
        // What it had counted at the end of the first minute, and of the last.
        assert!(steps[0].last.is_some_and(|last| near(last, 600.0)), "{steps:?}");
        let last = 50.0 + 100.0 * 41.0;
        assert!(steps[8].last.is_some_and(|counted| near(counted, last)), "{steps:?}");
    }
    let memory = client.steps(&query("vm_totals", "memrss", FieldKind::Gauge)).await.unwrap();
    assert_eq!(minutes(&memory), [0, 1, 2, 3, 4, 5, 6, 10, 11], "{memory:?}");
    let whole = Step {
        from_nanos: START * 1_000_000_000,
        min: 1000.0,
        mean: 1025.0,
        max: 1050.0,
        last: Some(1050.0),
    };
    assert_eq!(memory[0], whole);

    let part = StepQuery {
        from_nanos: (START + 60) * 1_000_000_000,
        until_nanos: (START + 95) * 1_000_000_000,
        ..query("vm_totals", "memrss", FieldKind::Gauge)
    };
    let steps = client.steps(&part).await.unwrap();
    assert_eq!((minutes(&steps), steps[0].max), (vec![1], 1030.0), "the end is not part of the range");
    let few = client
        .steps(&StepQuery { limit: 2, ..query("vm_totals", "memrss", FieldKind::Gauge) })
        .await
        .unwrap();
    assert_eq!(minutes(&few), [0, 1]);
    for (tag, field) in [("nobody", "memrss"), ("' OR uuid = 'u-1", "memrss"), ("u-1", "memusable")] {
        for kind in [FieldKind::Gauge, COUNTER] {
            let tags = vec![("uuid", tag.to_owned())];
            let nothing = client.steps(&StepQuery { tags, ..query("vm_totals", field, kind) }).await.unwrap();
            assert_eq!(nothing, [], "{tag} {field}");
        }
    }
    assert_eq!(client.steps(&query("no_such_table", "memrss", COUNTER)).await.unwrap(), []);
}

#[tokio::test]
async fn steps_are_the_same_from_every_store() {
    for store in Store::all() {
        store.create().await;
        store.write(&lines()).await;
        a_store_computes_steps(&store.client()).await;
    }
    let double = ContractStore::start(InfluxVersion::V3).await;
    double.write(&lines());
    let login = Login::Token(CONTRACT_TOKEN.to_owned());
    a_store_computes_steps(&client_as(&double.url, "vmstats", login, Duration::from_mins(1))).await;
}
