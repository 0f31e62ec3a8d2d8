//! What is told apart when a point does not arrive.

use std::time::Duration;

use axum::http::Method;
use memdeck_influx::{FeedError, Influx, InfluxSettings, Login, PointSink as _};

use crate::double::{Answer, Double, field_keys, invalid_column_type, with};
use crate::{client, client_with_timeout, record};

async fn refusal(answer: Answer) -> FeedError {
    let double = Double::start().await;
    double.on_every_write(answer);
    client(&double.url, "vmstats", None).write_record(&record("web-01")).await.unwrap_err()
}

#[tokio::test]
async fn a_write_asks_for_the_types_once_and_then_writes() {
    let double = Double::start().await;
    let feed = client(&format!("{}/influx/", double.url), "vm stats", Some("s3cret"));
    feed.write_record(&record("web-01")).await.unwrap();
    feed.write_record(&record("db-01")).await.unwrap();
    let calls = double.calls();
    let told: Vec<_> =
        calls.iter().map(|call| (&call.method, call.path.as_str(), call.query.as_str())).collect();
    assert_eq!(
        told,
        [
            (&Method::GET, "/influx/query", "db=vm+stats&q=SHOW+FIELD+KEYS+FROM+mem_dumps"),
            (&Method::POST, "/influx/api/v3/write_lp", "db=vm+stats&precision=nanosecond"),
            (&Method::POST, "/influx/api/v3/write_lp", "db=vm+stats&precision=nanosecond"),
        ]
    );
    assert!(calls.iter().all(|call| call.authorization.as_deref() == Some("Bearer s3cret")));
}

