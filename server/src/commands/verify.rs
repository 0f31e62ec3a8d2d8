//! `memdeck verify`

use indicatif::{ProgressBar, ProgressStyle};
use memdeck_image::{Companion, RecordCheck, Sample, Verdict, VerifyReport, verify, verify_sample};
use memdeck_model::Progress;
use serde::Serialize;

use super::recorded::{self, Recorded};
use super::{Exit, Failure, with_causes};
use crate::cli::VerifyArgs;
use crate::config::Config;

const TEMPLATE: &str =
    "verifying {bar:40} {percent:>3}%  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}";

pub fn run(config: &Config, args: &VerifyArgs) -> Result<Exit, Failure> {
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    bar.set_style(ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut observer = |progress: Progress| {
        bar.set_length(progress.bytes_expected.0);
        bar.set_position(progress.bytes_done.0);
    };
    let report = match args.sample {
        Some(frames) => verify_sample(&args.file, frames, &mut observer),
        None => verify(&args.file, &mut observer),
    };
    bar.finish_and_clear();
    let mut report = report.map_err(|error| Failure::new(with_causes(&error)))?;
    let unchecked = match recorded::of(config, &args.file) {
        Recorded::By(record) => {
            report.hold_against(&record);
            None
        }
        Recorded::Unknown(why) => Some(why),
    };
    if args.json {
        let told = Told { report: &report, record_problem: unchecked.as_deref() };
        let json = serde_json::to_string(&told).map_err(|error| Failure::new(error.to_string()))?;
        println!("{json}");
    } else {
        print_report(&report, unchecked.as_deref());
    }
    Ok(match report.verdict {
        Verdict::Intact | Verdict::Sampled | Verdict::Unconfirmed => Exit::Done,
        Verdict::Damaged => Exit::Damaged,
    })
}

/// The report as JSON.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a VerifyReport,
    /// Why the image was not compared with a record.
    record_problem: Option<&'a str>,
}

fn print_report(report: &VerifyReport, unchecked: Option<&str>) {
    println!("{}: {}", report.path.display(), report.verdict);
    for finding in &report.findings {
        println!("  - {finding}");
    }
    if let Some(manifest) = &report.manifest {
        println!("  guest        {} ({})", manifest.guest.name, manifest.guest.uuid);
        println!("  taken        {}", manifest.started_at);
    }
    if let Some(Sample { frames, compared, of }) = report.sample {
        println!("  sample       {frames} of {of} frames were read; damage in the others would not be seen");
        if compared < frames {
            println!("               {} of them have no digest to compare with", frames - compared);
        }
    }
    match (report.raw_size, &report.sha256) {
        (Some(size), Some(sha256)) => println!("  image        {size}, SHA-256 {sha256}"),
        (Some(size), None) => println!("  image        {size}"),
        (None, _) => {}
    }
    match &report.file_sha256 {
        Some(sha256) => println!("  stored file  {}, SHA-256 {sha256}", report.stored_size),
        None => println!("  stored file  {}", report.stored_size),
    }
    let manifest = report.manifest.as_ref();
    let pages = manifest.and_then(|manifest| manifest.page_map.as_ref()).map(|map| map.pages);
    let (of_pages, unread) = match (pages, report.sample) {
        (Some(pages), None) => (format!(", {} pages, {} of them zero", pages.total, pages.zero), ""),
        (_, Some(_)) => (String::new(), "; its entries were not compared with the image"),
        (None, None) => (String::new(), ""),
    };
    println!("  page map     {}", in_words(report.page_map, &format!("{of_pages}{unread}")));
    let root = manifest.and_then(|manifest| manifest.frame_digests.as_ref()).map(|digests| &digests.root);
    let root = root.map(|root| format!(", BLAKE3 root {root}")).unwrap_or_default();
    println!("  digests      {}", in_words(report.frame_digests, &root));
    println!("  record       {}", record_in_words(report, unchecked));
}

fn record_in_words(report: &VerifyReport, unchecked: Option<&str>) -> String {
    let sha256 = report.manifest_sha256.as_deref().unwrap_or("unknown");
    match report.record {
        RecordCheck::NotChecked => format!(
            "without the catalog, whether these are the files of this dump was not checked ({})",
            unchecked.unwrap_or("no record")
        ),
        RecordCheck::Agrees => format!("agrees, manifest SHA-256 {sha256}"),
        RecordCheck::AgreesWithoutManifest => {
            "agrees as far as it goes: the version that took the dump did not \
             record the manifest's hash, so what only the manifest says was not checked"
                .to_owned()
        }
        RecordCheck::Rebuilt => format!(
            "agrees, but was made anew from this manifest when the catalog had lost it (manifest SHA-256 {sha256})"
        ),
        RecordCheck::Differs => "differs".to_owned(),
    }
}

fn in_words(companion: Companion, intact: &str) -> String {
    match companion {
        Companion::None => "none: the image was stored by a version that made none".to_owned(),
        Companion::Missing => "missing".to_owned(),
        Companion::Damaged => "damaged".to_owned(),
        Companion::Intact => format!("intact{intact}"),
    }
}
