//! A block: consecutive steps of one guest, all its values, in few bytes.
//!
//! ```text
//! version · rows · times · weights of gauges · weights of counters · entities × { kind · name · bytes · columns }
//! column: metric · bytes · flags · [presence] · [weights] · last values · sums · [below the mean · above the mean]
//! ```
//!
//! Numbers are differences from what is expected, and runs of what is as expected are one number: a counter that stands
//! still or grows evenly costs nothing. A reader skips the entities and columns that it does not want.

use memdeck_model::telemetry::{DeviceKind, Metric, VmTotals};

use super::cell::Cell;

const VERSION: u8 = 1;

/// No block of ours has more rows; a number beyond is damage.
const MAX_ROWS: usize = 4096;

/// Whose values: the guest's, or a device's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entity {
    Guest,
    Device(DeviceKind, String),
}

impl Entity {
    pub(crate) fn metrics(&self) -> &'static [Metric] {
        match self {
            Self::Guest => VmTotals::METRICS,
            Self::Device(kind, _) => kind.metrics(),
        }
    }

    fn tag(&self) -> (u8, &str) {
        match self {
            Self::Guest => (0, ""),
            Self::Device(DeviceKind::Nic, name) => (1, name),
            Self::Device(DeviceKind::Disk, name) => (2, name),
        }
    }
}

/// One step: its time, and a cell for every metric of every entity, one entity after the other. A row may end early.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) cells: Vec<Option<Cell>>,
}

/// A block is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

pub(crate) fn encode(entities: &[Entity], rows: &[Row]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put(&mut out, rows.len() as u64);
    put_stream(&mut out, differences(rows.iter().map(|row| row.at)));
    let usual: [Vec<u64>; 2] = [false, true].map(|counters| usual_weights(entities, rows, counters));
    for weights in &usual {
        put_stream(&mut out, differences(weights.iter().map(|weight| signed(*weight))));
    }
    let mut body = Vec::new();
    let mut first = 0;
    let mut count = 0;
    for entity in entities {
        let mut columns = Vec::new();
        for (place, metric) in (first..).zip(entity.metrics()) {
            let column: Vec<_> = rows.iter().map(|row| row.cells.get(place).copied().flatten()).collect();
            if column.iter().any(Option::is_some) {
                let usual = if metric.is_counter() { &usual[1] } else { &usual[0] };
                let bytes = encode_column(*metric, &column, usual);
                columns.push(*metric as u8);
                put(&mut columns, bytes.len() as u64);
                columns.extend(bytes);
            }
        }
        first += entity.metrics().len();
        if !columns.is_empty() {
            let (kind, name) = entity.tag();
            body.push(kind);
            put(&mut body, name.len() as u64);
            body.extend(name.as_bytes());
            put(&mut body, columns.len() as u64);
            body.extend(columns);
            count += 1;
        }
    }
    put(&mut out, count);
    out.extend(body);
    out
}

/// Of each row the greatest weight that a counter, or a gauge, has in it: nearly always the weight of all.
fn usual_weights(entities: &[Entity], rows: &[Row], counters: bool) -> Vec<u64> {
    let metrics: Vec<_> =
        entities.iter().flat_map(Entity::metrics).map(|metric| metric.is_counter()).collect();
    let of_row = |row: &Row| {
        let cells = row.cells.iter().zip(&metrics).filter(|(_, is_counter)| **is_counter == counters);
        cells.filter_map(|(cell, _)| Some((*cell)?.weight)).max().unwrap_or(0)
    };
    rows.iter().map(of_row).collect()
}

const SOME_MISSING: u8 = 1;
const OTHER_WEIGHTS: u8 = 2;
const HAS_RANGE: u8 = 4;

