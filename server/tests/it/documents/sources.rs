//! What the sources say, and what a heading is called in a link.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::root;

/// The anchor that a heading gets, as GitHub makes it.
pub(super) fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// All Rust sources below these directories, but for the tests' own directories.
pub(super) fn sources(directories: &[&str]) -> String {
    let mut text = String::new();
    let mut rest: Vec<PathBuf> = directories.iter().map(|directory| root().join(directory)).collect();
    while let Some(directory) = rest.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                rest.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

/// What stands in the string literals of sources, whole: between values and tags, without blanks at its ends.
pub(super) fn labels(source: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    let mut rest = source;
    while let Some(start) = rest.find(['"', '\'', '/']) {
        let is_raw = rest[..start].trim_end_matches('#').ends_with('r');
        let hashes = rest[..start].len() - rest[..start].trim_end_matches('#').len();
        let (mark, after) = (&rest[start..=start], &rest[start + 1..]);
        rest = match mark {
            "/" if after.starts_with('/') => after.split_once('\n').map_or("", |(_, next)| next),
            // A character; else a lifetime.
            "'" => ["\"'", "\\\"'"].iter().find_map(|quote| after.strip_prefix(quote)).unwrap_or(after),
            "\"" => {
                let (literal, next) = if is_raw {
                    let end = format!("\"{}", "#".repeat(hashes));
                    let (literal, next) = after.split_once(&end).unwrap_or((after, ""));
                    (literal.to_owned(), next)
                } else {
                    let is_end = |place: &usize| {
                        let before = &after[..*place];
                        (before.len() - before.trim_end_matches('\\').len()) % 2 == 0
                    };
                    let end = after.match_indices('"').map(|(place, _)| place).find(is_end);
                    let (literal, next) = after.split_at(end.unwrap_or(after.len()));
                    (literal.replace("\\\"", "\""), next.get(1..).unwrap_or_default())
                };
                labels.extend(literal.split(['{', '}', '<', '>']).map(|part| part.trim().to_owned()));
                next
            }
            _ => after,
        };
    }
    labels
}

/// Sources as their messages are read: lines that go on joined, quotes plain, and `…` for every value.
pub(super) fn templates(source: &str) -> String {
    let mut joined = String::new();
    for line in source.lines() {
        let goes_on = line.trim_end().ends_with('\\');
        let line = if joined.ends_with('\\') {
            joined.pop();
            line.trim_start()
        } else {
            line
        };
        joined.push_str(if goes_on { line.trim_end() } else { line });
        if !goes_on {
            joined.push('\n');
        }
    }
    let mut text = String::new();
    let mut rest = joined.trim_end();
    while let Some(start) = rest.find('{') {
        let (before, value) = rest.split_at(start);
        text.push_str(before);
        // Values are short; other braces enclose code.
        let end = value.find('}').filter(|end| *end < 40 && !value[..*end].contains(['\n', '"', ' ']));
        if let Some(end) = end {
            text.push('…');
            rest = &value[end + 1..];
        } else {
            text.push('{');
            rest = &value[1..];
        }
    }
    text.push_str(rest);
    text.replace("\\\"", "\"")
}
