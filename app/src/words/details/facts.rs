//! What is known of a dump, from its record and from its image and manifest, in groups and in words.
//!
//! What only the image can hold is left out if it does not; what every dump should have is shown as
//! unknown.

use memdeck_model::{
    Actor, ByteCount, CaptureMode, HostClock, ImageFacts, Inspection, Manifest, Message, Millis, PauseSource,
    Record, Remark, Segment, SegmentKind, Timestamp, decimal,
};

use super::super::{by_whom, grouped, share, shown};
use crate::words::{Fact, Group, Room, Value};

/// Everything that is known, in groups; none of them is empty.
pub fn groups(record: &Record, image: Option<&ImageFacts>) -> Vec<Group> {
    let manifest = image.and_then(ImageFacts::manifest);
    let image = image.and_then(ImageFacts::inspection);
    let groups = [
        ("Guest", Room::Little, guest(record, image, manifest)),
        ("Capture", Room::Tall, capture(record, manifest)),
        ("Pause", Room::Little, pause(record, manifest)),
        ("File", Room::Wide, file(record, image, manifest)),
        ("Hashes", Room::Wide, hashes(record, manifest)),
    ];
    let known = groups.into_iter().filter(|(_, _, facts)| !facts.is_empty());
    known.map(|(title, room, facts)| Group { title: title.to_owned(), room, facts }).collect()
}

fn guest(record: &Record, image: Option<&Inspection>, manifest: Option<&Manifest>) -> Vec<Fact> {
    let guest = manifest.map(|manifest| &manifest.guest);
    let mut facts = Facts::default();
    let name = Some(&record.dom.0).filter(|name| !name.is_empty());
    facts.add_or_unknown("Name", name.map(|name| text(shown(name))));
    let mut vmids = [Some(&record.vmid), guest.map(|guest| &guest.vmid)].into_iter().flatten();
    facts.add_or_unknown("VM ID", vmids.find(|vmid| !vmid.is_empty()).map(text));
    facts.add_some("UUID", guest.map(|guest| Value::Code(guest.uuid.clone())));
    facts.add_some("Memory", guest.map(|guest| text(guest.memory_bytes)));
    facts.add_some(
        "CPU registers",
        image.map(|image| match image.cpus {
            0 => text("of no CPU"),
            1 => text("of 1 CPU"),
            cpus => text(format!("of {cpus} CPUs")),
        }),
    );
    facts.add_some(
        "System, from its banner in memory",
        guest.and_then(|guest| guest.os_banner.clone()).map(Value::Code),
    );
    let remark = |remark: Option<&Remark>| remark.map(|remark| text(remark.as_str()));
    facts.add_some("Case", remark(record.case.as_ref()));
    facts.add_some("Note", remark(record.note.as_ref()));
    facts.0
}

/// Who asked, as the record has it, else the manifest.
fn asked_by(record: &Record, manifest: Option<&Manifest>) -> Option<Actor> {
    record.requested_by.clone().or_else(|| manifest.map(Manifest::asked_by))
}

fn capture(record: &Record, manifest: Option<&Manifest>) -> Vec<Fact> {
    let mut facts = Facts::default();
    let mode = record.mode.or(manifest.map(|manifest| manifest.mode));
    facts.add_or_unknown("Mode", mode.map(|mode| text(what_mode(mode))));
    facts.add("Began", Value::Instant(record.timestamp));
    facts.add_some("Image complete", manifest.map(|manifest| Value::Instant(manifest.finished_at)));
    facts.add_or_unknown(
        "Took",
        record.duration_sec.map(|seconds| text(format!("{} s", decimal(seconds, 2)))),
    );
    facts.add_some("Requested", asked_by(record, manifest).map(|actor| text(by_whom(&actor))));
    let host = record.host.as_ref().or(manifest.map(|manifest| &manifest.host));
    facts.add_or_unknown("Host", host.map(text));
    if let Some(manifest) = manifest {
        facts.add_some("Host kernel", manifest.host_kernel.as_ref().map(text));
        facts.add("Host clock", text(clock(manifest.host_clock)));
        facts.add("Hypervisor", text(hypervisor(manifest)));
        facts.add("Taken by", text(format!("memdeck {}", manifest.memdeck_version)));
        let omitted = &manifest.capture.omitted;
        let omitted: Vec<_> =
            omitted.iter().map(|block| format!("{}, {}", block.name, block.bytes)).collect();
        facts.add_some("Left out, not guest RAM", lines(omitted));
    }
    facts.add_some("Missing in the image", lines(missing_of(manifest).to_vec()));
    if record.encrypted {
        facts.add("Encryption", text("of the guest’s memory: the image is ciphertext"));
    }
    facts.0
}

