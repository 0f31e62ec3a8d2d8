//! Points that arrive.

use memdeck_influx::FeedError;
use memdeck_influx::test_support::InfluxServer;
use memdeck_model::{ByteCount, GuestName, Record, Timestamp};
use serde_json::json;

use crate::store::Store;
use crate::{START_MICROS, client, record};

#[tokio::test]
async fn a_record_arrives_with_every_field_in_its_type_in_a_database_that_did_not_exist() {
    for store in Store::all() {
        store.client().write_record(&record("web-01")).await.unwrap();

        let rows = store.rows().await;
        assert_eq!(rows.len(), 1);
        let mut row = rows.into_iter().next().unwrap();
        let time = row.remove("time").unwrap();
        assert!(time.as_str().unwrap().starts_with("2025-11-14T08:58:23.550273"), "{time}");
        assert_eq!(
            json!(row),
            json!({
                "dom": "web-01", "host": "hv1", "vmid": "7", "ok": true,
                "sha256": "ab".repeat(32), "dump_path": "/var/lib/memdeck/dumps/web-01.zst",
                "raw_size_bytes": 537_133_056, "gzip_size_bytes": 45_000_001,
                "ctime": 1_763_110_704, "mtime": 1_763_110_705, "atime": 1_763_110_706,
                "duration_sec": 1.25, "dump_duration_sec": 1.25, "loop": 0, "every_sec": 0,
            })
        );
        assert_eq!(
            json!(store.types().await),
            json!({
                "ok": "boolean", "sha256": "string", "dump_path": "string",
                "raw_size_bytes": "integer", "gzip_size_bytes": "integer",
                "ctime": "integer", "mtime": "integer", "atime": "integer",
                "duration_sec": "float", "dump_duration_sec": "float", "loop": "integer", "every_sec": "integer",
            })
        );
    }
}

#[tokio::test]
async fn the_same_record_written_again_is_the_same_row() {
    for store in Store::all() {
        let feed = store.client();
        feed.write_record(&record("web-01")).await.unwrap();
        feed.write_record(&record("web-01")).await.unwrap();
        // A later process, which knows nothing of the first.
        store.client().write_record(&record("web-01")).await.unwrap();
        assert_eq!(store.rows().await.len(), 1);
        feed.write_record(&record("db-01")).await.unwrap();
        assert_eq!(store.rows().await.len(), 2);
    }
}

#[tokio::test]
async fn numbers_are_written_as_the_columns_that_somebody_else_made() {
    for store in Store::all() {
        store.create().await;
        // Without the suffix `i` they are floats; and somebody made whole seconds an integer.
        let older = "mem_dumps,dom=old raw_size_bytes=1,ctime=1,mtime=1,atime=1,loop=0,every_sec=0,duration_sec=3i 1000";
        store.write(older).await;

        store.client().write_record(&record("web-01")).await.unwrap();

        let types = store.types().await;
        for (field, kept) in [("raw_size_bytes", "float"), ("loop", "float"), ("duration_sec", "integer")] {
            assert_eq!(types[field], kept, "{field}");
        }
        let rows = store.rows().await;
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1]["raw_size_bytes"].as_f64(), Some(537_133_056.0));
        assert_eq!(rows[1]["duration_sec"], json!(1));
        assert_eq!(rows[1]["gzip_size_bytes"], json!(45_000_001));
    }
}

#[tokio::test]
async fn columns_that_another_program_made_after_the_types_were_learned_are_learned_again() {
    for store in Store::all() {
        let feed = store.client();
        let bare = Record {
            raw_size_bytes: None,
            gzip_size_bytes: None,
            ctime: None,
            mtime: None,
            atime: None,
            ..record("bare")
        };
        feed.write_record(&bare).await.unwrap();
        store.write("mem_dumps,dom=old raw_size_bytes=1,ctime=1,mtime=1,atime=1 1763110703000000000").await;

        feed.write_record(&record("web-01")).await.unwrap();
        assert_eq!(store.rows().await.len(), 3);
        assert_eq!(store.types().await["raw_size_bytes"], "float");
    }
}

/// `InfluxDB` 1 alone: it keeps types for each shard (a week), so one column can have two.
#[tokio::test]
async fn a_column_with_two_types_is_written_in_the_one_of_its_time() {
    let server = InfluxServer::start();
    let _created = server.query("vmstats", "CREATE DATABASE vmstats");
    // Listed first is "float"; the week of the dump has integers in one column and floats in the other.
    let lines = "mem_dumps,dom=old raw_size_bytes=1,ctime=1,mtime=1 1000000000000000000\n\
                 mem_dumps,dom=old raw_size_bytes=1i,ctime=1i,mtime=1 1763110700000000000";
    assert_eq!(server.write("vmstats", lines), 204);

    let feed = client(&server.url(), "vmstats", None);
    feed.write_record(&record("web-01")).await.unwrap();
    let answer = server.query("vmstats", "SELECT raw_size_bytes, mtime FROM mem_dumps WHERE dom = 'web-01'");
    assert_eq!(answer["results"][0]["series"][0]["values"].as_array().map(Vec::len), Some(1), "{answer}");
}

