//! Fills a new catalog with entries of the audit and checks them: what `scripts/bench audit` measures.
//!
//! ```text
//! cargo run --release -p memdeck-catalog --example audit -- STATE_DIR ROWS RUNS
//! ```

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use memdeck_catalog::Catalog;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, NewEntry, SentPart};
use memdeck_model::{Actor, ByteCount, DumpId, Timestamp};

/// Entries in one transaction.
const BATCH: u64 = 10_000;
/// Entries that are added one by one, each in a transaction of its own.
const SINGLE: u64 = 200;
/// 2026-01-01T00:00:00Z.
const FIRST_MICROS: i64 = 1_767_225_600_000_000;

fn entry(n: u64) -> Result<NewEntry, Box<dyn Error>> {
    let at = Timestamp::from_unix_micros(FIRST_MICROS + i64::try_from(n)? * 1_000_000)?;
    let object = AuditObject::Dump {
        dump_id: DumpId::from_uuid_bits(u128::from(n) << 64 | 0x4000_8000_0000_0000_0000),
        guest: Some(format!("web-{:03}", n % 500)),
        uuid: Some("4dea22b3-1d52-4f1c-b6a4-0a4a2c1b5a11".to_owned()),
        host: Some(format!("hv{:02}", n % 8)),
    };
    let details = AuditDetails {
        format: Some("elf".to_owned()),
        part: Some(SentPart { start: 0, end: 1 << 30 }),
        bytes: Some(ByteCount(1 << 30)),
        request_id: Some("0123456789ab".to_owned()),
        ..AuditDetails::default()
    };
    let actor = Actor::CommandLine { user: Some(format!("operator-{}", n % 20)) };
    let entry = NewEntry::new(at, actor, AuditAction::ImageDownloaded, object).with(details);
    Ok(NewEntry { address: Some(format!("198.51.100.{}", n % 250)), ..entry })
}

/// The most memory that this process had, in bytes.
fn peak_rss() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, rows, runs] = arguments.as_slice() else {
        return Err("usage: audit STATE_DIR ROWS RUNS".into());
    };
    let (rows, runs): (u64, u32) = (rows.parse()?, runs.parse()?);
    let catalog = Catalog::open(Path::new(dir))?;
    let begun = Instant::now();
    for start in (0..rows).step_by(usize::try_from(BATCH)?) {
        let batch = (start..rows.min(start + BATCH)).map(entry).collect::<Result<Vec<_>, _>>()?;
        catalog.note_all(&batch)?;
    }
    let append_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    for n in rows..rows + SINGLE {
        catalog.note(&entry(n)?)?;
    }
    let note_ms = begun.elapsed().as_secs_f64() * 1000.0 / f64::from(u32::try_from(SINGLE)?);
    let mut verify_s = Vec::new();
    let mut report = catalog.verify_audit(Vec::new())?;
    for _ in 0..runs {
        let begun = Instant::now();
        report = catalog.verify_audit(Vec::new())?;
        verify_s.push(begun.elapsed().as_secs_f64());
    }
    let file_bytes = Path::new(dir).join(Catalog::FILE_NAME).metadata()?.len();
    let measured = serde_json::json!({
        "rows": report.rows, "intact": report.intact, "append_s": append_s, "note_ms": note_ms, "verify_s": verify_s,
        "file_bytes": file_bytes, "peak_rss_bytes": peak_rss()?,
    });
    println!("{measured}");
    Ok(())
}
