//! `memdeck export`

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use memdeck_image::{Effort, ExportSink, Exported, ImageExport, ReadError, Segment, SparseFile};
use memdeck_model::ByteCount;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditResult, SentPart};
use serde_json::json;

use super::named_image::{self, NamedImage};
use super::output::say;
use super::partial_file::PartialFile;
use super::taking::{self, Taking};
use super::{Exit, Failure, Output, with_causes};
use crate::cli::ExportArgs;
use crate::config::Config;

pub fn run(config: &Config, args: &ExportArgs) -> Result<Exit, Failure> {
    let image = named_image::find(config, &args.image)?;
    if args.output == Path::new("-") {
        to_standard_output(config, &image, args)
    } else {
        to_file(config, &image, args)
    }
}

fn to_standard_output(config: &Config, image: &NamedImage, args: &ExportArgs) -> Result<Exit, Failure> {
    if args.json {
        return Err(Failure::usage(
            "with an export to standard output there is no place for --json: name a file with -o",
        ));
    }
    if io::stdout().is_terminal() {
        return Err(Failure::usage("an image is nothing for a terminal: name a file with -o, or redirect"));
    }
    let export = open(image, args)?;
    // Without the buffer of `stdout`, which ends lines that are none.
    let out = io::stdout().lock();
    let mut out =
        File::from(rustix::io::dup(&out).map_err(|error| Failure::new(format!("standard output: {error}")))?);
    let exported = match write(config, image, &export, args, &mut out)? {
        // Its reader has enough.
        Err(ReadError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(Exit::ReaderGone);
        }
        exported => exported.map_err(|error| failed(&error))?,
    };
    tell_omitted(export.omitted());
    tell_unconfirmed(image, &exported);
    Ok(Exit::Done)
}

fn to_file(config: &Config, image: &NamedImage, args: &ExportArgs) -> Result<Exit, Failure> {
    let shown = args.output.display();
    let cannot = |what: &str, error: &io::Error| Failure::new(format!("cannot {what} {shown}: {error}"));
    if args.output.symlink_metadata().is_ok() {
        return Err(cannot("create", &io::ErrorKind::AlreadyExists.into()));
    }
    let partial = PartialFile::create(&args.output)?;
    let export = open(image, args)?;
    let mut out = SparseFile::new(partial.file.try_clone().map_err(|error| cannot("write", &error))?);
    let exported = write(config, image, &export, args, &mut out)?.map_err(|error| failed(&error))?;
    out.finish().map_err(|error| cannot("write", &error))?;
    partial.keep(&args.output)?;
    if args.json {
        Output::default().json(&json!({
            "path": args.output,
            "format": export.format(),
            "size_bytes": exported.size,
            "sha256": exported.sha256,
            "confirmed": exported.confirmed,
            "omitted": export.omitted(),
        }))?;
        return Ok(Exit::Done);
    }
    let hash = exported.sha256.as_ref().map_or_else(String::new, |sha256| format!(", SHA-256 {sha256}"));
    say(format_args!("wrote {} to {shown}{hash}", exported.size));
    tell_omitted(export.omitted());
    tell_unconfirmed(image, &exported);
    Ok(Exit::Done)
}

fn open(image: &NamedImage, args: &ExportArgs) -> Result<ImageExport, Failure> {
    let export = match image.record() {
        Some(record) => ImageExport::open_recorded(&image.path, args.format, record),
        None => ImageExport::open(&image.path, args.format),
    };
    let export = export.map_err(|error| failed(&error))?;
    if export.manifest().is_some() && !export.frames_are_checked() {
        say(format_args!(
            "memdeck: {} was stored without digests: it can only be checked as a whole (memdeck verify)",
            image.path.display()
        ));
    }
    Ok(export)
}

/// Writes the export. That it begins, how it ended and how many bytes were written is noted.
fn write(
    config: &Config,
    image: &NamedImage,
    export: &ImageExport,
    args: &ExportArgs,
    out: &mut impl ExportSink,
) -> Result<Result<Exported, ReadError>, Failure> {
    let part = export.length().map(|length| SentPart { start: args.offset, end: length.0 });
    let asked = AuditDetails {
        part: part.filter(|part| (1..=part.end).contains(&part.start)),
        ..taking::by("export", Some(args.format.as_str()))
    };
    let taking = Taking::begin(config, &[image], AuditAction::ImageRead, asked)?;
    let mut counted = Counted { out, bytes: 0 };
    let exported = export.write_from(args.offset, Effort::AllCores, &mut counted);
    let (result, details) = match &exported {
        Ok(_) => (AuditResult::Succeeded, AuditDetails::default()),
        Err(ReadError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            (AuditResult::CutOff, AuditDetails::default())
        }
        Err(error) => (AuditResult::Failed, AuditDetails::because(with_causes(error))),
    };
    taking.end(result, &AuditDetails { bytes: Some(ByteCount(counted.bytes)), ..details });
    Ok(exported)
}

/// Counts what goes out.
struct Counted<'a, S> {
    out: &'a mut S,
    bytes: u64,
}

impl<S: ExportSink> ExportSink for Counted<'_, S> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.bytes(bytes)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn zeroes(&mut self, count: u64) -> io::Result<()> {
        self.out.zeroes(count)?;
        self.bytes = self.bytes.saturating_add(count);
        Ok(())
    }
}

fn failed(error: &ReadError) -> Failure {
    match error {
        ReadError::Offset { .. } | ReadError::Sequential(_) => Failure::usage(with_causes(error)),
        _ => Failure::new(with_causes(error)),
    }
}

fn tell_omitted(omitted: &[Segment]) {
    for part in omitted {
        say(format_args!(
            "left out {} at {:#x}: firmware or device memory, which is no RAM; --format elf has it",
            part.file_bytes, part.address.0
        ));
    }
}

fn tell_unconfirmed(image: &NamedImage, exported: &Exported) {
    if exported.sha256.is_some() && !exported.confirmed {
        say(format_args!(
            "memdeck: there is no manifest beside {} that would confirm it",
            image.path.display()
        ));
    }
}
