//! The adapter against a real `InfluxDB` 1, against an `InfluxDB` 3 where `INFLUX3_URL` names one, and against a double
//! for what neither can be made to answer.

mod double;
mod login;
mod refusals;
mod steps;
mod store;
mod versions;
mod writing;

use std::sync::Once;
use std::time::Duration;

use memdeck_influx::{Influx, InfluxSettings, Login};
use memdeck_model::{ByteCount, CaptureMode, GuestName, Millis, Record, Timestamp};

/// A client with a time limit that no test reaches by being slow.
fn client(url: &str, database: &str, token: Option<&str>) -> Influx {
    client_with_timeout(url, database, token, Duration::from_mins(1))
}

fn client_with_timeout(url: &str, database: &str, token: Option<&str>, timeout: Duration) -> Influx {
    let login = token.map_or(Login::None, |token| Login::Token(token.to_owned()));
    client_as(url, database, login, timeout)
}

fn client_as(url: &str, database: &str, login: Login, timeout: Duration) -> Influx {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
    let settings = InfluxSettings {
        url: url.to_owned(),
        database: database.to_owned(),
        org: Some("ops".to_owned()),
        bucket: Some("dumps".to_owned()),
        login,
        timeout,
    };
    Influx::new(settings).unwrap()
}

/// 2025-11-14T08:58:23.550273Z
const START_MICROS: i64 = 1_763_110_703_550_273;

/// A record with everything that memdeck knows, of which the point holds a part.
fn record(dom: &str) -> Record {
    let timestamp = Timestamp::from_unix_micros(START_MICROS).unwrap();
    Record {
        sha256: Some("ab".repeat(32)),
        duration_sec: Some(1.25),
        gzip_size_bytes: Some(ByteCount(45_000_001)),
        ctime: Some(1_763_110_704),
        mtime: Some(1_763_110_705),
        atime: Some(1_763_110_706),
        dump_path: Some("/var/lib/memdeck/dumps/web-01.zst".to_owned()),
        dump_id: Some("d1".parse().unwrap()),
        host: Some("hv1".to_owned()),
        mode: Some(CaptureMode::Live),
        pause_ms: Some(Millis(45)),
        raw_size_bytes: Some(ByteCount(537_133_056)),
        format: Some("elf".to_owned()),
        codec: Some("zstd".to_owned()),
        point_in_time: Some(timestamp),
        fallback: Some("did not converge".into()),
        job_downtime_ms: Some(Millis(44)),
        iterations: Some(5),
        dirty_bytes_per_s: Some(ByteCount(104_857_600)),
        case: Some("IR-2026-17".parse().unwrap()),
        note: Some("seen at night".parse().unwrap()),
        ..Record::unknown(GuestName(dom.to_owned()), "7".to_owned(), timestamp)
    }
}
