//! A line without axes: how a value went, at a glance.

use std::fmt::Write as _;

use leptos::prelude::*;
use memdeck_model::decimal;

use super::erase::{dynamic, memo};

/// The picture's own units; it is stretched to the room that it has.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 40.0;
/// A line keeps its full breadth at the top and at the bottom.
const EDGE: f64 = 2.0;
/// The line goes over so many values that are missing; more are a gap.
const BRIDGED: usize = 2;

/// A line through `values`, which follow each other at the same distance, from 0 at the bottom to the highest at the top.
/// Where values are missing there is none. It is a picture for screen readers, whose text is `label`.
#[component]
pub fn Sparkline(
    /// The values, oldest first.
    #[prop(into)]
    values: Signal<Vec<Option<f64>>>,
    /// What is to be seen, in words.
    #[prop(into)]
    label: Signal<String>,
) -> impl IntoView {
    let paths = memo(move || values.with(|values| paths_of(values)));
    view! {
        <svg
            class="sparkline"
            viewBox=format!("0 0 {} {}", decimal(WIDTH, 0), decimal(HEIGHT, 0))
            preserveAspectRatio="none"
            role="img"
            aria-label=label
        >
            {dynamic(move || {
                let (area, line) = paths.get();
                view! {
                    <path class="sparkline-area" d=area />
                    <path class="sparkline-line" d=line vector-effect="non-scaling-stroke" />
                }
            })}
        </svg>
    }
}

/// What is under the line, and the line.
fn paths_of(values: &[Option<f64>]) -> (String, String) {
    let highest = values.iter().flatten().fold(0.0_f64, |highest, value| highest.max(*value));
    #[expect(clippy::cast_precision_loss, reason = "a few hundred places")]
    let step = WIDTH / values.len().saturating_sub(1).max(1) as f64;
    let y_of = |value: f64| {
        let part = if highest > 0.0 { (value / highest).max(0.0) } else { 0.0 };
        HEIGHT - EDGE - part * (HEIGHT - 2.0 * EDGE)
    };
    let (mut area, mut line) = (String::new(), String::new());
    let mut last: Option<usize> = None;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        #[expect(clippy::cast_precision_loss, reason = "a few hundred places")]
        let (x, y) = (decimal(index as f64 * step, 1), decimal(y_of(*value), 1));
        let goes_on = last.is_some_and(|last| index - last <= BRIDGED + 1);
        if !goes_on {
            close(&mut area, last, step);
            let _ = write!(area, "M{x} {}", decimal(HEIGHT, 0));
        }
        // A value between two gaps is a dot: a line to where it begins.
        let _ = if goes_on { write!(line, "L{x} {y}") } else { write!(line, "M{x} {y}h0") };
        let _ = write!(area, "L{x} {y}");
        last = Some(index);
    }
    close(&mut area, last, step);
    (area, line)
}

fn close(area: &mut String, last: Option<usize>, step: f64) {
    if let Some(last) = last {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred places")]
        let _ = write!(area, "L{} {}Z", decimal(last as f64 * step, 1), decimal(HEIGHT, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_value_is_at_the_top_and_0_at_the_bottom() {
        let (area, line) = paths_of(&[Some(0.0), Some(5.0), Some(10.0)]);
        assert_eq!(line, "M0.0 38.0h0L150.0 20.0L300.0 2.0");
        assert_eq!(area, "M0.0 40L0.0 38.0L150.0 20.0L300.0 2.0L300.0 40Z");
    }

    #[test]
    fn a_few_missing_values_are_bridged_and_more_are_a_gap() {
        let values = [Some(1.0), None, None, Some(1.0), None, None, None, Some(1.0)];
        let (area, line) = paths_of(&values);
        assert_eq!(line.matches('M').count(), 2, "{line}");
        assert_eq!(area.matches('Z').count(), 2, "{area}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing_and_zeros_lie_at_the_bottom() {
        assert_eq!(paths_of(&[None, None]), (String::new(), String::new()));
        assert_eq!(paths_of(&[]), (String::new(), String::new()));
        assert_eq!(paths_of(&[Some(0.0), Some(0.0)]).1, "M0.0 38.0h0L300.0 38.0");
    }
}
