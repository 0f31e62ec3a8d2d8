//! The map of memory: in cells, coloured by what changed or by entropy. One cell is chosen, by pointer or by keys; it is zoomed in
//! on until a cell is one page.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use memdeck_model::{ByteCount, ComparisonMap, GuestPhysAddr};

use super::layers::{ColourBy, Layer, columns, layers, most_changed, rows};
use super::state::State;
use crate::ui::erase::{dynamic, effect, follow, handler, memo};
use crate::ui::{Button, ButtonSize, Card, Select, Show};
use crate::words::{grouped, measured};

/// Rows of the list beside the map.
const MOST_CHANGED: usize = 8;

#[component]
pub fn Map() -> impl IntoView {
    let state = State::expect();
    let by = RwSignal::new(ColourBy::default());
    let cell = RwSignal::new(None::<usize>);
    // A cell of another map is another part of memory.
    let part = memo(move || state.view.with(|view| (view.pair(), view.part)));
    effect(move || {
        // A memo that was never read tells nobody that it changed.
        part.with(|_| cell.set(None));
    });
    let colours: Vec<_> =
        ColourBy::ALL.into_iter().map(|by| (by.as_str().to_owned(), by.name().to_owned())).collect();
    let choose = move |word: String| {
        by.set(ColourBy::ALL.into_iter().find(|by| by.as_str() == word).unwrap_or_default());
    };
    let shown = memo(move || state.view.with(|view| view.part));
    let told = move || match shown.get() {
        None => "All memory".to_owned(),
        Some((from, until)) => format!("{from} to {until}"),
    };
    view! {
        <Card id="compare-map" title="Map of memory" class="compare-map-card">
            <div class="compare-map-tools">
                <Select
                    id="compare-colours"
                    label="Colours show"
                    value=Signal::derive(move || by.get().as_str().to_owned())
                    options=Signal::stored(colours)
                    on_choose=choose
                />
                <p class="compare-part">{dynamic(told)}</p>
                <Show when=move || shown.with(Option::is_some)>
                    <Button size=ButtonSize::Small on_press=move |()| state.show_part(None)>
                        "Show all memory"
                    </Button>
                </Show>
            </div>
            <div class="compare-map-body">
                <Drawing by cell />
                <div class="compare-map-aside">
                    <Legend by />
                    <Chosen cell />
                    <MostChanged cell />
                </div>
            </div>
        </Card>
    }
}

/// What a chosen cell is opened as: a part of memory, or a page.
fn open(state: State, cell: usize) {
    let opened = untrack(|| {
        state.drawn.with_data(|drawn| {
            let (from, pages) = drawn.map.memory_of(cell)?;
            let bytes = pages.saturating_mul(drawn.map.page_bytes.0);
            Some((from, GuestPhysAddr(from.0.saturating_add(bytes)), drawn.map.cell_pages))
        })
    });
    match opened.flatten() {
        Some((page, _, 1)) => state.show_page(Some(page)),
        Some((from, until, _)) => state.show_part(Some((from, until))),
        None => {}
    }
}

