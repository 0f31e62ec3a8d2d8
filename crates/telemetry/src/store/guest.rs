//! What is known of one guest and not written yet, on every level.

use memdeck_model::telemetry::VmTotals;

use super::block::{self, Entity, Row};
use super::cell::Cell;
use super::level::LEVELS;
use crate::GuestNow;

/// Rows that wait on one level while nothing can be written. Beyond, the oldest are given up.
const MOST_WAITING: usize = 60;

/// Names of devices that are remembered although no such device is there any more.
const MOST_FORMER_DEVICES: usize = 32;

/// The end of a guest's series.
#[derive(Debug)]
pub(crate) struct GuestSeries {
    /// Its number in the file.
    pub(crate) id: i64,
    entities: Vec<Entity>,
    ends: [End; 3],
    /// Devices of the last sample.
    devices: usize,
    /// The number of the last round in which it had values.
    pub(crate) seen: u64,
}

/// The end of one level.
#[derive(Debug, Default)]
struct End {
    /// The step under way; the first level has none.
    open: Option<Row>,
    /// Steps that are over.
    rows: Vec<Row>,
    /// Those of them that are being written.
    writing: usize,
    /// Rows of the next block.
    goal: usize,
    /// The start of the last block.
    last_start: i64,
}

/// A block to be written.
#[derive(Debug)]
pub(crate) struct NewBlock {
    pub(crate) level: usize,
    pub(crate) guest: i64,
    /// Milliseconds since 1970.
    pub(crate) start: i64,
    pub(crate) data: Vec<u8>,
}

impl GuestSeries {
    pub(crate) fn new(id: i64) -> Self {
        // Guests begin at different places of a block, so that they are not all written at once.
        let place = usize::try_from(id).unwrap_or(0);
        let ends = LEVELS.map(|level| End { goal: 1 + place % level.rows, ..End::default() });
        Self { id, entities: vec![Entity::Guest], ends, devices: 0, seen: 0 }
    }

    pub(crate) fn push(&mut self, guest: &GuestNow) {
        let row = self.row(guest);
        self.devices = guest.sample.devices.len();
        if let Some(end) = self.ends.first_mut() {
            end.rows.push(row.clone());
        }
        self.feed(1, row);
    }

    fn row(&mut self, guest: &GuestNow) -> Row {
        let sample = &guest.sample;
        let cell = |value: Option<u64>, is_counter, change| {
            let value = value?;
            Some(if is_counter { Cell::counter(value, change) } else { Cell::gauge(value) })
        };
        let mut cells: Vec<_> = VmTotals::METRICS
            .iter()
            .zip(guest.rates.totals())
            .map(|(metric, change)| cell(sample.totals.get(*metric), metric.is_counter(), *change))
            .collect();
        for (place, device) in sample.devices.iter().enumerate() {
            let first = self.place_of(|| Entity::Device(device.kind(), device.device.clone()), |entity| {
                matches!(entity, Entity::Device(kind, name) if *kind == device.kind() && *name == device.device)
            });
            let metrics = device.metrics();
            cells.resize(cells.len().max(first + metrics.len()), None);
            for ((metric, change), place) in metrics.iter().zip(guest.rates.device(place)).zip(first..) {
                if let Some(slot) = cells.get_mut(place) {
                    *slot = cell(device.get(*metric), metric.is_counter(), *change);
                }
            }
        }
        Row { at: guest.at.unix_micros().div_euclid(1000), cells }
    }

    /// The place of the first cell of an entity, which gets one if it has none yet.
    fn place_of(&mut self, new: impl FnOnce() -> Entity, is: impl Fn(&Entity) -> bool) -> usize {
        let mut first = 0;
        for entity in &self.entities {
            if is(entity) {
                return first;
            }
            first += entity.metrics().len();
        }
        self.entities.push(new());
        first
    }

    /// Adds `row` to the step of `level` that it lies in. A step that is over goes on to the next level.
    fn feed(&mut self, level: usize, row: Row) {
        let Some((end, kept)) = self.ends.get_mut(level).zip(LEVELS.get(level)) else { return };
        let start = row.at - row.at.rem_euclid(kept.step_ms);
        match &mut end.open {
            Some(open) if open.at == start => merge(open, &row),
            open => {
                let over = open.replace(Row { at: start, cells: row.cells });
                if let Some(over) = over {
                    end.rows.push(over.clone());
                    self.feed(level + 1, over);
                }
            }
        }
    }

    /// Ends the steps under way.
    pub(crate) fn close(&mut self) {
        for level in 1..LEVELS.len() {
            if let Some(over) = self.ends.get_mut(level).and_then(|end| end.open.take()) {
                if let Some(end) = self.ends.get_mut(level) {
                    end.rows.push(over.clone());
                }
                self.feed(level + 1, over);
            }
        }
    }