fn pause(record: &Record, manifest: Option<&Manifest>) -> Vec<Fact> {
    let mut facts = Facts::default();
    let of_manifest = manifest.map(|manifest| &manifest.capture);
    let pause = record.pause_ms.or(manifest.and_then(|manifest| manifest.pause_ms));
    facts.add_or_unknown("Guest stopped for", pause.map(text));
    let source = of_manifest.and_then(|capture| capture.pause_source);
    facts.add_some("Measured by", source.map(|source| text(measured_by(source))));
    let told = record.job_downtime_ms.or(of_manifest.and_then(|capture| capture.job_downtime_ms));
    facts.add_some("By the hypervisor’s own statistics", told.map(text));
    let instant = record.point_in_time.or(of_manifest.and_then(|capture| capture.point_in_time));
    facts.add_some("Memory as it was at", instant.map(Value::Instant));
    facts.add_some("Passes over the memory", record.iterations.map(|passes| text(grouped(passes))));
    facts.add_some("Guest changed meanwhile", record.dirty_bytes_per_s.map(|rate| text(format!("{rate}/s"))));
    facts.0
}

fn measured_by(source: PauseSource) -> &'static str {
    match source {
        PauseSource::HypervisorClock => "the hypervisor’s own clock",
        PauseSource::EventArrival => "the arrival of its events, which may be late",
    }
}

fn file(record: &Record, image: Option<&Inspection>, manifest: Option<&Manifest>) -> Vec<Fact> {
    let mut facts = Facts::default();
    facts.add_or_unknown("Path", record.dump_path.clone().map(Value::Copied));
    let stored = record.gzip_size_bytes.or(image.map(|image| image.stored_size_bytes));
    let raw = record.raw_size_bytes.or(image.map(|image| image.raw_size_bytes));
    facts.add_or_unknown("Stored size", stored.map(|bytes| text(in_full(bytes))));
    facts.add_or_unknown("Image size", raw.map(|bytes| text(in_full(bytes))));
    facts.add_some(
        "Compressed to",
        stored.zip(raw).filter(|(_, raw)| raw.0 > 0).map(|(stored, raw)| text(share(stored.0, raw.0))),
    );
    let format = record.format.as_deref().zip(record.codec.as_deref());
    facts.add_some("Format", format.map(|(format, codec)| text(format!("{} in {codec}", upper(format)))));
    facts.add_some(
        "Stored as a difference to",
        record.difference_of.as_ref().map(|base| Value::Code(base.to_string())),
    );
    if let Some(manifest) = manifest {
        let frames = manifest.frames;
        let (total, zero) = (grouped(frames.total), grouped(frames.zero));
        let size = manifest.frame_bytes;
        facts.add("Frames", text(format!("{total} of up to {size}; {zero} of zeroes only")));
        facts.add_some("Segments", lines(segments(manifest)));
    }
    let instant = |seconds: Option<i64>| {
        Timestamp::from_unix_micros(seconds?.checked_mul(1_000_000)?).ok().map(Value::Instant)
    };
    facts.add_some("File modified", instant(record.mtime));
    facts.add_some("File changed", instant(record.ctime));
    facts.add_some("File read", instant(record.atime));
    facts.0
}

fn hashes(record: &Record, manifest: Option<&Manifest>) -> Vec<Fact> {
    let mut facts = Facts::default();
    facts.add_or_unknown("SHA-256 of the image", record.sha256.clone().map(Value::Copied));
    if let Some(manifest) = manifest {
        if record.sha256.as_ref().is_some_and(|sha256| *sha256 != manifest.sha256) {
            facts.add("SHA-256 in the manifest, which differs", Value::Copied(manifest.sha256.clone()));
        }
        facts.add("SHA-256 of the stored file", Value::Copied(manifest.file_sha256.clone()));
    }
    match &record.manifest_sha256 {
        Some(sha256) => facts.add("SHA-256 of the manifest", Value::Copied(sha256.clone())),
        None if manifest.is_some() => {
            facts.add("SHA-256 of the manifest", text("not recorded by the version that took the dump"));
        }
        None => {}
    }
    if let Some(manifest) = manifest {
        let root = manifest.frame_digests.as_ref().map(|digests| digests.root.clone());
        let root = root.map_or_else(
            || text("none: stored by a version that made no digests, so it can only be checked as a whole"),
            Value::Copied,
        );
        facts.add("BLAKE3 root of the frames", root);
        let page_map = manifest.page_map.as_ref().map(|map| map.file_blake3.clone());
        facts.add_some("BLAKE3 of the page map", page_map.map(Value::Copied));
        let domain_xml = manifest.guest.domain_xml_sha256.clone();
        facts.add_some("SHA-256 of the domain XML", domain_xml.map(Value::Copied));
        facts.add_some("Signed", signed(manifest).map(text));
    }
    facts.0
}