#[component]
fn Drawing(by: RwSignal<ColourBy>, cell: RwSignal<Option<usize>>) -> impl IntoView {
    let state = State::expect();
    let picture = NodeRef::<html::Div>::new();
    let cells = memo(move || state.drawn.with_data(|drawn| drawn.map.cells()).unwrap_or(0));
    let drawn = memo(move || {
        let by = by.get();
        state.drawn.with_data(|drawn| Drawn(layers(&drawn.map, by))).unwrap_or_default()
    });
    let view_box = move || {
        let cells = cells.get();
        format!("0 0 {} {}", columns(cells), rows(cells))
    };
    let under = move |event: &ev::MouseEvent| {
        let frame = picture.get_untracked()?.get_bounding_client_rect();
        let cells = cells.get_untracked();
        let (columns, rows) = (columns(cells), rows(cells));
        let place = |at: i32, start: f64, length: f64, count: usize| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most 256 places"
            )]
            let place = ((f64::from(at) - start) / length.max(1.0) * count as f64).max(0.0) as usize;
            place.min(count.saturating_sub(1))
        };
        let x = place(event.client_x(), frame.left(), frame.width(), columns);
        let y = place(event.client_y(), frame.top(), frame.height(), rows);
        let found = y.saturating_mul(columns).saturating_add(x);
        (found < cells).then_some(found)
    };
    let on_click = move |event: ev::MouseEvent| {
        if let Some(found) = under(&event) {
            cell.set(Some(found));
        }
    };
    let on_double = move |event: ev::MouseEvent| {
        if let Some(found) = under(&event) {
            open(state, found);
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        let cells = cells.get_untracked();
        let (now, row) = (cell.get_untracked(), columns(cells));
        let key = event.key();
        let next = match (key.as_str(), now) {
            ("ArrowRight" | "ArrowLeft" | "ArrowUp" | "ArrowDown", None) | ("Home", _) => 0,
            ("ArrowRight", Some(now)) => now.saturating_add(1),
            ("ArrowLeft", Some(now)) => now.saturating_sub(1),
            ("ArrowDown", Some(now)) => now.saturating_add(row),
            ("ArrowUp", Some(now)) => now.checked_sub(row).unwrap_or(now),
            ("End", _) => cells.saturating_sub(1),
            ("Enter", Some(now)) => {
                event.prevent_default();
                return open(state, now);
            }
            ("Escape", _) => return state.show_part(None),
            _ => return,
        };
        event.prevent_default();
        if next < cells {
            cell.set(Some(next));
        }
    };
    let cursor = move || {
        let (chosen, row) = (cell.get()?, columns(cells.get()));
        let (x, y) = (chosen.checked_rem(row)?, chosen.checked_div(row)?);
        Some(view! { <rect class="map-cursor" x=x.to_string() y=y.to_string() width="1" height="1" /> })
    };
    view! {
        <div
            class="compare-map"
            class:is-loading=follow(move || state.drawn.is_pending())
            node_ref=picture
            tabindex="0"
            role="application"
            aria-label="Map of memory. Arrow keys choose a cell, Enter zooms in on it, Escape shows all memory."
            aria-describedby="compare-chosen"
            on:click=handler(on_click)
            on:dblclick=handler(on_double)
            on:keydown=handler(on_key)
        >
            <svg viewBox=follow(view_box) preserveAspectRatio="none" aria-hidden="true">
                {dynamic(move || {
                    let path = |layer: &Layer| view! { <path class=layer.class d=layer.path.clone() /> };
                    drawn.with(|drawn| drawn.0.iter().map(path).collect_view())
                })}
                {dynamic(cursor)}
            </svg>
        </div>
    }
}

/// The shapes of the map.
#[derive(Clone, Debug, Default, PartialEq)]
struct Drawn(Vec<Layer>);

#[component]
fn Legend(by: RwSignal<ColourBy>) -> impl IntoView {
    let entry = |(class, name): (&'static str, &'static str)| {
        view! {
            <li>
                <svg class="map-key" viewBox="0 0 1 1" aria-hidden="true">
                    <path class=class d="M0 0h1v1h-1z" />
                </svg>
                {name}
            </li>
        }
    };
    let entries = move || {
        let told: &[(&str, &str)] = match by.get() {
            ColourBy::Change => &[
                ("map-changed-3", "Other content"),
                ("map-new-3", "Empty before"),
                ("map-zeroed-3", "Empty now"),
                ("map-moved-3", "Moved here"),
                ("map-unchanged", "As it was"),
            ],
            ColourBy::EntropyBefore | ColourBy::EntropyAfter => &[
                ("map-entropy-0", "0 bits: empty"),
                ("map-entropy-4", "4 bits per byte"),
                ("map-entropy-7", "7 to 8 bits: encrypted or compressed"),
            ],
        };
        told.iter().copied().map(entry).collect_view()
    };
    view! {
        <ul class="compare-legend">{dynamic(entries)}</ul>
        <p class="secondary">
            {dynamic(move || strength(by.get()))}
        </p>
    }
}

/// What the strength of a colour says.
fn strength(by: ColourBy) -> Option<&'static str> {
    (by == ColourBy::Change).then_some("The stronger the colour, the more of a cell's pages changed.")
}

