//! `memdeck verify`

use indicatif::{ProgressBar, ProgressStyle};
use memdeck_image::{Verdict, VerifyReport};

use super::{Exit, Failure, with_causes};
use crate::cli::VerifyArgs;

const TEMPLATE: &str =
    "verifying {bar:40} {percent:>3}%  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}";

pub fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    bar.set_style(ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let report = memdeck_image::verify(&args.file, &mut |progress| {
        bar.set_length(progress.bytes_expected.0);
        bar.set_position(progress.bytes_done.0);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| Failure::new(with_causes(&error)))?;
    if args.json {
        let json = serde_json::to_string(&report).map_err(|error| Failure::new(error.to_string()))?;
        println!("{json}");
    } else {
        print_report(&report);
    }
    Ok(match report.verdict {
        Verdict::Intact | Verdict::Unconfirmed => Exit::Done,
        Verdict::Damaged => Exit::Damaged,
    })
}

fn print_report(report: &VerifyReport) {
    println!("{}: {}", report.path.display(), report.verdict);
    for finding in &report.findings {
        println!("  - {finding}");
    }
    if let Some(manifest) = &report.manifest {
        println!("  guest        {} ({})", manifest.guest.name, manifest.guest.uuid);
        println!("  taken        {}", manifest.started_at);
    }
    if let Some((size, sha256)) = report.raw_size.zip(report.sha256.as_ref()) {
        println!("  image        {size}, SHA-256 {sha256}");
    }
    println!("  stored file  {}, SHA-256 {}", report.stored_size, report.file_sha256);
}
