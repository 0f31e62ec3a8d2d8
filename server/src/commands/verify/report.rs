//! `memdeck verify --report`: all that is known of an image, for people who were not there.

use std::fmt::{Display, Write as _};

use memdeck_catalog::Catalog;
use memdeck_model::audit::{AuditEntry, AuditFilter, AuditLine, AuditQuery};
use memdeck_model::{
    ByteCount, CaptureMode, DumpId, HostClock, Manifest, Message, PauseSource, Remark, Timestamp, Verdict,
    VerifyReport, with_causes,
};

use super::{companions_in_words, record_in_words, signature_in_words};
use crate::commands::named_image;
use crate::commands::table::printable;
use crate::config::Config;

/// What stands where nothing was recorded.
const NOT_RECORDED: &str = "not recorded";

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
    let mut text = Text::default();
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
    if let Some(manifest) = &report.manifest {
        match &manifest.host_chain {
            Some(place) => {
                text.fact(
                    "chain",
                    format!("number {} of the dumps of this host, chain {}", place.number, place.id),
                );
                let first = || "none: it is the first".to_owned();
                text.fact(
                    "before it",
                    place.previous.as_ref().map_or_else(first, |sha256| format!("manifest SHA-256 {sha256}")),
                );
            }
            None => text.fact("chain", "none"),
        }
        let audit = manifest.audit.as_ref();
        let audit =
            audit.map(|head| format!("row {} of the audit when it was sealed, hash {}", head.seq, head.hash));
        text.fact("audit", audit.as_deref().unwrap_or(NOT_RECORDED));
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
    text.0
}

fn taken(text: &mut Text, manifest: &Manifest) {
    let guest = &manifest.guest;
    text.title("Whose memory, for whom, when");
    text.fact("guest", format!("{}, UUID {}, libvirt id {}", guest.name, guest.uuid, guest.vmid));
    text.fact("memory", guest.memory_bytes);
    text.optional("system", guest.os_banner.as_ref());
    text.optional("domain XML", guest.domain_xml_sha256.as_ref().map(|sha256| format!("SHA-256 {sha256}")));
    text.fact("dump", &manifest.dump_id);
    text.fact("for", manifest.asked_by());
    text.optional("case", manifest.case.as_ref().map(Remark::as_str));
    text.optional("note", manifest.note.as_ref().map(Remark::as_str));
    text.fact("began", manifest.started_at);
    text.optional("memory as of", manifest.capture.point_in_time);
    text.fact("complete", manifest.finished_at);
    text.fact("clock", clock(manifest.host_clock));
}

fn how(text: &mut Text, manifest: &Manifest) {
    let (facts, hypervisor) = (&manifest.capture, &manifest.hypervisor);
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| NOT_RECORDED.to_owned());
    text.title("With what, and how");
    text.fact("tool", format!("memdeck {}", manifest.memdeck_version));
    text.fact("host", format!("{}, kernel {}", manifest.host, version(&manifest.host_kernel)));
    text.fact(
        "hypervisor",
        format!(
            "{}, libvirt {}, QEMU {}",
            hypervisor.uri,
            version(&hypervisor.libvirt_version),
            version(&hypervisor.qemu_version)
        ),
    );
    text.fact(
        "mode",
        match manifest.mode {
            CaptureMode::Frozen => "frozen: the guest stood still while it was read",
            CaptureMode::Live => "live: the guest ran while it was copied",
        },
    );
    text.optional("why so", facts.fallback.as_ref().map(Message::to_string));
    text.fact("stood still", pause(manifest));
    text.optional("passes", facts.iterations);
    if facts.encrypted {
        text.fact("encrypted", "the guest's memory is encrypted: the image is ciphertext");
    }
    for block in &facts.omitted {
        text.fact("left out", format!("{}, {}", block.name, block.bytes));
    }
    for missing in &facts.missing {
        text.fact("missing", missing);
    }
}

fn what(text: &mut Text, report: &VerifyReport) {
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

fn pause(manifest: &Manifest) -> String {
    let Some(pause) = manifest.pause_ms else { return "not measured".to_owned() };
    let how = match manifest.capture.pause_source {
        Some(PauseSource::HypervisorClock) => {
            "by the times at which the hypervisor stopped it and let it run"
        }
        Some(PauseSource::EventArrival) => "by the arrival of the hypervisor's events, which is less exact",
        None => "how that was measured was not recorded",
    };
    format!("{pause} ({how})")
}

fn clock(clock: HostClock) -> String {
    let error =
        |error: Option<u64>, what| error.map(|us| format!(", {what} {us} µs off")).unwrap_or_default();
    match clock.synchronised {
        None => "whether the host's clock was synchronised was not recorded".to_owned(),
        Some(false) => "no time service reported to the host's kernel".to_owned(),
        Some(true) => format!(
            "the host's was synchronised{}{}",
            error(clock.estimated_error_us, "an estimated"),
            error(clock.maximum_error_us, "at most")
        ),
    }
}

fn noted(entry: &AuditEntry) -> String {
    let AuditLine { seq, at, actor, address, action, result, details, .. } = AuditLine::from(entry);
    let from = if address.is_empty() { String::new() } else { format!(" from {address}") };
    let details = if details.is_empty() { String::new() } else { format!(" ({details})") };
    format!("{at}  {action}: {}, by {actor}{from}{details} [row {seq}]", result.label().to_lowercase())
}

/// Lines under titles. Writing to a string does not fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn title(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        let _ = writeln!(self.0, "{title}");
    }

    fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.0, "  {}", printable(&line.to_string()));
    }

    fn fact(&mut self, name: &str, value: impl Display) {
        // Much of it comes out of a guest, or out of a file that somebody else wrote.
        let _ = writeln!(self.0, "  {name:<12}  {}", printable(&value.to_string()));
    }

    fn optional(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.fact(name, value);
        }
    }
}
