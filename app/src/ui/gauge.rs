//! A needle on a quarter of a circle, from 0 to 90 degrees.

use std::f64::consts::FRAC_PI_4;

use leptos::prelude::*;
use memdeck_model::{bounded, decimal};

use super::erase::{dynamic, follow};

/// Where the needle turns, in the picture's own units.
const CENTRE: (f64, f64) = (48.0, 62.0);
/// From there to the lines of the scale, and to its numbers.
const TICK: (f64, f64) = (47.5, 50.0);
const NUMBER: f64 = 55.5;
/// The arc from 0 to 90 degrees: from the upper left to the upper right.
const ARC_PATH: &str = "M16.89 30.89A44 44 0 0 1 79.11 30.89";

/// A mark of the scale: at so many degrees, with its number.
pub type Mark = (f64, &'static str);

/// A gauge. It is a picture for screen readers, whose text is `label`; the value itself belongs beside it.
#[component]
pub fn Gauge(
    /// Where the needle stands, 0 to 90; `None` if that is not known.
    #[prop(into)]
    degrees: Signal<Option<f64>>,
    /// What is to be seen, in words: `CPU: 12 %`.
    #[prop(into)]
    label: Signal<String>,
    marks: &'static [Mark],
    /// The id of the element that explains the scale.
    #[prop(optional)]
    described_by: Option<&'static str>,
) -> impl IntoView {
    let of = move || degrees.get().map(|degrees| bounded(degrees, 0.0, 90.0));
    let marks = marks.iter().map(|(at, number)| {
        let [(x1, y1), (x2, y2), (x, y)] = [TICK.0, TICK.1, NUMBER].map(|radius| place(*at, radius));
        let [x1, y1, x2, y2, x, y] = [x1, y1, x2, y2, x, y].map(|place| decimal(place, 1));
        view! {
            <path d=format!("M{x1} {y1}L{x2} {y2}") />
            <text x=x.to_string() y=y.to_string()>{*number}</text>
        }
    });
    view! {
        <svg class="gauge" viewBox="0 0 96 66" role="img" aria-label=label aria-describedby=described_by>
            <path class="gauge-track" d=ARC_PATH />
            <g class="gauge-marks">{marks.collect_view()}</g>
            {dynamic(move || of().is_some().then(|| view! {
                <path
                    class="gauge-arc"
                    d=ARC_PATH
                    pathLength="90"
                    stroke-dasharray=follow(move || format!("{} 180", decimal(of().unwrap_or_default(), 1)))
                />
                <path
                    class="gauge-needle"
                    d="M48 62L48 22"
                    style:transform=follow(move || format!("rotate({}deg)", decimal(of().unwrap_or_default() - 45.0, 1)))
                />
            }))}
            <circle class="gauge-hub" cx="48" cy="62" r="3" />
        </svg>
    }
}

/// The point at `degrees` of the scale, `radius` away from where the needle turns.
fn place(degrees: f64, radius: f64) -> (f64, f64) {
    let angle = degrees.to_radians() - FRAC_PI_4;
    (CENTRE.0 + radius * angle.sin(), CENTRE.1 - radius * angle.cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arc_is_the_one_that_the_needle_points_at() {
        const ARC: f64 = 44.0;
        let ends = [0.0, 90.0].map(|degrees| {
            let (x, y) = place(degrees, ARC);
            format!("{x:.2} {y:.2}")
        });
        assert_eq!(ARC_PATH, format!("M{}A{ARC} {ARC} 0 0 1 {}", ends[0], ends[1]));
        let (x, y) = place(45.0, ARC);
        assert!((x - 48.0).abs() < 1e-9 && (y - 18.0).abs() < 1e-9, "straight up");
    }
}
