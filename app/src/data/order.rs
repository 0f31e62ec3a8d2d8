//! Sorting short lists.

use std::cmp::Ordering;

/// The items in the order that `compare` says; equals stay in the order they have. A sort that is fast for long lists is as
/// large as a part of the page, for each kind of item; these are short, and nearly sorted.
pub fn sorted<T>(items: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let mut sorted = Vec::with_capacity(items.len());
    for item in items {
        let place = match sorted.last() {
            Some(last) if compare(last, &item) == Ordering::Greater => {
                sorted.partition_point(|known| compare(known, &item) != Ordering::Greater)
            }
            _ => sorted.len(),
        };
        sorted.insert(place, item);
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_stay_in_their_order() {
        let items = vec![(2, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (1, 'e')];
        let sorted: String = sorted(items, |a, b| a.0.cmp(&b.0)).into_iter().map(|(_, name)| name).collect();
        assert_eq!(sorted, "beacd");
        assert!(super::sorted(Vec::<u8>::new(), Ord::cmp).is_empty());
    }
}