/// By which key, and as which of its host's dumps; older versions did neither.
fn signed(manifest: &Manifest) -> Option<String> {
    let key = manifest.signed_by.as_ref().map(|key| format!("by key {key}"));
    let place = manifest.host_chain.as_ref();
    let place = place.map(|place| format!("number {} of this host’s dumps", grouped(place.number)));
    let why = manifest.unsigned_because.as_ref().map(ToString::to_string);
    let said: Vec<String> = [key, place, why].into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Why it was not taken as it was first tried.
pub fn fallback_of<'a>(record: &'a Record, manifest: Option<&'a Manifest>) -> Option<&'a Message> {
    let of_manifest = || manifest.and_then(|manifest| manifest.capture.fallback.as_ref());
    record.fallback.as_ref().or_else(of_manifest)
}

/// What a frozen dump would have and this image has not.
pub fn missing_of(manifest: Option<&Manifest>) -> &[String] {
    manifest.map_or(&[], |manifest| &manifest.capture.missing)
}

#[derive(Default)]
struct Facts(Vec<Fact>);

impl Facts {
    fn add(&mut self, name: &'static str, value: Value) {
        self.0.push(Fact { name: name.to_owned(), value });
    }

    fn add_some(&mut self, name: &'static str, value: Option<Value>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn add_or_unknown(&mut self, name: &'static str, value: Option<Value>) {
        self.add(name, value.unwrap_or(Value::Unknown));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "most values are made for this")]
fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

fn lines(lines: Vec<String>) -> Option<Value> {
    (!lines.is_empty()).then_some(Value::Lines(lines))
}

/// `28.9 MiB (30,303,444 bytes)`.
fn in_full(bytes: ByteCount) -> String {
    format!("{bytes} ({} bytes)", grouped(bytes.0))
}

fn upper(format: &str) -> String {
    format.to_ascii_uppercase()
}

fn what_mode(mode: CaptureMode) -> &'static str {
    match mode {
        CaptureMode::Live => "live: the guest ran while it was copied",
        CaptureMode::Frozen => "frozen: the guest was stopped while it was read",
    }
}

fn hypervisor(manifest: &Manifest) -> String {
    let hypervisor = &manifest.hypervisor;
    let versions = [("libvirt", &hypervisor.libvirt_version), ("QEMU", &hypervisor.qemu_version)];
    let versions = versions.into_iter().filter_map(|(name, version)| {
        let version = version.as_ref()?;
        // The hypervisor may name itself.
        Some(if version.starts_with(name) { version.clone() } else { format!("{name} {version}") })
    });
    [hypervisor.uri.clone()].into_iter().chain(versions).collect::<Vec<_>>().join(" · ")
}

/// How far the instants can be believed.
fn clock(clock: HostClock) -> String {
    let micros = |micros: u64| match micros {
        0..1_000 => format!("{micros} µs"),
        _ => Millis(micros.div_ceil(1_000)).to_string(),
    };
    match (clock.synchronised, clock.estimated_error_us, clock.maximum_error_us) {
        (Some(true), Some(estimated), Some(maximum)) => {
            format!("synchronised; off by about {}, at most {}", micros(estimated), micros(maximum))
        }
        (Some(true), _, _) => "synchronised".to_owned(),
        (Some(false), _, _) => "not known to be synchronised".to_owned(),
        (None, _, _) => "unknown: the kernel does not report it".to_owned(),
    }
}

/// As many as are read by people; the manifest has all of them.
const MOST_SEGMENTS: usize = 32;

fn segments(manifest: &Manifest) -> Vec<String> {
    let one = |segment: &Segment| {
        let size = segment.file_bytes;
        match segment.kind {
            SegmentKind::Load => format!("{size} at {}", segment.address),
            SegmentKind::Note => format!("{size} of notes"),
            SegmentKind::Other(kind) => format!("{size} of type {kind}"),
        }
    };
    let mut told: Vec<_> = manifest.segments.iter().take(MOST_SEGMENTS).map(one).collect();
    let more = manifest.segments.len().saturating_sub(MOST_SEGMENTS);
    if more > 0 {
        told.push(format!("and {more} more, in the manifest"));
    }
    told
}

#[cfg(test)]
mod tests;
