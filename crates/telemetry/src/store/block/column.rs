//! The column of one metric: flags that say which streams follow, then the streams.

use memdeck_model::telemetry::Metric;

use super::super::cell::Cell;
use super::Damaged;
use super::numbers::{Input, difference, differences, put_stream, signed, sums, unsigned};

const SOME_MISSING: u8 = 1;
const OTHER_WEIGHTS: u8 = 2;
const HAS_RANGE: u8 = 4;

pub(super) fn encode_column(metric: Metric, column: &[Option<Cell>], usual: &[u64]) -> Vec<u8> {
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

pub(super) fn decode_column(
    metric: Metric,
    column: &[u8],
    usual: &[i64],
) -> Result<Vec<Option<Cell>>, Damaged> {
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
