//! `memdeck inspect`

use std::fmt::Write as _;

use memdeck_model::{ExportFacts, Inspection, Manifest, NoteFacts, Segment, SegmentKind};

use super::named_image;
use super::{Exit, Failure, Output, with_causes};
use crate::cli::InspectArgs;
use crate::config::Config;

/// Segments that are listed; a guest has a handful.
const MAX_LISTED: usize = 64;

pub fn run(config: &Config, args: &InspectArgs) -> Result<Exit, Failure> {
    let image = named_image::find(config, &args.image)?;
    let seen = match image.record() {
        Some(record) => memdeck_image::inspect_recorded(&image.path, record),
        None => memdeck_image::inspect(&image.path),
    };
    let seen = seen.map_err(|error| Failure::new(with_causes(&error)))?;
    let mut output = Output::default();
    if args.json {
        output.json(&seen)?;
    } else {
        output.text(told(&seen))?;
    }
    Ok(Exit::Done)
}

fn told(seen: &Inspection) -> String {
    let mut text = format!("{}\n", seen.path.display());
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<11}  {value}");
    };
    match &seen.manifest {
        Some(manifest) => tell_manifest(manifest, &mut line),
        None => line("manifest", seen.manifest_problem.as_deref().unwrap_or("none")),
    }
    line("image", &format!("{}, {} of it guest memory", seen.raw_size_bytes, seen.memory_bytes));
    line(
        "stored",
        &format!("{}, {:.1} % of the image", seen.stored_size_bytes, seen.compression_ratio * 100.0),
    );
    let zero = seen.zero_frames.map_or_else(String::new, |zero| format!(", {zero} of zeroes only"));
    line("frames", &format!("{} of {}{zero}", seen.frames, seen.frame_bytes));
    line("cpus", &seen.cpus.to_string());
    for segment in seen.segments.iter().take(MAX_LISTED) {
        line("segment", &told_segment(segment));
    }
    if let Some(more @ 1..) = seen.segments.len().checked_sub(MAX_LISTED) {
        line("segment", &format!("and {more} more"));
    }
    for (note, count) in kinds(&seen.notes) {
        let name = note.name.as_deref().map_or_else(|| format!("type {}", note.kind), str::to_owned);
        line("notes", &format!("{count} × {} {name}, {} bytes", note.owner, note.size_bytes.0));
    }
    for export in &seen.exports {
        line("as", &told_export(export));
    }
    if let Some(info) = &seen.vmcoreinfo {
        // Offsets within the kernel's structures are for programs, which read the JSON.
        let (structures, facts): (Vec<&str>, Vec<&str>) = info.lines().partition(|line| line.contains(")="));
        for fact in facts {
            line("vmcoreinfo", fact);
        }
        line("vmcoreinfo", &format!("and {} lines for debuggers (--json shows them)", structures.len()));
    }
    text
}

fn tell_manifest(manifest: &Manifest, line: &mut impl FnMut(&str, &str)) {
    let facts = &manifest.capture;
    line("dump", manifest.dump_id.as_str());
    line(
        "guest",
        &format!("{} ({}), {}", manifest.guest.name, manifest.guest.uuid, manifest.guest.memory_bytes),
    );
    line("host", &format!("{}, {}", manifest.host, manifest.hypervisor.uri));
    let versions =
        [("libvirt", &manifest.hypervisor.libvirt_version), ("QEMU", &manifest.hypervisor.qemu_version)];
    for (name, version) in versions {
        if let Some(version) = version {
            line(name, version);
        }
    }
    let pause = manifest.pause_ms.map_or_else(String::new, |pause| format!(", guest stopped for {pause}"));
    line("taken", &format!("{}, {}{pause}", manifest.started_at, manifest.mode.as_str()));
    line("by", &format!("{}, memdeck {}", manifest.asked_by(), manifest.memdeck_version));
    if let Some(at) = facts.point_in_time {
        line("shows", &format!("the memory as it was at {at}"));
    }
    if let Some(reason) = &facts.fallback {
        line("fallback", &reason.to_string());
    }
    if facts.encrypted {
        line("encrypted", "the image is ciphertext");
    }
    for block in &facts.omitted {
        line("not taken", &format!("{}, {}", block.name, block.bytes));
    }
    for missing in &facts.missing {
        line("missing", missing);
    }
    for (name, remark) in [("case", &manifest.case), ("note", &manifest.note)] {
        if let Some(remark) = remark {
            line(name, remark.as_str());
        }
    }
    line("sha256", &manifest.sha256);
}

fn told_segment(segment: &Segment) -> String {
    let kind = match segment.kind {
        SegmentKind::Load => "memory".to_owned(),
        SegmentKind::Note => "notes".to_owned(),
        SegmentKind::Other(kind) => format!("type {kind:#x}"),
    };
    let place = if segment.kind == SegmentKind::Load {
        format!(" at guest-physical {:#x}", segment.address.0)
    } else {
        String::new()
    };
    let rest = segment.memory_bytes.0.saturating_sub(segment.file_bytes.0);
    let rest = if segment.kind == SegmentKind::Load && rest > 0 {
        format!(", {rest} bytes more in the guest")
    } else {
        String::new()
    };
    format!("{kind}{place}, {} bytes, image offset {}{rest}", segment.file_bytes.0, segment.offset_bytes.0)
}

/// The notes, those alike counted: there are two for every CPU.
fn kinds(notes: &[NoteFacts]) -> Vec<(&NoteFacts, usize)> {
    let mut kinds: Vec<(&NoteFacts, usize)> = Vec::new();
    for note in notes {
        match kinds.iter_mut().find(|(known, _)| *known == note) {
            Some((_, count)) => *count += 1,
            None => kinds.push((note, 1)),
        }
    }
    kinds
}

fn told_export(export: &ExportFacts) -> String {
    if let Some(problem) = &export.problem {
        return format!("{}: not possible: {problem}", export.format);
    }
    let size = export
        .size_bytes
        .map_or_else(|| "size not known before it is made".to_owned(), |size| format!("{} bytes", size.0));
    let omitted: Vec<String> =
        export.omitted.iter().map(|part| format!("{} at {:#x}", part.file_bytes, part.address.0)).collect();
    let omitted =
        if omitted.is_empty() { String::new() } else { format!("; leaves out {}", omitted.join(", ")) };
    format!("{}: {size}{omitted}", export.format)
}