/// What is in the chosen cell.
#[component]
fn Chosen(cell: RwSignal<Option<usize>>) -> impl IntoView {
    let state = State::expect();
    let told = memo(move || {
        let cell = cell.get();
        state.drawn.with_data(|drawn| {
            let size = ByteCount(drawn.map.cell_pages.saturating_mul(drawn.map.page_bytes.0));
            let nothing = || vec![format!("A cell is {size}. Choose one to see what is in it.")];
            cell.map_or_else(nothing, |cell| about(&drawn.map, cell))
        })
    });
    let is_page = memo(move || state.drawn.with_data(|drawn| drawn.map.cell_pages == 1).unwrap_or(false));
    let go = move |()| {
        if let Some(cell) = cell.get_untracked() {
            open(state, cell);
        }
    };
    view! {
        <div class="compare-chosen">
            <div id="compare-chosen" aria-live="polite">
                {dynamic(move || {
                    let line = |line: String| view! { <p>{line}</p> };
                    told.get().unwrap_or_default().into_iter().map(line).collect_view()
                })}
            </div>
            <Show when=move || cell.with(Option::is_some)>
                <Button size=ButtonSize::Small on_press=go>
                    {dynamic(move || if is_page.get() { "Show its bytes" } else { "Zoom in" })}
                </Button>
            </Show>
        </div>
    }
}

/// Where a cell is, what became of its pages, and their entropy.
fn about(map: &ComparisonMap, cell: usize) -> Vec<String> {
    let Some((address, pages)) = map.memory_of(cell) else { return Vec::new() };
    let bytes = ByteCount(pages.saturating_mul(map.page_bytes.0));
    let fates = [
        (&map.changed, "with other content"),
        (&map.new, "empty before"),
        (&map.zeroed, "empty now"),
        (&map.moved, "moved here"),
    ];
    let told = fates.into_iter().filter_map(|(list, what)| {
        let count = list.get(cell).copied().filter(|count| *count > 0)?;
        Some(format!("{} {what}", grouped(count)))
    });
    let told: Vec<_> = told.collect();
    let of = if pages == 1 { "1 page".to_owned() } else { format!("{} pages", grouped(pages)) };
    let change = if told.is_empty() {
        format!("{of}: nothing changed.")
    } else {
        format!("{of}: {}.", told.join(", "))
    };
    let bits = |list: &[u16]| measured(f64::from(list.get(cell).copied().unwrap_or(0)) / 100.0);
    vec![
        format!("{address}, {bytes}"),
        change,
        format!(
            "Entropy {} before, {} after, in bits per byte.",
            bits(&map.entropy_before),
            bits(&map.entropy_after)
        ),
    ]
}

/// Where to look first.
#[component]
fn MostChanged(cell: RwSignal<Option<usize>>) -> impl IntoView {
    let state = State::expect();
    let found = memo(move || {
        state.drawn.with_data(|drawn| {
            let told = |(cell, pages)| {
                let address = drawn.map.memory_of(cell).map(|(address, _)| address)?;
                Some((cell, address.to_string(), pages))
            };
            most_changed(&drawn.map, MOST_CHANGED).into_iter().filter_map(told).collect::<Vec<_>>()
        })
    });
    let row = move |(number, address, pages): (usize, String, u64)| {
        let count = if pages == 1 { "1 page".to_owned() } else { format!("{} pages", grouped(pages)) };
        view! {
            <li>
                <Button size=ButtonSize::Small on_press=move |()| cell.set(Some(number))>
                    <code>{address}</code>
                </Button>
                <span class="secondary">{count}</span>
            </li>
        }
    };
    dynamic(move || {
        let found = found.get().filter(|found| !found.is_empty())?;
        Some(view! {
            <div class="compare-most">
                <h3>"Most changed"</h3>
                <ol>{found.into_iter().map(row).collect_view()}</ol>
            </div>
        })
    })
}

#[cfg(test)]
mod tests {
    use memdeck_model::MapPart;

    use super::*;

    #[test]
    fn a_cell_is_told_in_words() {
        let map = ComparisonMap {
            page_bytes: ByteCount(4096),
            cell_pages: 256,
            parts: vec![MapPart { address: GuestPhysAddr(0x10_0000), pages: 257, first_cell: 0 }],
            changed: vec![1200, 0],
            new: vec![2, 0],
            zeroed: vec![0, 0],
            moved: vec![0, 0],
            entropy_before: vec![12, 0],
            entropy_after: vec![799, 0],
        };
        assert_eq!(
            about(&map, 0),
            [
                "0x100000, 1.00 MiB",
                "256 pages: 1,200 with other content, 2 empty before.",
                "Entropy 0.12 before, 7.99 after, in bits per byte."
            ]
        );
        assert_eq!(about(&map, 1)[..2], ["0x200000, 4.00 KiB", "1 page: nothing changed."]);
        assert!(about(&map, 2).is_empty());
    }
}
