//! What the charts of a guest's memory show: the same numbers for the chart, the sentence and the table.

use memdeck_model::{GuestTimeline, MemoryChanges, TimelinePoint, Timestamp};

use super::amounts::{Amount, Amounts, Measure, RowName};

/// An instant in two words: its day and its time.
pub type Clock = fn(Timestamp) -> (String, String);

/// How much changed from each dump to the next.
pub fn changed(timeline: &GuestTimeline, clock: Clock) -> Amounts {
    let of = |point: &TimelinePoint| point.changes.and_then(MemoryChanges::permille);
    by_dump(timeline, Measure::Share, ("changed", "--chart-1"), clock, of)
}

/// How random the memory of each dump looks.
pub fn entropy(timeline: &GuestTimeline, clock: Clock) -> Amounts {
    let of = |point: &TimelinePoint| point.memory.map(|memory| memory.mean_entropy_millibits);
    by_dump(timeline, Measure::Entropy, ("mean entropy", "--chart-2"), clock, of)
}

/// How many programs began.
pub fn began(timeline: &GuestTimeline, clock: Clock) -> Amounts {
    let of = |point: &TimelinePoint| point.processes.and_then(|processes| processes.new);
    by_dump(timeline, Measure::Programs, ("new programs", "--chart-3"), clock, of)
}

fn by_dump(
    timeline: &GuestTimeline,
    measure: Measure,
    (name, colour): (&str, &'static str),
    clock: Clock,
    of: impl Fn(&TimelinePoint) -> Option<u64>,
) -> Amounts {
    let times: Vec<_> = timeline.points.iter().map(|point| clock(point.taken_at)).collect();
    let is_one_day = times.iter().all(|(day, _)| times.first().is_some_and(|(first, _)| first == day));
    let row = |(day, time): &(String, String)| {
        let short = if is_one_day { time.get(..5) } else { day.get(5..) };
        RowName { short: short.unwrap_or_default().to_owned(), long: format!("{day} {time}") }
    };
    Amounts {
        measure,
        is_running: false,
        is_over_time: true,
        row: "Dump of",
        rows: times.iter().map(row).collect(),
        parts: vec![Amount {
            name: name.to_owned(),
            colour,
            values: timeline.points.iter().map(of).collect(),
        }],
    }
}

/// The dump before which most changed, and the share.
pub fn most_changed(timeline: &GuestTimeline) -> Option<(&TimelinePoint, MemoryChanges)> {
    let changed = timeline.points.iter().filter_map(|point| Some((point, point.changes?)));
    changed.max_by_key(|(_, changes)| changes.permille())
}

/// Which dumps are shown, and what is not known of them.
pub fn about(timeline: &GuestTimeline) -> String {
    let dumps = timeline.points.len();
    let shown = match (dumps, timeline.has_earlier) {
        (1, _) => "One dump.".to_owned(),
        (_, true) => format!("The newest {dumps} dumps; there are older ones."),
        (_, false) => format!("{dumps} dumps."),
    };
    let unusable: Vec<_> =
        timeline.points.iter().filter_map(|point| Some((point, point.problem.as_ref()?))).collect();
    let problem = match unusable.last() {
        None => String::new(),
        Some((_, problem)) => {
            let count = unusable.len();
            let of = if count == 1 { "one of them".to_owned() } else { format!("{count} of them") };
            format!(" Of {of} the page map cannot be used: {problem}.")
        }
    };
    let processes = match (timeline.with_processes, unread(timeline)) {
        (false, _) => " How many programs began is shown to those who may read memory.".to_owned(),
        (true, 0) => String::new(),
        (true, 1) => " The inside of one of them was not read.".to_owned(),
        (true, unread) => format!(" The inside of {unread} of them was not read."),
    };
    format!("{shown}{problem}{processes}")
}

fn unread(timeline: &GuestTimeline) -> usize {
    timeline.points.iter().filter(|point| point.processes.is_none()).count()
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ByteCount, GuestName, MemoryFigures, ProcessFigures};

    use super::*;

    fn clock(at: Timestamp) -> (String, String) {
        let text = at.to_string();
        (text[..10].to_owned(), text[11..19].to_owned())
    }

    fn point(at: &str, changes: Option<(u64, u64)>, new: Option<u64>) -> TimelinePoint {
        let processes = new.map(|new| ProcessFigures { programs: 9, new: Some(new), rebooted: Some(false) });
        TimelinePoint {
            dump_id: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
            taken_at: at.parse().unwrap(),
            memory: Some(MemoryFigures { pages: 1000, zero_pages: 10, mean_entropy_millibits: 4210 }),
            changes: changes.map(|(different, compared)| MemoryChanges { compared, different }),
            processes,
            problem: None,
        }
    }

    fn timeline(points: Vec<TimelinePoint>) -> GuestTimeline {
        GuestTimeline {
            guest: GuestName("web-01".to_owned()),
            guest_uuid: None,
            page_bytes: ByteCount(4096),
            points,
            has_earlier: false,
            pending: 0,
            with_processes: true,
        }
    }

    fn three() -> GuestTimeline {
        timeline(vec![
            point("2026-11-14T08:00:00Z", None, None),
            point("2026-11-14T09:00:00Z", Some((452, 1000)), Some(0)),
            point("2026-11-14T10:00:00Z", Some((0, 1000)), None),
        ])
    }

    #[test]
    fn what_is_not_known_is_a_gap_and_never_nothing() {
        let told = changed(&three(), clock);
        assert_eq!(told.parts[0].values, [None, Some(452), Some(0)]);
        let columns = told.drawing().columns;
        assert!(columns[0].is_nan());
        assert_eq!(columns[1..], [45.2, 0.0]);
        assert_eq!(began(&three(), clock).parts[0].values, [None, Some(0), None]);
        assert!(!told.is_empty());
        let unread = timeline(vec![point("2026-11-14T08:00:00Z", None, None)]);
        assert!(began(&unread, clock).is_empty() && changed(&unread, clock).is_empty());
        assert!(!entropy(&unread, clock).is_empty());
    }

    #[test]
    fn dumps_of_one_day_are_told_apart_by_their_time() {
        let settings = |timeline: &GuestTimeline| changed(timeline, clock).drawing().settings;
        assert!(settings(&three()).contains(r#""labels":["08:00","09:00","10:00"]"#));
        let mut days = three();
        days.points[2].taken_at = "2026-11-15T10:00:00Z".parse().unwrap();
        assert!(settings(&days).contains(r#""labels":["11-14","11-14","11-15"]"#));
    }

    #[test]
    fn a_sentence_says_what_is_shown_and_what_is_missing() {
        let mut timeline = three();
        assert_eq!(about(&timeline), "3 dumps. The inside of 2 of them was not read.");
        timeline.points[0].problem = Some("the page map is damaged".into());
        timeline.has_earlier = true;
        timeline.with_processes = false;
        assert_eq!(
            about(&timeline),
            "The newest 3 dumps; there are older ones. Of one of them the page map cannot be used: the page map is \
             damaged. How many programs began is shown to those who may read memory."
        );
        let (most, changes) = most_changed(&timeline).unwrap();
        assert_eq!((most.taken_at, changes.different), (timeline.points[1].taken_at, 452));
    }
}
