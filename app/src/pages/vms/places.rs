//! How cards change places: a few with each picture that the browser draws.

use leptos::prelude::*;

use crate::ui::erase::effect;

/// So many places are filled with each picture. What comes into sight has to be drawn: a screen full of cards at once would
/// keep the browser from answering for longer than anybody should wait.
const PORTION: usize = 4;

/// What `wanted` says. Where only the order changes, the first places are filled first, and the others follow.
pub fn in_portions(wanted: Memo<Vec<String>>) -> RwSignal<Vec<String>> {
    let shown = RwSignal::new(wanted.get_untracked());
    let order = StoredValue::new(0_u32);
    effect(move || {
        let wanted = wanted.get();
        order.update_value(|order| *order = order.wrapping_add(1));
        if shown.with_untracked(|shown| are_the_same(shown, &wanted)) {
            fill(Change { shown, wanted, order, number: order.get_value() }, PORTION);
        } else {
            shown.set(wanted);
        }
    });
    shown
}

struct Change {
    shown: RwSignal<Vec<String>>,
    wanted: Vec<String>,
    /// The number of the newest order.
    order: StoredValue<u32>,
    /// That of this one.
    number: u32,
}

/// Fills the first `count` places when the next picture is drawn, and more with those behind it. Ends where another order
/// has begun.
fn fill(change: Change, count: usize) {
    request_animation_frame(move || {
        if change.order.try_get_value() != Some(change.number) {
            return;
        }
        let next = change.shown.with_untracked(|shown| in_place(shown, &change.wanted, count));
        let is_in_order = next == change.wanted;
        if change.shown.with_untracked(|shown| *shown != next) {
            change.shown.set(next);
        }
        if !is_in_order {
            fill(change, count + PORTION);
        }
    });
}

/// The first `count` of `wanted` in their places, each exchanged with the card that stood there: the elements of all others
/// stay where they are.
fn in_place(shown: &[String], wanted: &[String], count: usize) -> Vec<String> {
    let mut next = shown.to_vec();
    for (place, reference) in wanted.iter().enumerate().take(count) {
        if let Some(now) = next.iter().position(|other| other == reference) {
            next.swap(place, now);
        }
    }
    next
}

fn are_the_same(a: &[String], b: &[String]) -> bool {
    let sorted = |references: &[String]| {
        let mut references = references.to_vec();
        references.sort_unstable();
        references
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_get_to_their_places_a_few_at_a_time_and_none_is_lost_on_the_way() {
        let cards = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (shown, wanted) = (cards("a b c d e"), cards("e d c b a"));
        assert!(are_the_same(&shown, &wanted));
        assert!(!are_the_same(&shown, &cards("a b c d")) && !are_the_same(&shown, &cards("a b c d d")));
        let first = in_place(&shown, &wanted, 2);
        assert_eq!(first, cards("e d c b a"));
        assert_eq!(in_place(&shown, &wanted, 1), cards("e b c d a"));
        assert_eq!(in_place(&cards("b c d e a"), &wanted, 2), cards("e d c b a"));
        assert_eq!(in_place(&first, &wanted, 6), wanted);
    }
}
