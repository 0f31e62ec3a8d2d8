//! `memdeck verify`

mod chain;
pub mod keys;
mod report;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use memdeck_image::{check_signature, check_time_stamp, compare_with_record, verify, verify_sample};
use memdeck_model::{
    Companion, Finding, Progress, RecordCheck, Sample, SignatureCheck, Verdict, VerifyReport,
};
use serde::Serialize;

use self::keys::Believed;
use self::report::Circumstances;

use super::named_image::{self, NamedImage};
use super::recorded::Recorded;
use super::{Exit, Failure, Output, with_causes};
use crate::cli::VerifyArgs;
use crate::config::Config;
use crate::node::clock;

/// What every stored image begins with.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const TEMPLATE: &str =
    "verifying {bar:40} {percent:>3}%  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}";

pub fn run(config: &Config, args: &VerifyArgs) -> Result<Exit, Failure> {
    let believed = Believed::of(config, &args.key)?;
    match (&args.chain, &args.image) {
        (Some(dir), _) => chain::check(config, dir, &believed, args.json),
        (None, Some(image)) => image_of(config, image, &believed, args),
        (None, None) => Err(Failure::usage("say which image to verify, or give --chain and a directory")),
    }
}

fn image_of(config: &Config, image: &Path, believed: &Believed, args: &VerifyArgs) -> Result<Exit, Failure> {
    let authorities = keys::authorities(config, &args.time_stamp_ca)?;
    let NamedImage { path, recorded } = named_image::find(config, image)?;
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
    check_signature(&mut report, &believed.keys);
    check_time_stamp(&mut report, &authorities);
    let unbelieved = believed.problem.as_deref();
    let mut output = Output::default();
    if args.json {
        let record_problem = unchecked.as_deref();
        output.json(&Told { report: &report, record_problem, key_problem: unbelieved })?;
    } else if let Some(reason) = no_image(&report) {
        output.line(format_args!("{} is no memdeck image: {reason}", report.path.display()))?;
    } else if args.report {
        let afterwards = match report.manifest.as_ref().map(|manifest| &manifest.dump_id) {
            Some(dump_id) => report::afterwards(config, dump_id),
            None => Err("without a manifest it is not known which dump it is".to_owned()),
        };
        let circumstances = Circumstances {
            made_at: clock().now(),
            unchecked: unchecked.as_deref(),
            unbelieved,
            afterwards: &afterwards,
        };
        output.text(report::of(&report, &circumstances))?;
    } else {
        output.text(told(&report, unchecked.as_deref(), unbelieved))?;
    }
    Ok(match report.verdict {
        // Whoever gives a key asks for a signature by it, and whoever gives an authority for its stamp.
        Verdict::Unconfirmed
            if (believed.keys.is_doubtful(&report.signature) && !args.key.is_empty())
                || (authorities.is_doubtful(&report.time_stamp) && !args.time_stamp_ca.is_empty()) =>
        {
            Exit::Failed
        }
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
    /// Why no key is believed.
    key_problem: Option<&'a str>,
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

fn told(report: &VerifyReport, unchecked: Option<&str>, unbelieved: Option<&str>) -> String {
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
    let [page_map, digests] = companions_in_words(report);
    line("page map", &page_map);
    line("digests", &digests);
    line("signature", &signature_in_words(report, unbelieved));
    line("time stamp", &report.time_stamp.to_string());
    if let Some(place) = manifest.and_then(|manifest| manifest.host_chain.as_ref()) {
        line("chain", &format!("number {} of {}", place.number, place.id));
    }
    line("record", &record_in_words(report, unchecked));
    text
}

/// The page map and the digests.
fn companions_in_words(report: &VerifyReport) -> [String; 2] {
    let manifest = report.manifest.as_ref();
    let pages = manifest.and_then(|manifest| manifest.page_map.as_ref()).map(|map| map.pages);
    let (of_pages, unread) = match (pages, report.sample) {
        (Some(pages), None) => (format!(", {} pages, {} of them zero", pages.total, pages.zero), ""),
        (_, Some(_)) => (String::new(), "; its entries were not compared with the image"),
        (None, None) => (String::new(), ""),
    };
    let root = manifest.and_then(|manifest| manifest.frame_digests.as_ref()).map(|digests| &digests.root);
    let root = root.map(|root| format!(", BLAKE3 root {root}")).unwrap_or_default();
    [
        in_words(report.page_map, manifest.is_some(), &format!("{of_pages}{unread}")),
        in_words(report.frame_digests, manifest.is_some(), &root),
    ]
}

fn signature_in_words(report: &VerifyReport, unbelieved: Option<&str>) -> String {
    match (&report.signature, unbelieved) {
        (SignatureCheck::UnknownKey { key }, Some(why)) => {
            format!("by key {key}: without its public key it was not checked ({why})")
        }
        (found, _) => found.to_string(),
    }
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