#[tokio::test]
async fn names_and_paths_are_stored_as_they_are() {
    for store in Store::all() {
        let names = [
            "a b",
            "a,b=c",
            "quote\"s",
            "apo'strophe",
            "DOMAIN\\vm",
            "ünïcödé ⚙ 虚拟机",
            "=",
            "#comment",
            "a,dom=b ok=false 1",
            "\"quoted\"",
            "%s;--",
        ];
        let paths = [
            "/dumps/a b,c=d.zst",
            "/dumps/\"q\".zst",
            "/dumps/back\\slash\\",
            "/dumps/line\nbreak\n",
            "/dumps/é⚙.zst",
            "\\\"",
            "\\\\n",
            "",
            " ",
            "a\r\nb\tc",
        ];
        let count = names.len().max(paths.len());
        let feed = store.client();
        for n in 0..count {
            let name = names[n % names.len()];
            let timestamp = Timestamp::from_unix_micros(START_MICROS + i64::try_from(n).unwrap()).unwrap();
            let record = Record {
                timestamp,
                dump_path: Some(paths[n % paths.len()].to_owned()),
                host: Some(name.to_owned()),
                ..record(name)
            };
            feed.write_record(&record).await.unwrap();
        }
        let rows = store.rows().await;
        assert_eq!(rows.len(), count);
        for (n, row) in rows.iter().enumerate() {
            let stored = [&row["dom"], &row["host"], &row["dump_path"]];
            let (name, path) = (names[n % names.len()], paths[n % paths.len()]);
            assert_eq!(stored, [&json!(name), &json!(name), &json!(path)]);
        }
    }
}

#[tokio::test]
async fn what_a_tag_cannot_hold_is_replaced_and_the_row_arrives_once() {
    for store in Store::all() {
        let feed = store.client();
        for name in ["line\nbreak ok=false", "tab\tbed", "ends\\", "a\\,b", "a\\\\b", "nul\0"] {
            let odd = Record { host: None, vmid: String::new(), ..record(name) };
            feed.write_record(&odd).await.unwrap();
            feed.write_record(&odd).await.unwrap();
        }
        let mut stored: Vec<String> =
            store.rows().await.iter().map(|row| row["dom"].as_str().unwrap().to_owned()).collect();
        stored.sort_unstable();
        let mut expected = ["a/,b", "a/\\b", "ends/", r"line\nbreak ok=false", r"nul\u{0}", r"tab\tbed"];
        expected.sort_unstable();
        assert_eq!(stored, expected);
    }
}

#[tokio::test]
async fn sizes_beyond_what_a_store_can_count_do_not_lose_the_row() {
    for store in Store::all() {
        let huge = Record {
            raw_size_bytes: Some(ByteCount(u64::MAX)),
            duration_sec: Some(f64::INFINITY),
            ..record("a")
        };
        store.client().write_record(&huge).await.unwrap();
        let row = store.rows().await.remove(0);
        assert_eq!(row["raw_size_bytes"], json!(i64::MAX));
        assert_eq!(row.get("duration_sec"), None);
    }
}

#[tokio::test]
async fn a_database_with_an_awkward_name_is_created() {
    let server = InfluxServer::start();
    for database in ["vm stats", "quote\"d", "ünï&q=DROP", "DROP DATABASE x; --"] {
        client(&server.url(), database, None).write_record(&record("web-01")).await.unwrap();
        let answer = server.query(database, "SELECT dump_path FROM mem_dumps");
        assert_eq!(answer["results"][0]["series"][0]["values"].as_array().map(Vec::len), Some(1), "{answer}");
    }
}

#[tokio::test]
async fn a_name_that_no_database_can_have_is_told() {
    let server = InfluxServer::start();
    let refused =
        client(&server.url(), "back\\slash", None).write_record(&record("web-01")).await.unwrap_err();
    assert!(refused.to_string().ends_with("(creating it: invalid name)"), "{refused}");
    assert!(!refused.is_permanent());
}

#[tokio::test]
async fn a_store_that_is_down_is_unreachable_and_gets_the_row_once_it_is_back() {
    let mut server = InfluxServer::stopped();
    let feed = client(&server.url(), "vmstats", None);
    let refused = feed.write_record(&record("web-01")).await.unwrap_err();
    assert!(matches!(refused, FeedError::Unreachable { .. }), "{refused:?}");
    assert!(!refused.is_permanent());
    assert_eq!(
        refused.to_string(),
        format!("InfluxDB at {}, database vmstats cannot be reached", server.url())
    );

    server.restart();
    feed.write_record(&record("web-01")).await.unwrap();
    server.stop();
    assert!(matches!(feed.write_record(&record("db-01")).await, Err(FeedError::Unreachable { .. })));
    server.restart();
    feed.write_record(&record("db-01")).await.unwrap();
    feed.write_record(&record("web-01")).await.unwrap();

    let count = server.query("vmstats", "SELECT count(dump_path) FROM mem_dumps");
    assert_eq!(count["results"][0]["series"][0]["values"][0][1], json!(2), "{count}");
}

#[tokio::test]
async fn a_time_that_the_store_cannot_hold_is_refused_for_good() {
    let server = InfluxServer::start();
    let timestamp: Timestamp = "9000-01-01T00:00:00Z".parse().unwrap();
    let late = Record { timestamp, time: timestamp, dom: GuestName("late".to_owned()), ..record("late") };
    let refused = client(&server.url(), "vmstats", None).write_record(&late).await.unwrap_err();
    assert!(refused.is_permanent() && matches!(refused, FeedError::TimeOutOfRange { .. }), "{refused:?}");
}
