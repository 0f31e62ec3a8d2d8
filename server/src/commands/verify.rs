//! `memdeck verify`

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use indicatif::{ProgressBar, ProgressStyle};
use memdeck_image::{compare_with_record, verify, verify_sample};
use memdeck_model::{Companion, Finding, Progress, RecordCheck, Sample, Verdict, VerifyReport};
use serde::Serialize;

use super::named_image::{self, NamedImage};
use super::recorded::Recorded;
use super::{Exit, Failure, Output, with_causes};
use crate::cli::VerifyArgs;
use crate::config::Config;

/// What every stored image begins with.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const TEMPLATE: &str =
    "verifying {bar:40} {percent:>3}%  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}";

pub fn run(config: &Config, args: &VerifyArgs) -> Result<Exit, Failure> {
    let NamedImage { path, recorded } = named_image::find(config, &args.image)?;
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    bar.set_style(ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut observer = |progress: Progress| {
        bar.set_length(progress.bytes_expected.0);
        bar.set_position(progress.bytes_done.0);
    };
    let report = match args.sample {
        Some(frames) => verify_sample(&path, frames, &mut observer),
        None => verify(&path, &mut observer),
    };
    bar.finish_and_clear();
    let mut report = report.map_err(|error| Failure::new(with_causes(&error)))?;
    let unchecked = match recorded {
        Recorded::By(record) => {
            compare_with_record(&mut report, &record);
            None
        }
        Recorded::Unknown(why) => Some(why),
    };
    let mut output = Output::default();
    if args.json {
        output.json(&Told { report: &report, record_problem: unchecked.as_deref() })?;
    } else if let Some(reason) = no_image(&report) {
        output.line(format_args!("{} is no memdeck image: {reason}", report.path.display()))?;
    } else {
        output.text(told(&report, unchecked.as_deref()))?;
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

/// Why the file is none, where nothing about it is of an image: neither its beginning nor its end, and no manifest.
fn no_image(report: &VerifyReport) -> Option<String> {
    let no_table = report.findings.iter().find(|finding| matches!(finding, Finding::SeekTable { .. }))?;
    let no_manifest =
        report.findings.iter().find(|finding| matches!(finding, Finding::ManifestMissing { .. }))?;
    let mut beginning = [0; ZSTD_MAGIC.len()];
    let is_read = File::open(&report.path).and_then(|mut file| file.read_exact(&mut beginning));
    let is_zstd = is_read.is_ok() && beginning == ZSTD_MAGIC;
    (!is_zstd).then(|| format!("it does not begin as zstd does; {no_table}; {no_manifest}"))
}

fn told(report: &VerifyReport, unchecked: Option<&str>) -> String {
    let mut text = format!("{}: {}\n", report.path.display(), report.verdict);
    for finding in &report.findings {
        let _ = writeln!(text, "  - {finding}");
    }
    // Writing to a string does not fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<11}  {value}");
    };
    let manifest = report.manifest.as_ref();
    if let Some(manifest) = manifest {
        line("guest", &format!("{} ({})", manifest.guest.name, manifest.guest.uuid));
        line("taken", &manifest.started_at.to_string());
    }
    if let Some(Sample { frames, compared, of }) = report.sample {
        line("sample", &format!("{frames} of {of} frames were read; damage in the others would not be seen"));
        if compared < frames {
            line("", &format!("{} of them have no digest to compare with", frames - compared));
        }
    }
    let hash = |sha256: &Option<String>| {
        sha256.as_ref().map_or_else(String::new, |sha256| format!(", SHA-256 {sha256}"))
    };
    if let Some(size) = report.raw_size {
        line("image", &format!("{size}{}", hash(&report.sha256)));
    }
    line("stored file", &format!("{}{}", report.stored_size, hash(&report.file_sha256)));
    let pages = manifest.and_then(|manifest| manifest.page_map.as_ref()).map(|map| map.pages);
    let (of_pages, unread) = match (pages, report.sample) {
        (Some(pages), None) => (format!(", {} pages, {} of them zero", pages.total, pages.zero), ""),
        (_, Some(_)) => (String::new(), "; its entries were not compared with the image"),
        (None, None) => (String::new(), ""),
    };
    let has_manifest = manifest.is_some();
    line("page map", &in_words(report.page_map, has_manifest, &format!("{of_pages}{unread}")));
    let root = manifest.and_then(|manifest| manifest.frame_digests.as_ref()).map(|digests| &digests.root);
    let root = root.map(|root| format!(", BLAKE3 root {root}")).unwrap_or_default();
    line("digests", &in_words(report.frame_digests, has_manifest, &root));
    line("record", &record_in_words(report, unchecked));
    text
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

fn in_words(companion: Companion, has_manifest: bool, intact: &str) -> String {
    match companion {
        // Without a manifest nobody knows whether there was one.
        Companion::None if !has_manifest => "none".to_owned(),
        Companion::None => "none: the image was stored by a version that made none".to_owned(),
        Companion::Missing => "missing".to_owned(),
        Companion::Damaged => "damaged".to_owned(),
        Companion::Intact => format!("intact{intact}"),
    }
}
