//! `memdeck compare`

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use memdeck_model::audit::{AuditAction, AuditDetails, AuditResult};
use memdeck_model::{
    ComparedDump, ComparedPage, Comparison, GuestText, InsideChanges, PageFates, RowChanges,
};
use memdeck_study::compare::{ComparedImage, compare};
use memdeck_study::inside::InsideLimits;
use serde::Serialize;

use super::inside;
use super::named_image::{self, NamedImage};
use super::output::say;
use super::partial_file::PartialFile;
use super::taking::{self, Taking};
use super::{Exit, Failure, Output, with_causes};
use crate::cli::CompareArgs;
use crate::config::Config;
use crate::http::pages_csv;

/// Regions that are listed; a guest has a handful.
const MAX_LISTED: usize = 64;
/// What is read of an image to compare it: no byte of memory, but what each page is.
const PAGE_MAP: &str = "page map";

pub async fn run(config: &Config, args: &CompareArgs) -> Result<Exit, Failure> {
    let [first, second] = [&args.first, &args.second].map(|name| named_image::find(config, name));
    let (first, second) = (first?, second?);
    let mut list = args.pages.as_deref().map(PageList::create).transpose()?;
    let mut failed = None;
    let mut page = |page: &ComparedPage| match list.as_mut().map(|list| list.add(page)) {
        Some(Err(error)) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
        Some(Ok(())) | None => ControlFlow::Continue(()),
    };
    let asked = taking::by("compare", Some(PAGE_MAP));
    let taking = Taking::begin(config, &[&first, &second], AuditAction::ImageRead, asked)?;
    let compared = compare(image(&first), image(&second), &mut page, &|| false);
    match &compared {
        Ok(_) => taking.end(AuditResult::Succeeded, &AuditDetails::default()),
        Err(error) => taking.end(AuditResult::Failed, &AuditDetails::because(with_causes(error))),
    }
    if let (Some(error), Some(path)) = (failed, &args.pages) {
        return Err(unwritten(path, &error));
    }
    let comparison = compared.map_err(|error| Failure::new(with_causes(&error)))?;
    if let (Some(list), Some(path)) = (list, &args.pages) {
        list.keep(path)?;
        say(format_args!("wrote {} pages to {}", comparison.pages.different(), path.display()));
    }
    let mut changes = None;
    if args.inside {
        let mut read = Vec::with_capacity(2);
        for (image, name) in [(first, &args.first), (second, &args.second)] {
            let asked = taking::by("compare", None);
            let taking = Taking::begin(config, &[&image], AuditAction::InsideShown, asked)?;
            let inside = inside::inside_of(image, InsideLimits::default()).await;
            let (result, details) = inside::end_of(inside.as_ref().err());
            taking.end(result, &details);
            match inside {
                Ok(inside) => read.push(inside),
                Err(problem) => return inside::refused(&problem, name),
            }
        }
        if let [first, second] = read.as_slice() {
            changes = Some(InsideChanges::between(first, second));
        }
    }
    let mut output = Output::default();
    if args.json {
        output.json(&Compared { comparison: &comparison, inside: changes.as_ref() })?;
    } else {
        let changes = changes.as_ref().map(told_changes).unwrap_or_default();
        output.text(told(&comparison) + &changes)?;
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Compared<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    #[serde(skip_serializing_if = "Option::is_none")]
    inside: Option<&'a InsideChanges>,
}

fn told_changes(changes: &InsideChanges) -> String {
    let mut text = String::new();
    if changes.rebooted == Some(true) {
        text.push_str("inside     the guest booted in between\n");
    }
    rows(&mut text, "processes", &changes.processes, |process| {
        format!("{:>7}  {}", process.pid, inside::told_process(process))
    });
    rows(&mut text, "modules", &changes.modules, |module| {
        format!("{}{}", module.name, if module.taints { "  taints the kernel" } else { "" })
    });
    rows(&mut text, "connections", &changes.connections, |connection| {
        let [local, remote, state] = [&connection.local, &connection.remote, &connection.state]
            .map(|text| text.as_ref().map_or("-", GuestText::as_str));
        format!("{}  {local}  {remote}  {state}", connection.protocol)
    });
    rows(&mut text, "open files", &changes.open_files, |file| {
        format!("{:>7}  {:>4}  {}", file.pid, file.descriptor, file.path)
    });
    text
}

fn rows<T>(text: &mut String, name: &str, changes: &RowChanges<T>, row: impl Fn(&T) -> String) {
    let (came, went) = (changes.all_came(), changes.all_went());
    // Writing to a string does not fail.
    let _ = if changes.compared {
        writeln!(text, "{name:<11}  {came} came, {went} went")
    } else {
        writeln!(text, "{name:<11}  not compared")
    };
    if let Some(caveat) = &changes.caveat {
        let _ = writeln!(text, "  {caveat}");
    }
    for (sign, rows) in [('+', &changes.came), ('-', &changes.went)] {
        for it in rows {
            let _ = writeln!(text, "  {sign} {}", row(it).trim_end());
        }
    }
    let further = changes.further_came.saturating_add(changes.further_went);
    if further > 0 {
        let _ = writeln!(text, "  and {further} more");
    }
}

fn image(named: &NamedImage) -> ComparedImage<'_> {
    ComparedImage { path: &named.path, record: named.record() }
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}

