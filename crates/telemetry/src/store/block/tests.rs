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
