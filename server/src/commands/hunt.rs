//! `memdeck hunt`

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditResult};
use memdeck_model::{HuntHit, HuntProgress, HuntReport, HuntedDump, MappedMemory, MemoryOwners, PatternKind};
use memdeck_operations::blocking;
use memdeck_study::hunt::{HuntedImage, Pattern, PatternOptions, PatternSet, Watcher, hunt};
use memdeck_study::inside::kept_beside;
use serde::Serialize;

use super::named_image::{self, MOST_IMAGES, NamedImage, open_catalog};
use super::output::say;
use super::recorded::Recorded;
use super::taking::{self, Taking};
use super::{Exit, Failure, Output, with_causes};
use crate::cli::HuntArgs;
use crate::config::Config;
use crate::http::hunts_csv::told_owners;

/// A list of indicators may have so many bytes.
const MOST_LIST_BYTES: u64 = 16 << 20;
const TEMPLATE: &str =
    "hunting {bar:40} {percent:>3}%  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}";
const COLUMNS: [&str; 9] =
    ["vm", "taken_at", "dump_id", "address", "bytes", "pattern", "around_address", "around", "processes"];

pub async fn run(config: &Config, args: &HuntArgs) -> Result<Exit, Failure> {
    let patterns = patterns(args)?;
    let images = images(config, args)?;
    let to_read: Vec<&NamedImage> = images.iter().collect();
    let taking = Taking::begin(config, &to_read, AuditAction::ImageSearched, taking::by("hunt", None))?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_stopped);
    let interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
    let stopped = Arc::clone(&is_stopped);
    let mut shown = Shown::new(args, stopped);
    let limit = args.limit;
    let count = images.len();
    let (report, shown) = blocking(move || {
        let images: Vec<_> =
            images.iter().map(|image| HuntedImage { path: &image.path, record: image.record() }).collect();
        let report = hunt(&images, &patterns, limit, &mut shown);
        shown.owners = owners(&images, &shown.hits);
        (report, shown)
    })
    .await;
    interrupt.abort();
    let has_problems = report.dumps.iter().any(|dump| dump.problem.is_some());
    let was_stopped = is_stopped.load(Ordering::Relaxed);
    taking.end_each(ends(&report, count, was_stopped));
    shown.finish(&report)?;
    Ok(match (was_stopped, has_problems) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    })
}

/// How the search in each of so many images ended. The report has those that it came to, in their order.
fn ends(report: &HuntReport, count: usize, was_stopped: bool) -> Vec<(AuditResult, AuditDetails)> {
    let of = |dump: Option<&HuntedDump>| {
        let Some(dump) = dump else {
            let why = AuditDetails::because("the hunt ended before it came to this image");
            return (if was_stopped { AuditResult::Cancelled } else { AuditResult::Unchanged }, why);
        };
        let result = match (&dump.problem, was_stopped) {
            (Some(_), _) => AuditResult::Failed,
            (None, true) => AuditResult::Cancelled,
            (None, false) => AuditResult::Succeeded,
        };
        let details = dump.problem.as_ref().map(AuditDetails::because).unwrap_or_default();
        let hits = Some(dump.hits).filter(|hits| *hits > 0);
        (result, AuditDetails { bytes: Some(dump.searched_bytes), count: hits, ..details })
    };
    (0..count).map(|place| of(report.dumps.get(place))).collect()
}

fn patterns(args: &HuntArgs) -> Result<PatternSet, Failure> {
    let kind = match (args.regex, args.hex, args.page) {
        (true, ..) => PatternKind::Regex,
        (_, true, _) => PatternKind::Bytes,
        (.., true) => PatternKind::Page,
        _ => PatternKind::Text,
    };
    let mut texts = args.patterns.clone();
    for file in &args.file {
        texts.extend(listed(file)?);
    }
    let patterns = texts.into_iter().map(|text| Pattern { text, kind }).collect();
    let options = PatternOptions { utf16: args.utf16, ignore_case: args.ignore_case };
    PatternSet::new(patterns, options).map_err(|error| Failure::usage(error.to_string()))
}