fn encode_column(metric: Metric, column: &[Option<Cell>], usual: &[u64]) -> Vec<u8> {
    let cells: Vec<Cell> = column.iter().flatten().copied().collect();
    let usual: Vec<u64> =
        usual.iter().zip(column).filter(|(_, cell)| cell.is_some()).map(|(usual, _)| *usual).collect();
    let is_even = |cell: &Cell| {
        let mean = cell.mean(metric);
        (cell.weight == 0 && cell.min == 0 && cell.max == 0) || (cell.min == mean && cell.max == mean)
    };
    let mut flags = 0;
    flags |= if cells.len() < column.len() { SOME_MISSING } else { 0 };
    flags |=
        if cells.iter().zip(&usual).any(|(cell, usual)| cell.weight != *usual) { OTHER_WEIGHTS } else { 0 };
    flags |= if cells.iter().all(is_even) { 0 } else { HAS_RANGE };
    let mut out = vec![flags];
    if flags & SOME_MISSING != 0 {
        put_stream(&mut out, column.iter().map(|cell| i64::from(cell.is_none())));
    }
    if flags & OTHER_WEIGHTS != 0 {
        put_stream(&mut out, cells.iter().zip(&usual).map(|(cell, usual)| difference(cell.weight, *usual)));
    }
    put_stream(&mut out, differences(cells.iter().map(|cell| signed(cell.last))));
    let expected = expected_sums(metric, &cells);
    put_stream(&mut out, cells.iter().zip(expected).map(|(cell, expected)| difference(cell.sum, expected)));
    if flags & HAS_RANGE != 0 {
        put_stream(&mut out, cells.iter().map(|cell| difference(cell.mean(metric), cell.min)));
        put_stream(&mut out, cells.iter().map(|cell| difference(cell.max, cell.mean(metric))));
    }
    out
}

/// What the sum of each cell most likely is, by its last value, its weight and the cell before.
fn expected_sums(metric: Metric, cells: &[Cell]) -> Vec<u64> {
    let mut before: Option<&Cell> = None;
    let sums = cells.iter().map(|cell| {
        let sum = expected_sum(metric, before.map(|before| before.last), cell.last, cell.weight);
        before = Some(cell);
        sum
    });
    sums.collect()
}

fn expected_sum(metric: Metric, before: Option<u64>, last: u64, weight: u64) -> u64 {
    if !metric.is_counter() {
        return last.wrapping_mul(weight);
    }
    match before {
        Some(before) if weight > 0 => last.wrapping_sub(before),
        _ => 0,
    }
}

/// The cells of one metric of `wanted`, with their times.
pub(crate) fn decode(block: &[u8], wanted: &Entity, metric: Metric) -> Result<Vec<(i64, Cell)>, Damaged> {
    let mut found = Vec::new();
    read(
        block,
        |entity| *entity == *wanted,
        |_, of, times, column| {
            if of == metric {
                let cells = times.iter().zip(column);
                found.extend(cells.filter_map(|(at, cell)| Some((*at, (*cell)?))));
            }
        },
    )?;
    Ok(found)
}

/// All of a block.
pub(crate) fn decode_all(block: &[u8]) -> Result<(Vec<Entity>, Vec<Row>), Damaged> {
    let mut entities: Vec<(Entity, usize)> = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    let mut width = 0;
    read(
        block,
        |_| true,
        |entity, metric, times, column| {
            if entities.last().is_none_or(|(last, _)| last != entity) {
                entities.push((entity.clone(), width));
                width += entity.metrics().len();
            }
            if rows.is_empty() {
                rows = times.iter().map(|at| Row { at: *at, cells: Vec::new() }).collect();
            }
            let first = entities.last().map_or(0, |(_, first)| *first);
            let place = entity.metrics().iter().position(|other| *other == metric).map(|place| first + place);
            for (row, cell) in rows.iter_mut().zip(column) {
                row.cells.resize(width, None);
                if let Some(place) = place.and_then(|place| row.cells.get_mut(place)) {
                    *place = *cell;
                }
            }
        },
    )?;
    Ok((entities.into_iter().map(|(entity, _)| entity).collect(), rows))
}

