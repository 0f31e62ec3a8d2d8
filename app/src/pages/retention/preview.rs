//! What the rules that are written would do now, image by image.

use leptos::prelude::*;
use memdeck_model::retention::{Fate, ImageFate};

use super::state::State;
use super::words::why;
use crate::pages::dump_links::details_of;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Card, EmptyState, Failure, Icon, Instant, Show, Skeleton, Table, Tone};
use crate::words::{shown, upper_first};

/// The most rows that are shown: those that go come first.
const MOST_ROWS: usize = 200;

#[component]
pub fn Preview() -> impl IntoView {
    let state = State::expect();
    let problem = state.preview.why_failed();
    let summary = memo(move || {
        state.preview.with_data(|report| {
            format!("{} of {} images go, {}.", report.gone, report.images.len(), report.gone_bytes)
        })
    });
    let rows = move || {
        let mut images = state.preview.with_data(|report| report.images.clone())?;
        images.sort_by_key(|image| !matches!(image.fate, Fate::Gone { .. }));
        Some(images)
    };
    view! {
        <Card id="retention-preview" title="What these rules do now" class="retention-preview">
            <p role="status">{move || summary.get()}</p>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The preview could not be made."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                />
            </Show>
            {dynamic(move || match rows() {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=4 label="Loading the preview" /> }.into_any(),
                Some(images) if images.is_empty() => {
                    view! { <EmptyState title="No images">"Every image that is kept stands here, with what becomes of it."</EmptyState> }
                        .into_any()
                }
                Some(images) => {
                    let more = images.len().saturating_sub(MOST_ROWS);
                    view! {
                        <Table caption="What becomes of each image">
                            <thead role="rowgroup">
                                <tr role="row">
                                    <th scope="col" role="columnheader">"VM name"</th>
                                    <th scope="col" role="columnheader">"Dumped"</th>
                                    <th scope="col" role="columnheader">"Size"</th>
                                    <th scope="col" role="columnheader">"Fate"</th>
                                    <th scope="col" role="columnheader">"Why"</th>
                                </tr>
                            </thead>
                            <tbody role="rowgroup">{images.into_iter().take(MOST_ROWS).map(|image| row(&image)).collect_view()}</tbody>
                        </Table>
                        {(more > 0).then(|| view! { <p class="secondary">{format!("{more} more are not shown.")}</p> })}
                    }
                        .into_any()
                }
            })}
        </Card>
    }
}

fn row(image: &ImageFate) -> AnyView {
    let (word, tone, icon) = match &image.fate {
        Fate::Gone { .. } => ("Goes", Tone::Bad, Icon::Trash),
        Fate::Kept { .. } => ("Stays", Tone::Good, Icon::Check),
    };
    view! {
        <tr role="row">
            <th scope="row" role="rowheader"><a href=details_of(&image.dump_id)>{shown(&image.guest.0)}</a></th>
            <td role="cell" data-label="Dumped"><Instant instant=image.at /></td>
            <td role="cell" data-label="Size" class="number">{image.bytes.to_string()}</td>
            <td role="cell" data-label="Fate"><Badge tone icon>{word}</Badge></td>
            <td role="cell" data-label="Why">{upper_first(&why(&image.fate))}</td>
        </tr>
    }
    .into_any()
}