/// The indicators of a list: one on each line; empty ones and those that begin with `#` do not count.
fn listed(path: &Path) -> Result<Vec<String>, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{} cannot be read: {error}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let count = file.take(MOST_LIST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(count).unwrap_or(u64::MAX) > MOST_LIST_BYTES {
        return Err(Failure::usage(format!("{} is longer than 16 MiB", path.display())));
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

fn images(config: &Config, args: &HuntArgs) -> Result<Vec<NamedImage>, Failure> {
    if !args.all {
        return args.images.iter().map(|name| named_image::find(config, name)).collect();
    }
    let failed = |error: String| {
        Failure::new(format!("the catalog in {} cannot be used: {error}", config.state_dir.display()))
    };
    let catalog = open_catalog(config).map_err(failed)?;
    let records = catalog.kept_images(None, MOST_IMAGES).map_err(|error| failed(with_causes(&error)))?;
    let image = |record: memdeck_model::Record| {
        let path = record.dump_path.as_deref().map(std::path::PathBuf::from)?;
        Some(NamedImage { path, recorded: Recorded::By(Box::new(record)) })
    };
    let images: Vec<_> = records.into_iter().filter_map(image).collect();
    if images.is_empty() {
        return Err(Failure::new("there is no image in the catalog to look into"));
    }
    Ok(images)
}

/// How hits are shown, and when it is over.
struct Shown {
    bar: ProgressBar,
    form: Form,
    output: Output,
    is_stopped: Arc<AtomicBool>,
    hits: Vec<HuntHit>,
    /// Of each hit, whose its place is.
    owners: Vec<Option<MemoryOwners>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Csv,
}

impl Shown {
    fn new(args: &HuntArgs, is_stopped: Arc<AtomicBool>) -> Self {
        let form = match (args.json, args.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Text,
        };
        let bar = if form == Form::Json { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let style = ProgressStyle::with_template(TEMPLATE);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, form, output: Output::default(), is_stopped, hits: Vec::new(), owners: Vec::new() }
    }

    /// Each hit, and whose its place is.
    fn found(&self) -> impl Iterator<Item = (&HuntHit, Option<&MemoryOwners>)> {
        self.hits.iter().zip(self.owners.iter().map(Option::as_ref).chain(std::iter::repeat(None)))
    }

    fn finish(mut self, report: &HuntReport) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        match self.form {
            Form::Json => {
                let found = self.found().map(|(hit, owners)| FoundJson { hit, owners }).collect();
                let whole = Whole { report, found };
                Output::default().json(&whole)?;
            }
            Form::Csv => {
                let csv = csv_of(report, self.found())?;
                self.output.text(csv)?;
            }
            Form::Text => {
                let lines: Vec<_> = self.found().map(|(hit, owners)| told_hit(report, hit, owners)).collect();
                for line in lines {
                    self.output.line(line)?;
                }
            }
        }
        if self.form != Form::Json {
            for dump in report.dumps.iter().filter(|dump| dump.problem.is_some()) {
                let problem = dump.problem.as_deref().unwrap_or_default();
                say(format_args!("memdeck: {}: {problem}", dump.path));
            }
            let truncated = if report.truncated { "; there may be more: --limit" } else { "" };
            say(format_args!("{} hits in {} dumps{truncated}", report.hits, report.dumps.len()));
        }
        Ok(())
    }
}

impl Watcher for Shown {
    fn hit(&mut self, hit: &HuntHit) {
        self.hits.push(hit.clone());
    }

    fn progress(&mut self, progress: HuntProgress) -> ControlFlow<()> {
        self.bar.set_length(progress.bytes_expected.0);
        self.bar.set_position(progress.bytes_done.0);
        if self.is_stopped.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Everything as JSON.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    report: &'a HuntReport,
    found: Vec<FoundJson<'a>>,
}

#[derive(Serialize)]
struct FoundJson<'a> {
    #[serde(flatten)]
    hit: &'a HuntHit,
    owners: Option<&'a MemoryOwners>,
}

/// Whose the places are, from what was read inside of the guests and is kept beside their images. Hits come image by image.
fn owners(images: &[HuntedImage<'_>], hits: &[HuntHit]) -> Vec<Option<MemoryOwners>> {
    let mut known: Option<(u32, Option<MappedMemory>)> = None;
    let owners = |hit: &HuntHit| {
        if known.as_ref().is_none_or(|(dump, _)| *dump != hit.dump) {
            let image = usize::try_from(hit.dump).ok().and_then(|place| images.get(place));
            let mapped = image.and_then(|image| kept_beside(image.path, image.record?)?.mapped);
            known = Some((hit.dump, mapped));
        }
        known.as_ref()?.1.as_ref()?.owners(hit.address)
    };
    hits.iter().map(owners).collect()
}

fn dump_of<'a>(report: &'a HuntReport, hit: &HuntHit) -> Option<&'a HuntedDump> {
    report.dumps.get(usize::try_from(hit.dump).ok()?)
}

fn pattern_of<'a>(report: &'a HuntReport, hit: &HuntHit) -> &'a str {
    let pattern = usize::try_from(hit.pattern).ok().and_then(|pattern| report.patterns.get(pattern));
    pattern.map(|pattern| pattern.pattern.as_str()).unwrap_or_default()
}

/// Whose memory it is: the guest, or else the file.
fn guest_of(dump: &HuntedDump) -> String {
    dump.guest.as_ref().map_or_else(|| dump.path.clone(), ToString::to_string)
}

fn told_hit(report: &HuntReport, hit: &HuntHit, owners: Option<&MemoryOwners>) -> String {
    let dump = dump_of(report, hit);
    let guest = dump.map(guest_of).unwrap_or_default();
    let taken = dump.and_then(|dump| dump.taken_at).map(|at| at.to_string()).unwrap_or_default();
    let second = taken.split_once('.').map_or_else(String::new, |(second, _)| format!("{second}Z"));
    let around: String = hit
        .around
        .iter()
        .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
        .collect();
    let owners = owners.map(|owners| format!("  [{}]", told_owners(Some(owners)))).unwrap_or_default();
    format!("{guest}  {second}  {:#014x}  {}  {around}{owners}", hit.address.0, pattern_of(report, hit))
}

fn csv_of<'a>(
    report: &HuntReport,
    hits: impl Iterator<Item = (&'a HuntHit, Option<&'a MemoryOwners>)>,
) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines.write_record(COLUMNS).map_err(|error| failed(&error))?;
    for (hit, owners) in hits {
        let dump = dump_of(report, hit);
        let around = hit.around.iter().fold(String::new(), |mut digits, byte| {
            // Writing to a string does not fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        let fields = [
            dump.map(guest_of).unwrap_or_default(),
            dump.and_then(|dump| dump.taken_at).map(|at| at.to_string()).unwrap_or_default(),
            dump.and_then(|dump| dump.dump_id.as_ref()).map(ToString::to_string).unwrap_or_default(),
            hit.address.to_string(),
            hit.bytes.to_string(),
            pattern_of(report, hit).to_owned(),
            hit.around_address.to_string(),
            around,
            told_owners(owners),
        ];
        lines.write_record(&fields).map_err(|error| failed(&error))?;
    }
    let bytes = lines.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}