fn read(
    block: &[u8],
    wants: impl Fn(&Entity) -> bool,
    mut each: impl FnMut(&Entity, Metric, &[i64], &[Option<Cell>]),
) -> Result<(), Damaged> {
    let mut input = Input(block);
    if input.byte()? != VERSION {
        return Err(Damaged);
    }
    let count = input.len()?;
    if count > MAX_ROWS {
        return Err(Damaged);
    }
    let times = sums(&input.stream(count)?);
    let usual = [input.stream(count)?, input.stream(count)?].map(|weights| sums(&weights));
    for _ in 0..input.number()? {
        let kind = input.byte()?;
        let name_len = input.len()?;
        let name = std::str::from_utf8(input.bytes(name_len)?).map_err(|_| Damaged)?.to_owned();
        let entity = match kind {
            0 => Entity::Guest,
            1 => Entity::Device(DeviceKind::Nic, name),
            2 => Entity::Device(DeviceKind::Disk, name),
            _ => return Err(Damaged),
        };
        let columns_len = input.len()?;
        let mut columns = Input(input.bytes(columns_len)?);
        if !wants(&entity) {
            continue;
        }
        while !columns.0.is_empty() {
            let metric = *Metric::ALL.get(usize::from(columns.byte()?)).ok_or(Damaged)?;
            let len = columns.len()?;
            let column = columns.bytes(len)?;
            let usual = if metric.is_counter() { &usual[1] } else { &usual[0] };
            each(&entity, metric, &times, &decode_column(metric, column, usual)?);
        }
    }
    Ok(())
}

fn decode_column(metric: Metric, column: &[u8], usual: &[i64]) -> Result<Vec<Option<Cell>>, Damaged> {
    let mut input = Input(column);
    let flags = input.byte()?;
    let is_missing: Vec<bool> = if flags & SOME_MISSING == 0 {
        vec![false; usual.len()]
    } else {
        input.stream(usual.len())?.iter().map(|missing| *missing != 0).collect()
    };
    let count = is_missing.iter().filter(|missing| !**missing).count();
    let usual = usual.iter().zip(&is_missing).filter(|(_, missing)| !**missing).map(|(usual, _)| *usual);
    let other_weights = if flags & OTHER_WEIGHTS == 0 { vec![0; count] } else { input.stream(count)? };
    let lasts = sums(&input.stream(count)?);
    let sum_errors = input.stream(count)?;
    let range =
        if flags & HAS_RANGE == 0 { None } else { Some((input.stream(count)?, input.stream(count)?)) };
    let mut cells = Vec::with_capacity(count);
    let mut before = None;
    let numbers = usual.zip(other_weights).zip(lasts).zip(sum_errors);
    for (place, (((usual, other), last), error)) in numbers.enumerate() {
        let (weight, last) = (unsigned(usual.wrapping_add(other)), unsigned(last));
        let sum = expected_sum(metric, before, last, weight).wrapping_add(unsigned(error));
        before = Some(last);
        let mut cell = Cell { weight, sum, min: 0, max: 0, last };
        let mean = cell.mean(metric);
        let (below, above) = match &range {
            Some((below, above)) => {
                (below.get(place).copied().unwrap_or(0), above.get(place).copied().unwrap_or(0))
            }
            None => (0, 0),
        };
        cell.min = mean.wrapping_sub(unsigned(below));
        cell.max = mean.wrapping_add(unsigned(above));
        cells.push(cell);
    }
    let mut cells = cells.into_iter();
    Ok(is_missing.iter().map(|missing| if *missing { None } else { cells.next() }).collect())
}

fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

fn difference(number: u64, expected: u64) -> i64 {
    signed(number.wrapping_sub(expected))
}

fn differences(numbers: impl Iterator<Item = i64>) -> impl Iterator<Item = i64> {
    let mut before = 0_i64;
    numbers.map(move |number| number.wrapping_sub(std::mem::replace(&mut before, number)))
}

fn sums(differences: &[i64]) -> Vec<i64> {
    let mut sum = 0_i64;
    differences
        .iter()
        .map(|difference| {
            sum = sum.wrapping_add(*difference);
            sum
        })
        .collect()
}

/// Seven bits a byte, the lowest first.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Each number with its sign in the lowest bit. A 0 is followed by how many zeros follow it.
fn put_stream(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64>) {
    let mut zeros = 0_u64;
    for number in numbers {
        if number == 0 {
            zeros += 1;
            continue;
        }
        put_zeros(out, &mut zeros);
        put(out, unsigned((number << 1) ^ (number >> 63)));
    }
    put_zeros(out, &mut zeros);
}