/// The list of pages that differ, as CSV.
struct PageList {
    file: PartialFile,
    lines: csv::Writer<BufWriter<File>>,
}

impl PageList {
    fn create(path: &Path) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(unwritten(path, &io::ErrorKind::AlreadyExists.into()));
        }
        let file = PartialFile::create(path)?;
        let lines = file.file.try_clone().map_err(|error| unwritten(path, &error))?;
        let mut lines = csv::Writer::from_writer(BufWriter::new(lines));
        lines.write_record(pages_csv::COLUMNS).map_err(|error| unwritten(path, &io::Error::other(error)))?;
        Ok(Self { file, lines })
    }

    fn add(&mut self, page: &ComparedPage) -> io::Result<()> {
        self.lines.write_record(pages_csv::cells(page)).map_err(io::Error::other)
    }

    fn keep(self, path: &Path) -> Result<(), Failure> {
        let unwritten = |error: io::Error| unwritten(path, &error);
        let buffer =
            self.lines.into_inner().map_err(|error| unwritten(io::Error::other(error.to_string())))?;
        let mut file = buffer.into_inner().map_err(|error| unwritten(error.into_error()))?;
        file.flush().and_then(|()| file.sync_all()).map_err(unwritten)?;
        self.file.keep(path)
    }
}

fn told(comparison: &Comparison) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<9}  {value}");
    };
    line("first", &told_dump(&comparison.first));
    line("second", &told_dump(&comparison.second));
    for sentence in comparison.summary() {
        line("", &sentence);
    }
    line("pages", &told_fates(&comparison.pages));
    for region in comparison.regions.iter().take(MAX_LISTED) {
        let fates = told_fates(&region.pages);
        line("region", &format!("{} at {:#x}: {fates}", region.bytes, region.address.0));
    }
    let listed = u64::try_from(comparison.regions.len().min(MAX_LISTED)).unwrap_or(u64::MAX);
    let regions = u64::try_from(comparison.regions.len()).unwrap_or(u64::MAX);
    if let Some(more @ 1..) = regions.saturating_add(comparison.further_regions).checked_sub(listed) {
        line("region", &format!("and {more} more"));
    }
    for class in comparison.classes.iter().filter(|class| class.pages.different() > 0) {
        let (from, to) = (class.from.as_str(), class.to.as_str());
        line("class", &format!("{from} to {to}: {} pages", class.pages.different()));
    }
    let entropy = comparison.entropy;
    let bits = |millibits: u64| format!("{}.{:02}", millibits / 1000, millibits % 1000 / 10);
    line(
        "entropy",
        &format!(
            "of what changed: {} bits per byte before, {} after; {} pages began to look encrypted or compressed, {} \
             ceased to",
            bits(entropy.before_millibits),
            bits(entropy.after_millibits),
            entropy.became_high_entropy,
            entropy.was_high_entropy
        ),
    );
    text
}

fn told_dump(dump: &ComparedDump) -> String {
    let guest =
        dump.guest.as_ref().map_or_else(|| "a guest that is not known".to_owned(), ToString::to_string);
    let taken = dump.taken_at.map(|at| format!(", {at}")).unwrap_or_default();
    let id = dump.dump_id.as_ref().map(|id| format!(", dump {id}")).unwrap_or_default();
    format!("{guest}{taken}{id}, {} pages", dump.pages)
}

fn told_fates(pages: &PageFates) -> String {
    let PageFates { compared, unchanged, zeroed, moved, new, changed } = pages;
    format!(
        "{compared} compared, {unchanged} unchanged, {changed} changed, {new} new, {zeroed} zeroed, {moved} moved"
    )
}
