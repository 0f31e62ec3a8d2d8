//! What a manifest and the audit say of a dump, in facts for people who were not there.

use memdeck_model::audit::{AuditEntry, AuditLine};
use memdeck_model::{CaptureMode, HostClock, Manifest, Message, PauseSource, Remark};

use super::Sheet;

/// What stands where nothing was recorded.
const NOT_RECORDED: &str = "not recorded";

/// Whose memory it is, who asked for it, and when it was taken.
pub fn taken(sheet: &mut Sheet, manifest: &Manifest) {
    let guest = &manifest.guest;
    sheet.title("Whose memory, for whom, when");
    sheet.fact("guest", format!("{}, UUID {}, libvirt id {}", guest.name, guest.uuid, guest.vmid));
    sheet.fact("memory", guest.memory_bytes);
    sheet.optional("system", guest.os_banner.as_ref());
    sheet.optional("domain XML", guest.domain_xml_sha256.as_ref().map(|sha256| format!("SHA-256 {sha256}")));
    sheet.fact("dump", &manifest.dump_id);
    sheet.fact("for", manifest.asked_by());
    sheet.optional("case", manifest.case.as_ref().map(Remark::as_str));
    sheet.optional("note", manifest.note.as_ref().map(Remark::as_str));
    sheet.fact("began", manifest.started_at);
    sheet.optional("memory as of", manifest.capture.point_in_time);
    sheet.fact("complete", manifest.finished_at);
    sheet.fact("clock", clock(manifest.host_clock));
}

/// By which tool, on which host and in which way.
pub fn how(sheet: &mut Sheet, manifest: &Manifest) {
    let (facts, hypervisor) = (&manifest.capture, &manifest.hypervisor);
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| NOT_RECORDED.to_owned());
    sheet.title("With what, and how");
    sheet.fact("tool", format!("memdeck {}", manifest.memdeck_version));
    sheet.fact("host", format!("{}, kernel {}", manifest.host, version(&manifest.host_kernel)));
    sheet.fact(
        "hypervisor",
        format!(
            "{}, libvirt {}, QEMU {}",
            hypervisor.uri,
            version(&hypervisor.libvirt_version),
            version(&hypervisor.qemu_version)
        ),
    );
    sheet.fact(
        "mode",
        match manifest.mode {
            CaptureMode::Frozen => "frozen: the guest stood still while it was read",
            CaptureMode::Live => "live: the guest ran while it was copied",
        },
    );
    sheet.optional("why so", facts.fallback.as_ref().map(Message::to_string));
    sheet.fact("stood still", pause(manifest));
    sheet.optional("passes", facts.iterations);
    if facts.encrypted {
        sheet.fact("encrypted", "the guest's memory is encrypted: the image is ciphertext");
    }
    for block in &facts.omitted {
        sheet.fact("left out", format!("{}, {}", block.name, block.bytes));
    }
    for missing in &facts.missing {
        sheet.fact("missing", missing);
    }
}

/// Which of its host's dumps it is, and how the audit ended when it was sealed.
pub fn placed(sheet: &mut Sheet, manifest: &Manifest) {
    match &manifest.host_chain {
        Some(place) => {
            sheet.fact(
                "chain",
                format!("number {} of the dumps of this host, chain {}", place.number, place.id),
            );
            let first = || "none: it is the first".to_owned();
            sheet.fact(
                "before it",
                place.previous.as_ref().map_or_else(first, |sha256| format!("manifest SHA-256 {sha256}")),
            );
        }
        None => sheet.fact("chain", "none"),
    }
    let audit = manifest.audit.as_ref();
    let audit =
        audit.map(|head| format!("row {} of the audit when it was sealed, hash {}", head.seq, head.hash));
    sheet.fact("audit", audit.as_deref().unwrap_or(NOT_RECORDED));
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

/// An entry of the audit in a line.
pub fn noted(entry: &AuditEntry) -> String {
    let AuditLine { seq, at, actor, address, action, result, details, .. } = AuditLine::from(entry);
    let from = if address.is_empty() { String::new() } else { format!(" from {address}") };
    let details = if details.is_empty() { String::new() } else { format!(" ({details})") };
    format!("{at}  {action}: {}, by {actor}{from}{details} [row {seq}]", result.label().to_lowercase())
}
