//! The map as shapes: for each look that a cell can have, one path with all cells of that look.

use memdeck_model::ComparisonMap;

/// What the colours of the map say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourBy {
    /// What became of the pages.
    #[default]
    Change,
    /// How random the first dump's pages are.
    EntropyBefore,
    /// How random the second dump's pages are.
    EntropyAfter,
}

impl ColourBy {
    pub const ALL: [Self; 3] = [Self::Change, Self::EntropyBefore, Self::EntropyAfter];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::EntropyBefore => "before",
            Self::EntropyAfter => "after",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "What changed",
            Self::EntropyBefore => "Entropy before",
            Self::EntropyAfter => "Entropy after",
        }
    }
}

/// Cells of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub class: &'static str,
    /// The data of an SVG path in which a cell is one unit wide and high.
    pub path: String,
}

/// How many cells a row has: the map is about square.
pub fn columns(cells: usize) -> usize {
    let mut columns = cells.isqrt();
    if columns.saturating_mul(columns) < cells {
        columns = columns.saturating_add(1);
    }
    columns.clamp(1, 64)
}

/// How many rows.
pub fn rows(cells: usize) -> usize {
    cells.div_ceil(columns(cells)).max(1)
}

/// All cells of the map, each in one layer.
pub fn layers(map: &ComparisonMap, by: ColourBy) -> Vec<Layer> {
    let looks: Vec<&'static str> = (0..map.cells()).map(|cell| look(map, cell, by)).collect();
    let columns = columns(looks.len());
    let mut layers: Vec<Layer> = Vec::new();
    for (y, row) in looks.chunks(columns).enumerate() {
        let mut x = 0_usize;
        for run in row.chunk_by(|a, b| a == b) {
            let Some(class) = run.first() else { continue };
            let width = run.len();
            let shape = format!("M{x} {y}h{width}v1h-{width}z");
            match layers.iter_mut().find(|layer| layer.class == *class) {
                Some(layer) => layer.path.push_str(&shape),
                None => layers.push(Layer { class, path: shape }),
            }
            x = x.saturating_add(width);
        }
    }
    layers
}

/// The class of a cell: by what became of most of its pages that are not as they were, and of how many; or by its entropy.
fn look(map: &ComparisonMap, cell: usize, by: ColourBy) -> &'static str {
    let at = |list: &[u64]| list.get(cell).copied().unwrap_or(0);
    let entropy = |list: &[u16]| {
        const STEPS: [&str; 8] = [
            "map-entropy-0",
            "map-entropy-1",
            "map-entropy-2",
            "map-entropy-3",
            "map-entropy-4",
            "map-entropy-5",
            "map-entropy-6",
            "map-entropy-7",
        ];
        let hundredths = list.get(cell).copied().unwrap_or(0);
        STEPS.get(usize::from(hundredths / 100)).copied().unwrap_or("map-entropy-7")
    };
    match by {
        ColourBy::EntropyBefore => return entropy(&map.entropy_before),
        ColourBy::EntropyAfter => return entropy(&map.entropy_after),
        ColourBy::Change => {}
    }
    let fates = [
        (at(&map.changed), ["map-changed-1", "map-changed-2", "map-changed-3"]),
        (at(&map.new), ["map-new-1", "map-new-2", "map-new-3"]),
        (at(&map.zeroed), ["map-zeroed-1", "map-zeroed-2", "map-zeroed-3"]),
        (at(&map.moved), ["map-moved-1", "map-moved-2", "map-moved-3"]),
    ];
    let different = fates.iter().fold(0_u64, |sum, (pages, _)| sum.saturating_add(*pages));
    // Of equals the first.
    let most = fates.into_iter().rev().max_by_key(|(pages, _)| *pages);
    let Some((_, [little, some, much])) = most.filter(|_| different > 0) else { return "map-unchanged" };
    match different.saturating_mul(16).checked_div(map.cell_pages).unwrap_or(16) {
        0..=1 => little,
        2..=7 => some,
        _ => much,
    }
}

/// The cells in which most changed, the first the most; at most `count`, and only those in which something did.
pub fn most_changed(map: &ComparisonMap, count: usize) -> Vec<(usize, u64)> {
    let mut cells: Vec<(usize, u64)> =
        (0..map.cells()).map(|cell| (cell, map.different(cell))).filter(|(_, pages)| *pages > 0).collect();
    cells.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    cells.truncate(count);
    cells
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ByteCount, GuestPhysAddr, MapPart};

    use super::*;

    fn map(changed: &[u64], new: &[u64], cell_pages: u64) -> ComparisonMap {
        let none = vec![0; changed.len()];
        ComparisonMap {
            page_bytes: ByteCount(4096),
            cell_pages,
            parts: vec![MapPart {
                address: GuestPhysAddr(0),
                pages: cell_pages * changed.len() as u64,
                first_cell: 0,
            }],
            changed: changed.to_vec(),
            new: new.to_vec(),
            zeroed: none.clone(),
            moved: none,
            entropy_before: vec![0; changed.len()],
            entropy_after: vec![799; changed.len()],
        }
    }

    #[test]
    fn a_map_is_about_square_and_at_most_64_cells_wide() {
        assert_eq!([0, 1, 2, 9, 10, 256, 4096, 16_384].map(columns), [1, 1, 2, 3, 4, 16, 64, 64]);
        assert_eq!([0, 1, 10, 4096, 4097].map(rows), [1, 1, 3, 64, 65]);
    }

    #[test]
    fn cells_of_one_look_are_one_path_and_runs_of_them_one_shape() {
        let told = layers(&map(&[0, 0, 1, 16], &[0, 0, 0, 2], 16), ColourBy::Change);
        let path = |class| told.iter().find(|layer| layer.class == class).map(|layer| layer.path.as_str());
        assert_eq!(path("map-unchanged"), Some("M0 0h2v1h-2z"));
        assert_eq!(path("map-changed-1"), Some("M0 1h1v1h-1z"));
        assert_eq!(path("map-changed-3"), Some("M1 1h1v1h-1z"));
        assert_eq!(told.len(), 3);
        let entropy = layers(&map(&[0; 4], &[0; 4], 16), ColourBy::EntropyAfter);
        assert_eq!(entropy, [Layer { class: "map-entropy-7", path: "M0 0h2v1h-2zM0 1h2v1h-2z".to_owned() }]);
    }

    #[test]
    fn the_cells_with_the_most_changes_come_first() {
        assert_eq!(most_changed(&map(&[3, 0, 5, 5], &[0, 0, 1, 1], 16), 2), [(2, 6), (3, 6)]);
        assert!(most_changed(&map(&[0, 0], &[0, 0], 16), 2).is_empty());
    }
}
