//! A store that asks who writes: a real `InfluxDB` 1 with users.

use std::time::Duration;

use memdeck_influx::test_support::InfluxServer;
use memdeck_influx::{FeedError, Login, PointSink as _};

use crate::{client_as, record};

const PASSWORD: &str = "s3cret-päss:word";

fn user(password: &str) -> Login {
    Login::User { name: "memdeck".to_owned(), password: password.to_owned() }
}

#[tokio::test]
async fn a_store_with_users_takes_points_from_whoever_has_name_and_password() {
    let server = InfluxServer::start_with_users();
    let created = format!("CREATE USER memdeck WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES");
    let answer = server.query("vmstats", &created);
    assert!(answer["results"][0]["error"].is_null(), "{answer}");

    let client = client_as(&server.url(), "vmstats", user(PASSWORD), Duration::from_mins(1));
    assert!(!client.describe().contains("s3cret") && !format!("{client:?}").contains("s3cret"));
    client.write_record(&record("web-01")).await.expect("the store takes the point, creating the database");
    let count = "SELECT count(ok) FROM mem_dumps";
    let counted = server.query_as(("memdeck", PASSWORD), "vmstats", count);
    assert_eq!(counted.pointer("/results/0/series/0/values/0/1"), Some(&1.into()), "{counted}");

    for login in [Login::None, user("s3cret-but-wrong"), Login::Token("s3cret-token".to_owned())] {
        let client = client_as(&server.url(), "vmstats", login, Duration::from_mins(1));
        let refused = client.write_record(&record("web-01")).await.unwrap_err();
        assert!(matches!(refused, FeedError::Unauthorized { status: 401, .. }), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("s3cret"), "{refused:?}");
    }
}
