//! `memdeck verify --report`: all that is known of an image, for people who were not there.

use std::fmt::Write as _;

use memdeck_catalog::Catalog;
use memdeck_model::audit::{AuditEntry, AuditFilter, AuditQuery};
use memdeck_model::{ByteCount, DumpId, Timestamp, Verdict, VerifyReport, with_causes};

use super::{companions_in_words, record_in_words, signature_in_words};
use crate::commands::named_image;
use crate::commands::table::printable;
use crate::config::Config;
use crate::evidence::Sheet;
use crate::evidence::facts::{how, noted, placed, taken};

/// What was done with an image, oldest first; or why that is not known.
pub type Afterwards = Result<Vec<AuditEntry>, String>;

/// Every entry of this host's audit about a dump.
pub fn afterwards(config: &Config, dump_id: &DumpId) -> Afterwards {
    let catalog = named_image::open_catalog(config)?;
    let mut entries = read(&catalog, dump_id).map_err(|error| with_causes(&error))?;
    entries.reverse();
    Ok(entries)
}

fn read(catalog: &Catalog, dump_id: &DumpId) -> Result<Vec<AuditEntry>, memdeck_catalog::CatalogError> {
    let filter = AuditFilter { dump_id: Some(dump_id.clone()), ..AuditFilter::default() };
    let (mut entries, mut before) = (Vec::new(), None);
    loop {
        let query = AuditQuery { filter: filter.clone(), before, limit: AuditQuery::MAX_LIMIT };
        let page = catalog.audit_page(&query)?;
        entries.extend(page.entries);
        before = page.next;
        if before.is_none() {
            return Ok(entries);
        }
    }
}

/// What stands beside the verification.
pub struct Circumstances<'a> {
    pub made_at: Timestamp,
    /// Why the image was not compared with a record.
    pub unchecked: Option<&'a str>,
    /// Why no key is believed.
    pub unbelieved: Option<&'a str>,
    pub afterwards: &'a Afterwards,
}

/// The report on a verified image.
pub fn of(report: &VerifyReport, around: &Circumstances<'_>) -> String {
    let mut text = Sheet::default();
    let Circumstances { made_at, unchecked, unbelieved, afterwards } = around;
    text.title("Report on a memory image");
    text.fact("made", format!("{made_at} by memdeck {}", env!("CARGO_PKG_VERSION")));
    text.fact("file", report.path.display());
    text.fact("verdict", format!("{}: {}", report.verdict, in_a_sentence(report.verdict)));
    for finding in &report.findings {
        text.fact("finding", finding);
    }
    if let Some(manifest) = &report.manifest {
        taken(&mut text, manifest);
        how(&mut text, manifest);
    }
    what(&mut text, report);
    text.title("Who vouches for it");
    text.fact("signature", signature_in_words(report, *unbelieved));
    text.fact("time stamp", &report.time_stamp);
    if let Some(manifest) = &report.manifest {
        placed(&mut text, manifest);
    }
    text.fact("record", record_in_words(report, *unchecked));
    text.title("What was done with it, as this host noted it");
    match afterwards {
        Ok(entries) if entries.is_empty() => text.line("Nothing is noted of this dump."),
        Ok(entries) => {
            for entry in entries {
                text.line(noted(entry));
            }
        }
        Err(why) => text.line(format_args!("Not known: {why}.")),
    }
    printed(&text)
}

fn what(text: &mut Sheet, report: &VerifyReport) {
    let hashed = |size: ByteCount, sha256: &Option<String>| {
        let sha256 = sha256.as_deref().unwrap_or("not computed");
        format!("{size} ({} bytes), SHA-256 {sha256}", size.0)
    };
    text.title("What it is, as it was found now");
    let manifest = report.manifest.as_ref();
    text.optional("format", manifest.map(|manifest| format!("{} in {}", manifest.format, manifest.codec)));
    if let Some(size) = report.raw_size {
        text.fact("image", hashed(size, &report.sha256));
    }
    text.fact("stored file", hashed(report.stored_size, &report.file_sha256));
    text.optional("manifest", report.manifest_sha256.as_ref().map(|sha256| format!("SHA-256 {sha256}")));
    let [page_map, digests] = companions_in_words(report);
    text.fact("page map", page_map);
    let hash = manifest.and_then(|manifest| manifest.page_map.as_ref()).map(|map| &map.file_blake3);
    text.optional("", hash.map(|hash| format!("BLAKE3 {hash}")));
    text.fact("digests", digests);
}

fn in_a_sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Intact => "every hash was computed anew, and everything that was promised is true",
        Verdict::Sampled => "some frames were read, and nothing was wrong with them",
        Verdict::Unconfirmed => "nothing is wrong, but something that would confirm it is missing",
        Verdict::Damaged => "it is not what was captured",
    }
}

/// As text for a terminal or a file. Writing to a string does not fail.
fn printed(sheet: &Sheet) -> String {
    let mut text = String::new();
    for section in sheet.sections() {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", section.title);
        for (name, value) in &section.facts {
            let _ = writeln!(text, "  {name:<12}  {}", printable(value));
        }
        for line in &section.lines {
            let _ = writeln!(text, "  {}", printable(line));
        }
    }
    text
}
