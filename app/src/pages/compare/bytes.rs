//! The bytes that both dumps have of one page, side by side.

use std::fmt::Write as _;

use leptos::prelude::*;
use memdeck_model::ComparedBytes;

use super::state::State;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Button, ButtonSize, Card, Failure, Show, Skeleton, Switch};

/// Bytes of a line.
const WIDTH: usize = 16;

#[component]
pub fn Bytes() -> impl IntoView {
    let state = State::expect();
    let page = memo(move || state.view.with(|view| view.page));
    let problem = state.bytes.why_failed();
    let with_equal = RwSignal::new(false);
    let fetched = memo(move || {
        let page = page.get();
        state.bytes.with_data(|bytes| (Some(bytes.address) == page).then(|| bytes.clone())).flatten()
    });
    let lines = move || {
        let with_equal = with_equal.get();
        fetched.with(|bytes| bytes.as_ref().map(|bytes| table(bytes, with_equal)))
    };
    let close = move |()| state.show_page(None);
    view! {
        <Show when=move || page.with(Option::is_some)>
            <Card id="compare-bytes" title="Bytes of a page" class="compare-bytes">
                <div class="compare-map-tools">
                    <p class="compare-part">
                        {dynamic(move || page.get().map(|page| view! { <code>{page.to_string()}</code> }))}
                    </p>
                    <Switch on=with_equal on_change=move |on: bool| with_equal.set(on)>
                        "Lines that are equal too"
                    </Switch>
                    <Button size=ButtonSize::Small on_press=close>
                        "Close"
                    </Button>
                </div>
                <Show when=move || problem.with(Option::is_some)>
                    <Failure
                        title="The bytes could not be read."
                        detail=Signal::derive(move || problem.get().unwrap_or_default())
                    />
                </Show>
                <Show when=move || fetched.with(Option::is_none) && problem.with(Option::is_none)>
                    <Skeleton rows=6 label="Reading the page" />
                </Show>
                {dynamic(lines)}
            </Card>
        </Show>
    }
}

fn table(bytes: &ComparedBytes, with_equal: bool) -> AnyView {
    let missing = match (&bytes.first, &bytes.second) {
        (None, _) => Some("The dump before has no such page."),
        (_, None) => Some("The dump after has no such page."),
        _ => None,
    };
    let all = lines(bytes);
    let count = all.len();
    let shown: Vec<_> = all.into_iter().filter(|line| with_equal || line.is_different()).collect();
    let left_out = count.saturating_sub(shown.len());
    let note = match (shown.is_empty(), left_out) {
        (true, _) => Some("Both dumps have the same bytes here.".to_owned()),
        (false, 0) => None,
        (false, 1) => Some("1 equal line is not shown.".to_owned()),
        (false, equal) => Some(format!("{equal} equal lines are not shown.")),
    };
    let row = |line: Line| {
        view! {
            <div class="bytes-line" role="row">
                <span class="bytes-address" role="rowheader">
                    {line.address.clone()}
                </span>
                {half(&line.first, "Before")}
                {half(&line.second, "After")}
            </div>
        }
    };
    view! {
        {missing.map(|missing| view! { <p>{missing}</p> })}
        <div class="bytes" role="table" aria-label="Bytes of the page, before and after">
            <div class="bytes-line bytes-head" role="row">
                <span role="columnheader">"Address"</span>
                <span role="columnheader">"Before"</span>
                <span role="columnheader">"After"</span>
            </div>
            {shown.into_iter().map(row).collect_view()}
        </div>
        {note.map(|note| view! { <p class="secondary">{note}</p> })}
    }
    .into_any()
}

/// One dump's bytes of a line; those that the other one has otherwise are marked.
fn half(spans: &[Span], which: &'static str) -> AnyView {
    let mark = |text: &str, is_different: bool| {
        if is_different {
            view! { <mark>{text.to_owned()}</mark> }.into_any()
        } else {
            text.to_owned().into_any()
        }
    };
    let hex = spans.iter().map(|span| mark(&span.hex, span.is_different)).collect_view();
    let text = spans.iter().map(|span| mark(&span.text, span.is_different)).collect_view();
    view! {
        <span class="bytes-half" role="cell">
            <span class="bytes-which" aria-hidden="true">{which}</span>
            <code class="bytes-hex">{hex}</code>
            <code class="bytes-text" aria-hidden="true">{text}</code>
        </span>
    }
    .into_any()
}

/// Bytes that stand together and are all equal to the other dump's, or all different.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    is_different: bool,
    /// In groups of four bytes.
    hex: String,
    /// Printable ASCII; a point for all else.
    text: String,
}

struct Line {
    address: String,
    first: Vec<Span>,
    second: Vec<Span>,
}

impl Line {
    fn is_different(&self) -> bool {
        self.first.iter().chain(&self.second).any(|span| span.is_different)
    }
}

fn lines(bytes: &ComparedBytes) -> Vec<Line> {
    let (first, second) =
        (bytes.first.as_deref().unwrap_or_default(), bytes.second.as_deref().unwrap_or_default());
    let length = first.len().max(second.len());
    let line = |start: usize| {
        let part = |of: &[u8]| of.iter().skip(start).take(WIDTH).copied().collect::<Vec<_>>();
        let (one, other) = (part(first), part(second));
        let address = bytes.address.0.saturating_add(u64::try_from(start).unwrap_or(0));
        Line { address: format!("{address:#x}"), first: spans(&one, &other), second: spans(&other, &one) }
    };
    (0..length).step_by(WIDTH).map(line).collect()
}

fn spans(own: &[u8], others: &[u8]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (place, byte) in own.iter().enumerate() {
        let is_different = others.get(place) != Some(byte);
        let gap = if place > 0 && place.is_multiple_of(4) { " " } else { "" };
        let text = char::from(if byte.is_ascii_graphic() || *byte == b' ' { *byte } else { b'.' });
        match spans.last_mut() {
            Some(span) if span.is_different == is_different => {
                let _ = write!(span.hex, "{gap}{byte:02x}");
                span.text.push(text);
            }
            _ => spans.push(Span { is_different, hex: format!("{gap}{byte:02x}"), text: text.to_string() }),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestPhysAddr;

    use super::*;

    #[test]
    fn what_differs_is_told_apart_in_both_halves() {
        let span =
            |is_different, hex: &str, text: &str| Span { is_different, hex: hex.into(), text: text.into() };
        assert_eq!(
            spans(b"abcdef", b"abXXef"),
            [span(false, "6162", "ab"), span(true, "6364", "cd"), span(false, " 6566", "ef")]
        );
        assert_eq!(spans(&[0, 255], &[]), [span(true, "00ff", "..")]);
    }

    #[test]
    fn a_page_is_told_in_lines_of_sixteen_bytes_with_their_addresses() {
        let mut other = vec![0; 4096];
        other[4095] = 1;
        let bytes =
            ComparedBytes { address: GuestPhysAddr(0x2000), first: Some(vec![0; 4096]), second: Some(other) };
        let lines = lines(&bytes);
        assert_eq!(lines.len(), 256);
        let different: Vec<_> =
            lines.iter().filter(|line| line.is_different()).map(|line| line.address.as_str()).collect();
        assert_eq!(different, ["0x2ff0"]);
        let missing = ComparedBytes { second: None, ..bytes };
        assert!(super::lines(&missing).iter().all(Line::is_different));
    }
}