#[tokio::test]
async fn types_that_version_3_refuses_are_learned_from_it() {
    let double = Double::start().await;
    let feed = client(&double.url, "vmstats", None);
    // No such table yet; then another program makes it before we do.
    double.on_query(with(400, r#"{"error":"table 'public.iox.mem_dumps' not found"}"#));
    double.on_write(invalid_column_type("raw_size_bytes", "float", "integer"));
    double.on_query(field_keys(&[("raw_size_bytes", "float"), ("ctime", "float"), ("mtime", "integer")]));
    feed.write_record(&record("web-01")).await.unwrap();

    let lines = double.lines();
    assert!(lines[0].contains("raw_size_bytes=537133056i,") && lines[0].contains("ctime=1763110704i,"));
    assert!(lines[1].contains("raw_size_bytes=537133056,") && lines[1].contains("ctime=1763110704,"));
    assert!(lines[1].contains("mtime=1763110705i,"), "{}", lines[1]);

    // What was learned is kept.
    feed.write_record(&record("web-01")).await.unwrap();
    assert_eq!(double.lines()[2], lines[1]);
}

#[tokio::test]
async fn a_refusal_outweighs_a_list_that_says_otherwise() {
    let double = Double::start().await;
    double.on_query(field_keys(&[("ctime", "integer")]));
    double.on_write(invalid_column_type("ctime", "float", "integer"));
    double.on_query(field_keys(&[("ctime", "integer")]));
    client(&double.url, "vmstats", None).write_record(&record("web-01")).await.unwrap();
    assert!(double.lines()[1].contains("ctime=1763110704,"));
}

#[tokio::test]
async fn a_conflict_that_no_number_solves_ends_and_is_permanent() {
    let double = Double::start().await;
    for _ in 0..20 {
        double.on_write(invalid_column_type("sha256", "integer", "string"));
    }
    let refused = client(&double.url, "vmstats", None).write_record(&record("web-01")).await.unwrap_err();
    assert!(refused.is_permanent());
    let sentence = refused.to_string();
    assert!(
        sentence.contains(
            "refused the point (HTTP 400): \
             invalid column type for column 'sha256', expected"
        ),
        "{sentence}"
    );
    assert_eq!(double.lines().len(), 2);
}

#[tokio::test]
async fn a_store_that_contradicts_itself_is_not_asked_for_ever() {
    let double = Double::start().await;
    for _ in 0..50 {
        double.on_write(invalid_column_type("ctime", "float", "integer"));
        double.on_write(invalid_column_type("ctime", "integer", "float"));
    }
    let refused = client(&double.url, "vmstats", None).write_record(&record("web-01")).await.unwrap_err();
    assert!(refused.is_permanent());
    assert!(double.lines().len() < 20, "{} writes", double.lines().len());
}

#[tokio::test]
async fn a_database_that_cannot_be_created_is_told() {
    let double = Double::start().await;
    let missing = || with(404, r#"{"error":"database not found: \"vmstats\""}"#);
    double.on_every_write(missing());
    let refused = client(&double.url, "vmstats", None).write_record(&record("web-01")).await.unwrap_err();
    assert!(
        matches!(&refused, FeedError::Refused { status: 404, reason, .. } if reason.contains("not found"))
    );
    assert!(!refused.is_permanent());
    assert_eq!(double.calls()[4].query, "db=vmstats&q=CREATE+DATABASE+%22vmstats%22");
    assert_eq!(double.calls()[4].method, Method::POST);
}

#[tokio::test]
async fn credentials_that_are_refused_are_told_apart() {
    for status in [401, 403] {
        let refused = refusal(with(status, r#"{"error":"unauthorized access"}"#)).await;
        assert!(matches!(refused, FeedError::Unauthorized { .. }), "{refused:?}");
        assert!(refused.to_string().contains("set INFLUX_TOKEN"), "{refused}");
        assert!(!refused.is_permanent());
    }
    let double = Double::start().await;
    double.on_query(with(401, ""));
    let refused = client(&double.url, "vmstats", None).write_record(&record("web-01")).await.unwrap_err();
    assert!(matches!(refused, FeedError::Unauthorized { .. }));
    assert_eq!(double.lines().len(), 0);
}

#[tokio::test]
async fn only_a_refusal_of_this_very_point_is_permanent() {
    for (status, permanent) in
        [(400, true), (413, true), (422, true), (404, false), (429, false), (500, false), (503, false)]
    {
        let refused = refusal(with(status, r#"{"error":"no"}"#)).await;
        assert!(matches!(refused, FeedError::Refused { .. }), "{refused:?}");
        assert_eq!(refused.is_permanent(), permanent, "{status}");
    }
}

#[tokio::test]
async fn a_success_that_says_something_is_not_an_acknowledgement() {
    let refused = refusal(with(200, "<html>Please log in</html>")).await;
    assert!(
        matches!(&refused, FeedError::Refused { status: 200, reason, .. } if reason.contains("Please log in"))
    );
    assert!(!refused.is_permanent());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let double = Double::start().await;
    double.on_write(Answer::RedirectTo("/elsewhere/write"));
    let refused = client(&double.url, "vmstats", None).write_record(&record("web-01")).await.unwrap_err();
    assert!(matches!(refused, FeedError::Refused { status: 307, .. }), "{refused:?}");
    assert_eq!(double.lines().len(), 1);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_given_up_after_the_timeout() {
    let double = Double::start().await;
    double.on_write(Answer::Never);
    let timeout = Duration::from_millis(500);
    let feed = client_with_timeout(&double.url, "vmstats", None, timeout);
    let error = feed.write_record(&record("web-01")).await.unwrap_err();
    assert!(matches!(error, FeedError::Timeout { after, .. } if after == timeout), "{error:?}");
    assert!(error.to_string().ends_with("did not answer within 0.5 s"), "{error}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn a_long_answer_is_shortened() {
    let refused = refusal(with(400, &"x\n".repeat(500_000))).await;
    assert!(refused.to_string().len() < 500, "{refused}");
}

#[tokio::test]
async fn no_secret_is_printed() {
    let double = Double::start().await;
    double.on_write(with(400, r#"{"error":"bad token s3cret"}"#));
    let url = double.url.replace("http://", "http://admin:pa55word@");
    let feed = client(&url, "vmstats", Some("s3cret"));
    let refused = feed.write_record(&record("web-01")).await.unwrap_err();

    let settings = InfluxSettings {
        url: "http://admin:pa55word@127.0.0.1:1/?p=pa55word".to_owned(),
        database: "vmstats".to_owned(),
        org: None,
        bucket: None,
        login: Login::Token("s3cret".to_owned()),
        timeout: Duration::from_mins(1),
    };
    let printed_settings = format!("{settings:?}");
    let unreachable = Influx::new(settings).unwrap().write_record(&record("web-01")).await.unwrap_err();
    assert!(matches!(unreachable, FeedError::Unreachable { .. }));
    let description = feed.describe();
    let printed = format!(
        "{description} {feed:?} {refused} {refused:?} {printed_settings} {unreachable} {unreachable:?}"
    );
    for secret in ["s3cret", "pa55word", "admin"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert_eq!(description, format!("InfluxDB at {}, database vmstats", double.url));
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_their_name() {
    let refused = |url: &str, database: &str, token: &str| {
        let settings = InfluxSettings {
            url: url.to_owned(),
            database: database.to_owned(),
            org: None,
            bucket: None,
            login: Login::Token(token.to_owned()),
            timeout: Duration::from_secs(1),
        };
        Influx::new(settings).unwrap_err().to_string()
    };
    assert!(refused("db:8086", "vmstats", "t").contains("INFLUX_URL must start with http"));
    assert!(refused("http://db", "", "t").contains("INFLUX_DB"));
    assert!(refused("http://db", "a\nb", "t").contains("INFLUX_DB"));
    let token = refused("http://db", "vmstats", "s3c\nret");
    assert!(token.contains("INFLUX_TOKEN") && !token.contains("s3c"), "{token}");
}
