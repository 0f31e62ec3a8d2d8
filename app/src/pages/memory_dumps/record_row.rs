//! One finished dump.

use leptos::prelude::*;
use memdeck_model::{ByteCount, CaptureMode, Record, Remark};

use super::mode_words::because;
use super::paging;
use super::records_table::COLUMNS;
use super::state::State;
use crate::ui::{CopyButton, Instant, Unknown};

/// As many characters of a hash as tell dumps apart at a glance.
const HASH_SHOWN: usize = 16;

/// A row of eight cells; a labelled card on a narrow screen.
#[component]
pub fn RecordRow(record: Record) -> impl IntoView {
    let has_arrived =
        State::expect().arrived.with_value(|arrived| arrived.contains(&paging::key_of(&record)));
    let [id, name, timestamp, duration, hash, path, size, pause] = COLUMNS;
    let vm = record.dom.0.clone();
    let sizes = sizes_in_full(&record);
    view! {
        <tr role="row" class:has-arrived=has_arrived>
            <td role="cell" data-label=id class="number">{known_text(record.vmid, "VM id")}</td>
            <td role="cell" data-label=name class="record-name">
                {record.dom.0}
                {record.case.map(|case| view! { <CaseNumber case /> })}
            </td>
            <td role="cell" data-label=timestamp class="number">
                <Instant instant=record.timestamp />
            </td>
            <td role="cell" data-label=duration class="number record-duration">
                {known(record.duration_sec, "duration", |seconds| format!("{seconds:.2} s"))}
            </td>
            <td role="cell" data-label=hash class="record-cell-wide">
                {match record.sha256 {
                    Some(hash) => view! { <Hash hash vm /> }.into_any(),
                    None => view! { <Unknown what="hash" /> }.into_any(),
                }}
            </td>
            <td role="cell" data-label=path class="record-path">
                {match record.dump_path {
                    Some(path) => view! { <code title=path.clone()>{file_name(&path).to_owned()}</code> }.into_any(),
                    None => view! { <Unknown what="dump path" /> }.into_any(),
                }}
            </td>
            <td role="cell" data-label=size class="number" title=sizes>
                <span class="record-size">
                    {known(record.gzip_size_bytes, "compressed size", |bytes| bytes.to_string())}
                    {record.raw_size_bytes.map(|raw| view! { <span class="secondary">{format!("of {raw}")}</span> })}
                </span>
            </td>
            <td role="cell" data-label=pause class="number record-pause">
                <span class="record-pause-line">
                    {known(record.pause_ms, "guest pause", |pause| pause.to_string())}
                    {record.mode.map(|mode| view! { <Mode mode fallback=record.fallback /> })}
                </span>
            </td>
        </tr>
    }
}

#[component]
fn CaseNumber(case: Remark) -> impl IntoView {
    let case = String::from(case);
    let title = case.clone();
    view! {
        <span class="record-case" title=title>
            <span class="visually-hidden">"Case "</span>
            {case}
        </span>
    }
}

/// The mode; why it is not the first choice stands behind it.
#[component]
fn Mode(mode: CaptureMode, fallback: Option<String>) -> impl IntoView {
    let why = fallback.map(|reason| because(Some(mode), &reason));
    let hidden = why.clone();
    view! {
        <span class="record-mode" title=why>
            {mode.as_str()}
            {hidden.map(|why| view! { <span class="visually-hidden">{format!(". {why}")}</span> })}
        </span>
    }
}

#[component]
fn Hash(hash: String, vm: String) -> impl IntoView {
    let shown: String = hash.chars().take(HASH_SHOWN).collect();
    view! {
        <span class="record-hash">
            <code title=hash.clone()>{shown}<span aria-hidden="true">"…"</span></code>
            <CopyButton text=hash what=format!("SHA-256 of {vm}") />
        </span>
    }
}

fn known<T>(value: Option<T>, what: &'static str, show: fn(T) -> String) -> AnyView {
    match value {
        Some(value) => show(value).into_any(),
        None => view! { <Unknown what /> }.into_any(),
    }
}

fn known_text(text: String, what: &'static str) -> AnyView {
    known((!text.is_empty()).then_some(text), what, |text| text)
}

/// What stands after the last slash.
fn file_name(path: &str) -> &str {
    path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path)
}

fn sizes_in_full(record: &Record) -> String {
    let in_full = |bytes: Option<ByteCount>, what| bytes.map(|bytes| format!("{} bytes {what}", bytes.0));
    let parts =
        [in_full(record.gzip_size_bytes, "compressed"), in_full(record.raw_size_bytes, "uncompressed")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_is_the_last_part_of_a_path() {
        let names = ["/var/dumps/4_1795.mem", "4.mem", "/dumps/", "/", ""].map(file_name);
        assert_eq!(names, ["4_1795.mem", "4.mem", "dumps", "/", ""]);
    }
}
