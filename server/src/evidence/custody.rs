//! The chain of custody of a dump or a case, as a page that stands by itself and is printed.

use memdeck_model::audit::{AuditEntry, AuditLine};
use memdeck_model::retention::Hold;
use memdeck_model::{CaptureMode, DumpId, Manifest, Record, Remark, VerificationState};
use memdeck_operations::{Custody, DumpCustody};

use super::Sheet;
use super::facts::{how, placed, taken};
use super::page::Page;

/// The whole document.
pub fn document(custody: &Custody) -> String {
    let Custody { case, made_at, made_for, dumps } = custody;
    let heading = match (case, dumps.first()) {
        (Some(case), _) => format!("Chain of custody, case {}", case.as_str()),
        (None, Some(dump)) => format!("Chain of custody, dump {} of {}", dump.dump_id, dump.record.dom),
        (None, None) => "Chain of custody".to_owned(),
    };
    let mut page = Page::new(&heading);
    page.paragraph(&format!("Made {made_at} for {made_for} by memdeck {}.", env!("CARGO_PKG_VERSION")));
    page.paragraph(&match dumps.len() {
        1 => "One dump. Times are UTC.".to_owned(),
        many => format!("{many} dumps, the oldest first. Times are UTC."),
    });
    for (place, dump) in dumps.iter().enumerate() {
        page.part(&format!("Dump of {}, {}", dump.record.dom, dump.dump_id), place == 0);
        for section in sheet(dump).sections() {
            page.section(section);
        }
        accesses(&mut page, dump);
    }
    page.end(
        "What stands here is checked without this memdeck: memdeck verify --key HOST_KEY.pem FILE reads an image, computes \
         every hash anew and checks the signature; memdeck audit verify finds rows of the audit that were changed or removed.",
    )
}

/// What is known of a dump.
fn sheet(dump: &DumpCustody) -> Sheet {
    let mut sheet = Sheet::default();
    match &dump.manifest {
        Ok(manifest) => {
            taken(&mut sheet, manifest);
            how(&mut sheet, manifest);
            hashes(&mut sheet, manifest, &dump.record);
        }
        Err(why) => recorded(&mut sheet, &dump.record, &why.to_string()),
    }
    vouched(&mut sheet, dump);
    kept(&mut sheet, dump);
    sheet
}

/// What the record knows where the manifest is not to be had.
fn recorded(sheet: &mut Sheet, record: &Record, why: &str) {
    sheet.title("What the record says");
    sheet.fact("manifest", format!("not known now: {why}"));
    sheet.fact("guest", &record.dom);
    sheet.optional("for", record.requested_by.as_ref());
    sheet.optional("case", record.case.as_ref().map(Remark::as_str));
    sheet.optional("note", record.note.as_ref().map(Remark::as_str));
    sheet.fact("began", record.timestamp);
    sheet.optional("memory as of", record.point_in_time);
    sheet.optional("host", record.host.as_ref());
    sheet.optional("mode", record.mode.map(CaptureMode::as_str));
    sheet.optional("stood still", record.pause_ms);
    sheet.optional("image", record.sha256.as_ref().map(|sha256| format!("SHA-256 {sha256}")));
    sheet.optional("manifest", record.manifest_sha256.as_ref().map(|sha256| format!("SHA-256 {sha256}")));
    sheet.optional("digests", record.digests_root.as_ref().map(|root| format!("BLAKE3 root {root}")));
}

fn hashes(sheet: &mut Sheet, manifest: &Manifest, record: &Record) {
    sheet.title("What it is, as it was recorded");
    sheet.fact("format", format!("{} in {}", manifest.format, manifest.codec));
    let (raw, stored) = (manifest.raw_size_bytes, manifest.stored_size_bytes);
    sheet.fact("image", format!("{raw} ({} bytes), SHA-256 {}", raw.0, manifest.sha256));
    sheet.fact("stored file", format!("{stored} ({} bytes), SHA-256 {}", stored.0, manifest.file_sha256));
    let base = manifest.difference.as_ref();
    sheet.optional(
        "stored as a difference to",
        base.map(|base| {
            let (file, sha256) = (&base.base_file, &base.base_sha256);
            format!("dump {}, whose image {file} is needed to read it, SHA-256 {sha256}", base.base)
        }),
    );
    sheet.optional("manifest", record.manifest_sha256.as_ref().map(|sha256| format!("SHA-256 {sha256}")));
    let map = manifest.page_map.as_ref();
    sheet.optional(
        "page map",
        map.map(|map| {
            let pages = map.pages;
            format!("{} pages, {} of them zero, BLAKE3 {}", pages.total, pages.zero, map.file_blake3)
        }),
    );
    let digests = manifest.frame_digests.as_ref();
    sheet.optional("digests", digests.map(|digests| format!("BLAKE3 root {}", digests.root)));
    sheet.optional("file", record.dump_path.as_ref());
}