fn put_zeros(out: &mut Vec<u8>, zeros: &mut u64) {
    if *zeros > 0 {
        put(out, 0);
        put(out, *zeros - 1);
        *zeros = 0;
    }
}

struct Input<'block>(&'block [u8]);

impl<'block> Input<'block> {
    fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    fn bytes(&mut self, len: usize) -> Result<&'block [u8], Damaged> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    fn len(&mut self) -> Result<usize, Damaged> {
        usize::try_from(self.number()?).map_err(|_| Damaged)
    }

    fn stream(&mut self, count: usize) -> Result<Vec<i64>, Damaged> {
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            let number = self.number()?;
            if number == 0 {
                let zeros = self.len()?.checked_add(1).filter(|zeros| numbers.len() + zeros <= count);
                numbers.resize(numbers.len() + zeros.ok_or(Damaged)?, 0);
            } else {
                numbers.push(signed(number >> 1) ^ -signed(number & 1));
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::Change;

    fn cells() -> impl Strategy<Value = Vec<Option<Cell>>> {
        let cell = (0_u64..70_000, any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>())
            .prop_map(|(weight, sum, min, max, last)| Cell { weight, sum, min, max, last });
        proptest::collection::vec(proptest::option::of(cell), 0..VmTotals::METRICS.len() + 5)
    }

    fn entities() -> Vec<Entity> {
        vec![Entity::Guest, Entity::Device(DeviceKind::Disk, "vda".into())]
    }

    /// The cells of `rows` by entity and metric, as a reader sees them.
    fn by_metric(entities: &[Entity], rows: &[Row]) -> Vec<Vec<(i64, Cell)>> {
        let places = 0..entities.iter().map(|entity| entity.metrics().len()).sum();
        let column =
            |place: usize| rows.iter().filter_map(|row| Some((row.at, (*row.cells.get(place)?)?))).collect();
        places.map(column).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in proptest::collection::vec((any::<i64>(), cells()), 1..20)) {
            let rows: Vec<_> = rows.into_iter().map(|(at, cells)| Row { at, cells }).collect();
            let block = encode(&entities(), &rows);
            let expected = by_metric(&entities(), &rows);
            let mut place = 0;
            for entity in entities() {
                for metric in entity.metrics() {
                    prop_assert_eq!(&decode(&block, &entity, *metric).unwrap(), &expected[place]);
                    place += 1;
                }
            }
            // Entities without a value are not in the block.
            let (found, read) = decode_all(&block).unwrap();
            for (entity, columns) in found.iter().map(|it| (it, by_metric(&found, &read))) {
                prop_assert_eq!(columns.len(), found.iter().map(|it| it.metrics().len()).sum::<usize>());
                prop_assert!(entities().contains(entity));
            }
        }

        #[test]
        fn damage_is_an_error_or_other_numbers_and_never_a_crash(
            rows in proptest::collection::vec((any::<i64>(), cells()), 1..6),
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let rows: Vec<_> = rows.into_iter().map(|(at, cells)| Row { at, cells }).collect();
            let mut block = encode(&entities(), &rows);
            for (place, byte) in flips {
                let place = place.index(block.len());
                block[place] = byte;
            }
            let _ = decode_all(&block);
            block.truncate(cut.index(block.len()));
            prop_assert!(decode_all(&block).is_err() || block.len() > 4);
        }
    }

    #[test]
    fn values_that_stand_still_or_grow_evenly_cost_next_to_nothing() {
        let rows: Vec<_> = (0..10_u64)
            .map(|second| {
                let change = Change { increase: 1_000, over: Duration::from_secs(1) };
                let cells = VmTotals::METRICS.iter().map(|metric| {
                    Some(if metric.is_counter() {
                        Cell::counter(5_000_000 + 1_000 * second, Some(change))
                    } else {
                        Cell::gauge(1 << 20)
                    })
                });
                Row { at: 1_700_000_000_000 + signed(second) * 1000, cells: cells.collect() }
            })
            .collect();
        let block = encode(&[Entity::Guest], &rows);
        assert!(block.len() < 27 * 36, "{} bytes for 270 values", block.len());
    }
}
