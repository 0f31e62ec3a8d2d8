//! `memdeck export`

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Exit, Failure, with_causes};
use crate::cli::ExportArgs;

pub fn run(args: &ExportArgs) -> Result<Exit, Failure> {
    if args.output == Path::new("-") {
        let mut out = io::stdout().lock();
        memdeck_image::export(&args.file, &mut out).map_err(|error| Failure::new(with_causes(&error)))?;
        out.flush().map_err(|error| Failure::new(format!("standard output: {error}")))?;
        return Ok(Exit::Done);
    }
    let shown = args.output.display();
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.output)
        .map_err(|error| Failure::new(format!("cannot create {shown}: {error}")))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let written = memdeck_image::export(&args.file, &mut out).map_err(|error| with_causes(&error));
    let written = written.and_then(|exported| {
        let file = out.into_inner().map_err(|error| format!("cannot write {shown}: {error}"))?;
        file.sync_all().map_err(|error| format!("cannot write {shown}: {error}"))?;
        Ok(exported)
    });
    match written {
        Ok(exported) => {
            eprintln!("wrote {} to {shown}, SHA-256 {}", exported.raw_size, exported.sha256);
            if !exported.confirmed {
                eprintln!("memdeck: there is no manifest beside the image that would confirm it");
            }
            Ok(Exit::Done)
        }
        Err(message) => {
            // Half an image must not be taken for one.
            let _ = std::fs::remove_file(&args.output);
            Err(Failure::new(message))
        }
    }
}
