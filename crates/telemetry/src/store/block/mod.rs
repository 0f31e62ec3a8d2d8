//! A block: consecutive steps of one guest, all its values, in few bytes.
//!
//! ```text
//! version · rows · times · weights of gauges · weights of counters · entities × { kind · name · bytes · columns }
//! column: metric · bytes · flags · [presence] · [weights] · last values · sums · [below the mean · above the mean]
//! ```
//!
//! Numbers are differences from what is expected, and runs of what is as expected are one number: a counter that stands
//! still or grows evenly costs nothing. A reader skips the entities and columns that it does not want.

mod column;
mod numbers;
#[cfg(test)]
mod tests;

use memdeck_model::telemetry::{DeviceKind, Metric, VmTotals};

use self::column::{decode_column, encode_column};
use self::numbers::{Input, differences, put, put_stream, signed, sums};
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