fn vouched(sheet: &mut Sheet, dump: &DumpCustody) {
    sheet.title("Who vouches for it");
    sheet.fact("signature", &dump.vouchers.signature);
    sheet.fact("time stamp", &dump.vouchers.time_stamp);
    if let Ok(manifest) = &dump.manifest {
        sheet.optional("key", manifest.signed_by.as_ref().map(|key| format!("fingerprint {key}")));
        placed(sheet, manifest);
    }
    sheet.optional("dump before", dump.before.as_ref().map(named));
    sheet.optional("dump behind", dump.behind.as_ref().map(named));
    if let Some(at) = dump.record.rebuilt_at {
        sheet.fact("record", format!("made anew from the manifest at {at}, because the catalog had lost it"));
    }
    if dump.record.altered {
        sheet.fact("record", "was changed after memdeck wrote it");
    }
}

/// Another dump of the chain.
fn named(record: &Record) -> String {
    let id = record.dump_id.as_ref().map_or("unknown", DumpId::as_str);
    let manifest = record.manifest_sha256.as_deref().unwrap_or("not recorded");
    format!("{id} of {}, begun {}, manifest SHA-256 {manifest}", record.dom, record.timestamp)
}

fn kept(sheet: &mut Sheet, dump: &DumpCustody) {
    sheet.title("How it was kept");
    match &dump.verification {
        None => sheet.fact("verified", "not since the dump"),
        Some(newest) => {
            let by = newest.requested_by.as_ref().map(|by| format!(", for {by}")).unwrap_or_default();
            let at = newest.finished_at.map(|at| format!(" at {at}")).unwrap_or_default();
            let found = match (newest.state, newest.verdict) {
                (VerificationState::Finished, Some(verdict)) => verdict.to_string(),
                _ => "the image could not be read".to_owned(),
            };
            sheet.fact("verified", format!("last{at}{by}: {found}"));
            for finding in newest.findings.iter().chain(&newest.error) {
                sheet.fact("finding", finding);
            }
        }
    }
    for hold in &dump.holds {
        sheet.fact("legal hold", in_words(hold));
    }
    if dump.holds.is_empty() {
        sheet.fact("legal hold", "none");
    }
    let by = || dump.record.deleted_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let deleted = dump.record.deleted_at.map(|at| format!("the image was deleted at {at}{}", by()));
    sheet.fact("deleted", deleted.as_deref().unwrap_or("no"));
}

fn in_words(hold: &Hold) -> String {
    let words = format!("{}, placed at {} by {}: {}", hold.of, hold.at, hold.by, hold.reason.as_str());
    if let Some(at) = hold.lifted_at {
        let by = hold.lifted_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let why = hold.lift_reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        return format!("{words}; lifted at {at}{by}{why}");
    }
    words
}

/// Everything that was noted of it.
fn accesses(page: &mut Page, dump: &DumpCustody) {
    let columns = ["Time", "Who", "From", "What", "Result", "Details", "Row"];
    page.table("What was done with it, as this memdeck noted it", columns, dump.noted.iter().map(row));
    if dump.is_cut {
        page.paragraph("Older entries are in the audit.");
    }
    if dump.noted.is_empty() {
        page.paragraph("Nothing is noted of this dump.");
    }
}

fn row(entry: &AuditEntry) -> [String; 7] {
    let AuditLine { seq, at, actor, address, action, result, details, .. } = AuditLine::from(entry);
    let bytes = entry.details.bytes.map(|bytes| format!("; {} bytes", bytes.0)).unwrap_or_default();
    [
        at.to_string(),
        actor,
        address,
        action,
        result.label().to_owned(),
        format!("{details}{bytes}"),
        seq.to_string(),
    ]
}
