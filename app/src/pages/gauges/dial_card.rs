//! One gauge with its number and its last minutes.

use leptos::prelude::*;
use memdeck_model::telemetry::needle_degrees;

use super::dial::{Dial, MARKS};
use super::trace::Trace;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Gauge, Sparkline, Unknown};
use crate::words::measured;

/// The id of the sentence that explains the scale of every needle.
pub const SCALE: &str = "gauge-scale";

/// Needle, number, course, highest and mean.
#[component]
pub fn DialCard(
    /// What it shows.
    trace: RwSignal<Trace>,
) -> impl IntoView {
    let Dial { title, unit, .. } = trace.with_untracked(|trace| trace.dial);
    let number = memo(move || trace.with(|trace| trace.reading.number.map(measured)));
    let needle =
        memo(move || trace.with(|trace| trace.reading.rate.map(|rate| trace.dial.needle_in_words(rate))));
    let degrees = Signal::derive(move || trace.with(|trace| trace.reading.rate.map(needle_degrees)));
    let summary = memo(move || trace.with(Trace::summary));
    let in_words = move || {
        let number = number.get().map_or_else(|| "unknown".to_owned(), |number| format!("{number} {unit}"));
        let needle = needle.get().unwrap_or_else(|| "not known".to_owned());
        format!("{title}: {number}. Needle at {needle}.")
    };
    let course = move || {
        let summary = summary.get().unwrap_or_else(|| "nothing measured".to_owned());
        format!("{title}, last 5 minutes: {summary}.")
    };
    view! {
        <article class="card dial" aria-label=title>
            <h2 class="dial-title">{title}</h2>
            <div class="dial-face">
                <Gauge degrees label=Signal::derive(in_words) marks=MARKS described_by=SCALE />
                <p class="dial-reading">
                    <span class="dial-number number">
                        {dynamic(move || match number.get() {
                            Some(number) => number.into_any(),
                            None => view! { <Unknown what=title.to_ascii_lowercase() /> }.into_any(),
                        })}
                    </span>
                    " "
                    <span class="dial-unit">{unit}</span>
                </p>
                // The picture says the same.
                <p class="dial-needle number" aria-hidden="true">
                    {dynamic(move || needle.get().unwrap_or_else(|| "no change known".to_owned()))}
                </p>
            </div>
            <div class="dial-course">
                <Sparkline values=Signal::derive(move || trace.with(Trace::course)) label=Signal::derive(course) />
                <p class="dial-summary number">
                    "5 min: "
                    {dynamic(move || summary.get().unwrap_or_else(|| "nothing measured".to_owned()))}
                </p>
            </div>
        </article>
    }
}
