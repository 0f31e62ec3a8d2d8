//! When the volumes of the images will be full.

use leptos::prelude::*;
use memdeck_model::VolumeForecast;

use super::state::State;
use super::words::about_volume;
use crate::time::local_date;
use crate::ui::Card;
use crate::ui::erase::{dynamic, memo};

/// For each host that tells how much is free.
#[component]
pub fn Forecast() -> impl IntoView {
    let state = State::expect();
    let volumes = memo(move || state.trends.with_data(|trends| trends.volumes.clone()));
    let content = move || match volumes.get() {
        None => ().into_any(),
        Some(volumes) if volumes.is_empty() => {
            view! { <p class="secondary">"No host tells how much is free on the volume of its images."</p> }
                .into_any()
        }
        Some(volumes) => {
            let is_one = volumes.len() == 1;
            let told = volumes.into_iter().map(|volume| told(&volume, is_one)).collect_view();
            view! { <dl class="trend-volumes">{told}</dl> }.into_any()
        }
    };
    view! {
        <Card id="trends-volume" title="When the volume is full">
            {dynamic(content)}
        </Card>
    }
}

fn told(volume: &VolumeForecast, is_one: bool) -> AnyView {
    let (outlook, rests_on) = about_volume(volume, local_date);
    view! {
        <div class="trend-volume">
            <dt class:visually-hidden=is_one>{volume.host.clone()}</dt>
            <dd>
                <strong class="trend-outlook">{outlook}</strong>
                <span class="secondary">{rests_on}</span>
            </dd>
        </div>
    }
    .into_any()
}
