//! The bytes around what was found, as hexadecimal digits and as text.

use std::fmt::Write as _;

use leptos::prelude::*;
use memdeck_model::FoundHit;

/// Bytes that belong together: before what was found, itself, or behind it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Span {
    /// In groups of four bytes, counted from the first byte of all.
    hex: String,
    /// Printable ASCII; a point for all else.
    text: String,
}

/// Digits and text, in both of which what was found is marked.
pub fn around_view(hit: &FoundHit) -> AnyView {
    if hit.around.is_empty() {
        return view! { <span class="secondary">"The whole page"</span> }.into_any();
    }
    let [before, found, behind] = spans(hit);
    view! {
        <span class="hunt-around">
            <code class="hunt-hex">{before.hex} <mark>{found.hex}</mark> {behind.hex}</code>
            <code class="hunt-text">{before.text} <mark>{found.text}</mark> {behind.text}</code>
        </span>
    }
    .into_any()
}

fn spans(hit: &FoundHit) -> [Span; 3] {
    let before = usize::try_from(hit.address.0.saturating_sub(hit.around_address.0)).unwrap_or(usize::MAX);
    let end = before.saturating_add(usize::try_from(hit.bytes).unwrap_or(usize::MAX));
    let mut spans: [Span; 3] = Default::default();
    let [first, found, behind] = &mut spans;
    for (place, byte) in hit.around.iter().enumerate() {
        let span = if place < before {
            &mut *first
        } else if place < end {
            &mut *found
        } else {
            &mut *behind
        };
        let gap = if place > 0 && place.is_multiple_of(4) { " " } else { "" };
        let _ = write!(span.hex, "{gap}{byte:02x}");
        span.text.push(char::from(if byte.is_ascii_graphic() || *byte == b' ' { *byte } else { b'.' }));
    }
    // The gap before what was found is no part of it.
    if let Some(digits) = found.hex.strip_prefix(' ') {
        found.hex = digits.to_owned();
        first.hex.push(' ');
    }
    spans
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestName, GuestPhysAddr, HuntId};

    use super::*;

    fn hit(around: &[u8], before: u64, bytes: u32) -> FoundHit {
        FoundHit {
            number: 1,
            dump_id: HuntId::from_uuid_bits(1).as_str().parse().unwrap(),
            guest: GuestName("web".to_owned()),
            taken_at: std::time::UNIX_EPOCH.into(),
            pattern: "cd".to_owned(),
            address: GuestPhysAddr(0x1000 + before),
            bytes,
            around_address: GuestPhysAddr(0x1000),
            around: around.to_vec(),
            owners: None,
        }
    }

    fn told(hit: &FoundHit) -> [(String, String); 3] {
        spans(hit).map(|span| (span.hex, span.text))
    }

    #[test]
    fn what_was_found_is_told_apart_from_what_is_around() {
        let told_as = |parts: [(&str, &str); 3]| parts.map(|(hex, text)| (hex.to_owned(), text.to_owned()));
        assert_eq!(
            told(&hit(b"a\0bcdefg h", 4, 3)),
            told_as([("61006263 ", "a.bc"), ("646566", "def"), ("67 2068", "g h")])
        );
        assert_eq!(told(&hit(b"abc", 0, 3)), told_as([("", ""), ("616263", "abc"), ("", "")]));
        assert_eq!(told(&hit(b"abcdef", 3, 900)), told_as([("616263", "abc"), ("64 6566", "def"), ("", "")]));
    }
}
