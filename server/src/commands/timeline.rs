//! `memdeck timeline`

use memdeck_model::audit::{AuditAction, AuditDetails, AuditResult};
use memdeck_model::{ByteCount, GuestTimeline, Inside, Millis, ProcessFigures, TimelinePoint};
use memdeck_study::compare::{ComparedImage, memory_changes, memory_figures};
use memdeck_study::inside::kept_beside;

use super::named_image::{self, NamedImage};
use super::table::Table;
use super::taking::{self, Taking};
use super::{Exit, Failure, Output, with_causes};
use crate::cli::TimelineArgs;
use crate::config::Config;

/// What is read of an image: no byte of memory, but what each page is.
const PAGE_MAP: &str = "page map";
const PAGE_BYTES: u64 = 4096;

pub fn run(config: &Config, args: &TimelineArgs) -> Result<Exit, Failure> {
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    // One more: what the first that is shown is compared with.
    let images = named_image::of_one_guest(config, &args.guest, most.saturating_add(1))?;
    let has_earlier = images.len() > most;
    let all: Vec<&NamedImage> = images.iter().collect();
    let taking = Taking::begin(config, &all, AuditAction::ImageRead, taking::by("timeline", Some(PAGE_MAP)))?;
    let mut points = Vec::with_capacity(images.len());
    let mut ends = Vec::with_capacity(images.len());
    let mut before: Option<(&NamedImage, Option<Inside>)> = None;
    for image in &images {
        let inside = image.record().and_then(|record| kept_beside(&image.path, record));
        let point =
            point(before.as_ref().map(|(image, inside)| (*image, inside.as_ref())), image, inside.as_ref());
        ends.push(match point.as_ref().and_then(|point| point.problem.as_ref()) {
            None => (AuditResult::Succeeded, AuditDetails::default()),
            Some(problem) => (AuditResult::Failed, AuditDetails::because(problem)),
        });
        points.extend(point);
        before = Some((image, inside));
    }
    taking.end_each(ends);
    points.drain(..points.len().saturating_sub(most));
    let newest = images.last().and_then(NamedImage::record);
    let newest = newest.ok_or_else(|| Failure::new("no record of the guest's images is known"))?;
    let timeline = GuestTimeline {
        guest: newest.dom.clone(),
        guest_uuid: newest.guest_uuid.clone(),
        page_bytes: ByteCount(PAGE_BYTES),
        points,
        has_earlier,
        pending: 0,
        with_processes: true,
    };
    let mut output = Output::default();
    if args.json {
        output.json(&timeline)?;
    } else {
        output.text(table(&timeline).to_string())?;
        if timeline.has_earlier {
            output.line(format_args!("there are older images; --limit shows more"))?;
        }
    }
    Ok(Exit::Done)
}

fn point(
    before: Option<(&NamedImage, Option<&Inside>)>,
    image: &NamedImage,
    inside: Option<&Inside>,
) -> Option<TimelinePoint> {
    let record = image.record()?;
    let figured = memory_figures(compared(image), &|| false);
    let changes = match (&figured, before) {
        // That of the image before says itself what is wrong with it.
        (Ok(_), Some((before, _))) => memory_changes(compared(before), compared(image), &|| false).ok(),
        _ => None,
    };
    Some(TimelinePoint {
        dump_id: record.dump_id.clone()?,
        taken_at: record.timestamp,
        memory: figured.as_ref().ok().copied(),
        changes,
        processes: inside
            .and_then(|inside| ProcessFigures::of(before.and_then(|(_, before)| before), inside)),
        problem: figured.err().map(|error| with_causes(&error).into()),
    })
}

fn compared(image: &NamedImage) -> ComparedImage<'_> {
    ComparedImage { path: &image.path, record: image.record() }
}

fn table(timeline: &GuestTimeline) -> Table {
    let mut table = Table::new(["TAKEN", "AFTER", "CHANGED", "OF", "ENTROPY", "PROGRAMS", "NEW", "DUMP"]);
    let none = || "-".to_owned();
    let mut before = None;
    for point in &timeline.points {
        let size = |pages: u64| ByteCount(pages.saturating_mul(timeline.page_bytes.0)).to_string();
        let after = before.map(|before| point.taken_at.since(before));
        let processes = point.processes;
        let new = match processes {
            Some(ProcessFigures { rebooted: Some(true), .. }) => "booted".to_owned(),
            processes => processes.and_then(|of| of.new).map_or_else(none, |new| new.to_string()),
        };
        table.row(&[
            point.taken_at.to_string(),
            after.map_or_else(none, |after: Millis| after.to_string()),
            point.changes.and_then(memdeck_model::MemoryChanges::share).unwrap_or_else(none),
            point.memory.map_or_else(none, |memory| size(memory.pages)),
            point.memory.map_or_else(none, |memory| bits(memory.mean_entropy_millibits)),
            processes.map_or_else(none, |of| of.programs.to_string()),
            new,
            point.dump_id.to_string(),
        ]);
        before = Some(point.taken_at);
    }
    table
}

/// Thousandths of a bit per byte as bits.
fn bits(millibits: u64) -> String {
    format!("{}.{:02}", millibits / 1000, millibits % 1000 / 10)
}
