//! `memdeck export`

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use memdeck_image::{Effort, Exported, ImageExport, ReadError, Segment, SparseFile};
use rustix::fs::{CWD, RenameFlags};
use serde_json::json;

use super::output::say;
use super::recorded::{self, Recorded};
use super::{Exit, Failure, Output, with_causes};
use crate::cli::ExportArgs;
use crate::config::Config;

/// What a file is called until it is whole.
const PARTIAL_SUFFIX: &str = ".partial";

pub fn run(config: &Config, args: &ExportArgs) -> Result<Exit, Failure> {
    if args.output == Path::new("-") { to_standard_output(config, args) } else { to_file(config, args) }
}

fn to_standard_output(config: &Config, args: &ExportArgs) -> Result<Exit, Failure> {
    if args.json {
        return Err(Failure::usage(
            "with an export to standard output there is no place for --json: name a file with -o",
        ));
    }
    if io::stdout().is_terminal() {
        return Err(Failure::usage("an image is nothing for a terminal: name a file with -o, or redirect"));
    }
    let export = open(config, args)?;
    // Without the buffer of `stdout`, which ends lines that are none.
    let out = io::stdout().lock();
    let mut out =
        File::from(rustix::io::dup(&out).map_err(|error| Failure::new(format!("standard output: {error}")))?);
    let exported = match export.write_from(args.offset, Effort::AllCores, &mut out) {
        // Whoever read it has enough.
        Err(ReadError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(Exit::ReaderGone);
        }
        exported => exported.map_err(|error| failed(&error))?,
    };
    tell_omitted(export.omitted());
    tell_unconfirmed(args, &exported);
    Ok(Exit::Done)
}

fn to_file(config: &Config, args: &ExportArgs) -> Result<Exit, Failure> {
    let shown = args.output.display();
    let cannot = |what: &str, error: &io::Error| Failure::new(format!("cannot {what} {shown}: {error}"));
    if args.output.symlink_metadata().is_ok() {
        return Err(cannot("create", &io::ErrorKind::AlreadyExists.into()));
    }
    let partial = Partial::create(&args.output)?;
    let export = open(config, args)?;
    let mut out = SparseFile::new(partial.file.try_clone().map_err(|error| cannot("write", &error))?);
    let exported =
        export.write_from(args.offset, Effort::AllCores, &mut out).map_err(|error| failed(&error))?;
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
    tell_unconfirmed(args, &exported);
    Ok(Exit::Done)
}

fn open(config: &Config, args: &ExportArgs) -> Result<ImageExport, Failure> {
    let export = match recorded::of(config, &args.file) {
        Recorded::By(record) => ImageExport::open_recorded(&args.file, args.format, &record),
        Recorded::Unknown(_) => ImageExport::open(&args.file, args.format),
    };
    let export = export.map_err(|error| failed(&error))?;
    if export.manifest().is_some() && !export.frames_are_checked() {
        say(format_args!(
            "memdeck: {} was stored without digests: it can only be checked as a whole (memdeck verify)",
            args.file.display()
        ));
    }
    Ok(export)
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

fn tell_unconfirmed(args: &ExportArgs, exported: &Exported) {
    if exported.sha256.is_some() && !exported.confirmed {
        say(format_args!(
            "memdeck: there is no manifest beside {} that would confirm it",
            args.file.display()
        ));
    }
}

/// A file that is removed unless it was kept; where memdeck is killed, its name says what it is.
struct Partial {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Partial {
    fn create(output: &Path) -> Result<Self, Failure> {
        let mut path = output.as_os_str().to_owned();
        path.push(PARTIAL_SUFFIX);
        let path = PathBuf::from(path);
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = created.map_err(|error| {
            let advice = if error.kind() == io::ErrorKind::AlreadyExists {
                "; another export writes it, or one was cut off: then remove it"
            } else {
                ""
            };
            Failure::new(format!("cannot create {}: {error}{advice}", path.display()))
        })?;
        Ok(Self { path, file, kept: false })
    }

    /// Gives the file its name, unless somebody else has taken it in the meantime, and makes the name durable. The file
    /// itself must be durable already.
    fn keep(mut self, output: &Path) -> Result<(), Failure> {
        let renamed = match rustix::fs::renameat_with(CWD, &self.path, CWD, output, RenameFlags::NOREPLACE) {
            // Not every file system can do that.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                std::fs::hard_link(&self.path, output).and_then(|()| std::fs::remove_file(&self.path))
            }
            other => other.map_err(io::Error::from),
        };
        renamed.map_err(|error| Failure::new(format!("cannot create {}: {error}", output.display())))?;
        self.kept = true;
        let directory =
            output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| {
            let (output, directory) = (output.display(), directory.display());
            Failure::new(format!(
                "{output} is written, but may be gone after a power failure: {directory} cannot be made durable: {error}"
            ))
        })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody is left to tell; what stays says by its name that it is not whole.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