    /// Whether it remembers so many devices of former times that it is better begun anew.
    pub(crate) fn is_crowded(&self) -> bool {
        self.entities.len() > self.devices + MOST_FORMER_DEVICES
    }

    /// The blocks that are due; all of them with `all`, of the first level only with `first`.
    pub(crate) fn blocks(&mut self, due: Due, into: &mut Vec<NewBlock>) {
        for (number, level) in LEVELS.iter().enumerate() {
            let Some(end) = self.ends.get_mut(number) else { continue };
            let (Some(first), Some(last)) = (end.rows.first(), end.rows.last()) else { continue };
            let is_due = match due {
                Due::Full => end.rows.len() >= end.goal || last.at - first.at >= level.span_ms(),
                Due::FirstLevel => number == 0,
                Due::All => true,
            };
            if !is_due {
                continue;
            }
            // Two blocks of one guest cannot begin at the same time.
            let start = if first.at == end.last_start { first.at + 1 } else { first.at };
            end.last_start = start;
            end.writing = end.rows.len();
            let data = block::encode(&self.entities, &end.rows);
            into.push(NewBlock { level: number, guest: self.id, start, data });
        }
    }

    /// What was being written is on disk, or is not.
    pub(crate) fn written(&mut self, is_on_disk: bool) {
        for (end, level) in self.ends.iter_mut().zip(LEVELS) {
            let writing = std::mem::take(&mut end.writing);
            if is_on_disk && writing > 0 {
                end.rows.drain(..writing.min(end.rows.len()));
                end.rows.shrink_to(level.rows);
                end.goal = level.rows;
            }
            let excess = end.rows.len().saturating_sub(MOST_WAITING);
            end.rows.drain(..excess);
        }
    }

    /// The cells of one metric that are not on disk yet.
    pub(crate) fn tail(
        &self,
        level: usize,
        entity: &Entity,
        metric: memdeck_model::telemetry::Metric,
    ) -> Vec<(i64, Cell)> {
        let mut first = 0;
        let found = self.entities.iter().find_map(|known| {
            let place = first;
            first += known.metrics().len();
            (known == entity).then_some(place)
        });
        let within = entity.metrics().iter().position(|other| *other == metric);
        let Some((place, within)) = found.zip(within) else { return Vec::new() };
        let place = place + within;
        let mut rows: Vec<&Row> = Vec::new();
        if let Some(end) = self.ends.get(level) {
            rows.extend(end.rows.iter().chain(&end.open));
        }
        if level == 2 {
            // Its step under way lacks the one under way on the level before.
            rows.extend(self.ends.get(1).and_then(|end| end.open.as_ref()));
        }
        rows.into_iter().filter_map(|row| Some((row.at, (*row.cells.get(place)?)?))).collect()
    }

    /// The last block of `level` on disk, for [`recover`](Self::recover).
    pub(crate) fn last_block(&mut self, level: usize, start: i64) {
        if let Some(end) = self.ends.get_mut(level) {
            end.last_start = start;
        }
    }

    /// Adds rows of the level before `level` that were on disk and whose steps were not.
    pub(crate) fn recover(&mut self, level: usize, entities: &[Entity], rows: &[Row], from: i64) {
        let mut places = Vec::new();
        let mut first = 0;
        for entity in entities {
            places.push((
                first,
                self.place_of(|| entity.clone(), |known| known == entity),
                entity.metrics().len(),
            ));
            first += entity.metrics().len();
        }
        for row in rows.iter().filter(|row| row.at >= from) {
            let mut cells = Vec::new();
            for (theirs, ours, count) in &places {
                cells.resize(cells.len().max(ours + count), None);
                for offset in 0..*count {
                    let cell = row.cells.get(theirs + offset).copied().flatten();
                    if let Some(slot) = cells.get_mut(ours + offset) {
                        *slot = cell;
                    }
                }
            }
            self.feed(level, Row { at: row.at, cells });
        }
    }
}

/// Which blocks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Those that are full.
    Full,
    /// Those of the first level, from which the others can be made anew.
    FirstLevel,
    /// All.
    All,
}

fn merge(open: &mut Row, row: &Row) {
    if open.cells.len() < row.cells.len() {
        open.cells.resize(row.cells.len(), None);
    }
    for (open, cell) in open.cells.iter_mut().zip(&row.cells) {
        match (open.as_mut(), cell) {
            (Some(open), Some(cell)) => open.merge(cell),
            (None, Some(cell)) => *open = Some(*cell),
            (_, None) => {}
        }
    }
}
