//! One finished dump.

use leptos::prelude::*;
use memdeck_model::{ByteCount, CaptureMode, DumpId, ForeignRow, Message, Millis, Record, Remark, decimal};

use super::super::state::DumpsState;
use super::actions::RecordActions;
use super::table::{ACTIONS, COLUMNS, size_column};
use super::view::SizeShown;
use crate::data::verification_in_words;
use crate::ui::erase::{dynamic, follow, memo};
use crate::ui::{Badge, CopyButton, Icon, Instant, Tone, Unknown};
use crate::words::{because, shown};

/// As many characters of a hash as distinguish dumps at a glance.
const HASH_SHOWN: usize = 16;

/// A row of eight cells; a labelled card on a narrow screen.
#[component]
pub fn RecordRow(record: Record) -> impl IntoView {
    let records = DumpsState::expect().records;
    let has_arrived = records.has_arrived(&record);
    let [id, name, timestamp, duration, hash, path] = COLUMNS.map(|(_, name)| name);
    let size = memo(move || records.view.with(|view| view.size));
    let vm = shown(&record.dom.0);
    let sizes = sizes_in_full(&record);
    let (compressed, raw) = (record.gzip_size_bytes, record.raw_size_bytes);
    let verification = record.dump_id.clone().map(|id| view! { <Verified id /> });
    let actions = record.clone();
    view! {
        <tr role="row" class:has-arrived=has_arrived>
            <td role="cell" data-label=id class="number record-id">
                {known_text(record.vmid, "VM id")}
            </td>
            <td role="cell" data-label=name class="record-name">
                {known(Some(&record.dom.0).filter(|name| !name.is_empty()), "name", |name| shown(name))}
                {(!record.ok).then(|| view! { " " <Badge tone=Tone::Bad icon=Icon::Alert>"Failed"</Badge> })}
                {record.foreign.map(|foreign| view! { <WrittenByOthers foreign /> })}
                {record.case.map(|case| view! { <CaseNumber case /> })}
            </td>
            <td role="cell" data-label=timestamp class="number record-time">
                <Instant instant=record.timestamp />
            </td>
            <td role="cell" data-label=duration class="number record-duration">
                {known(record.duration_sec, "duration", |seconds| format!("{} s", decimal(seconds, 2)))}
                <HowTaken mode=record.mode pause=record.pause_ms fallback=record.fallback />
            </td>
            <td role="cell" data-label=hash class="record-cell-wide">
                {match record.sha256 {
                    Some(hash) => view! { <Hash hash vm=vm.clone() /> }.into_any(),
                    None => view! { <Unknown what="hash" in_full=true /> }.into_any(),
                }}
                {verification}
            </td>
            <td role="cell" data-label=path class="record-path">
                {match record.dump_path {
                    Some(path) => view! { <DumpPath path vm /> }.into_any(),
                    None => view! { <Unknown what="dump path" /> }.into_any(),
                }}
            </td>
            <td
                role="cell"
                data-label=follow(move || size_column(size.get()))
                class="number record-size"
                title=sizes
            >
                {dynamic(move || match size.get() {
                    SizeShown::Compressed => known(compressed, "compressed size", |bytes| bytes.to_string()),
                    SizeShown::Raw => known(raw, "raw size", |bytes| bytes.to_string()),
                })}
            </td>
            <td role="cell" data-label=ACTIONS class="record-actions">
                <RecordActions record=actions />
            </td>
        </tr>
    }
}

/// Marks a record that no memdeck wrote.
#[component]
fn WrittenByOthers(foreign: ForeignRow) -> impl IntoView {
    let (icon, word, sentence) = match foreign {
        ForeignRow::Whole => (Icon::Info, "Other tool", "Read from InfluxDB: another tool took this dump."),
        ForeignRow::Partly => (
            Icon::Alert,
            "Other tool, incomplete",
            "Read from InfluxDB: another tool took this dump, and not all of its row could be understood.",
        ),
    };
    view! {
        " "
        <span title=sentence>
            <Badge icon>{word}</Badge>
        </span>
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

/// The mode and how long the guest was stopped; why the mode is not the first choice stands behind it.
#[component]
fn HowTaken(mode: Option<CaptureMode>, pause: Option<Millis>, fallback: Option<Message>) -> impl IntoView {
    let why = fallback.map(|reason| because(mode, &reason));
    let hidden = why.clone();
    let between = if mode.is_some() && pause.is_some() { " · " } else { "" };
    (mode.is_some() || pause.is_some()).then(|| {
        view! {
            <span class="record-mode" title=why>
                {mode.map(CaptureMode::as_str)}
                {between}
                {pause.map(|pause| view! {
                    <span class="unbroken">
                        {pause.to_string()} <span class="record-pause-word">" pause"</span>
                    </span>
                })}
                {hidden.map(|why| view! { <span class="visually-hidden">{format!(". {why}")}</span> })}
            </span>
        }
    })
}

/// How far the newest verification of the image is, or what it found; nothing if there was none.
#[component]
fn Verified(id: DumpId) -> impl IntoView {
    let state = DumpsState::expect();
    let is_deleted = {
        let id = id.clone();
        memo(move || state.records.deletion_of(&id).is_some())
    };
    let newest =
        memo(move || state.data.verifications.with(|known| known.of(&id).and_then(verification_in_words)));
    dynamic(move || {
        newest.get().filter(|_| !is_deleted.get()).map(|told| {
            view! {
                <span class="record-verified" title=told.sentence>
                    <Badge tone=told.tone icon=told.icon>
                        {told.word}
                    </Badge>
                </span>
            }
        })
    })
}

#[component]
fn DumpPath(path: String, vm: String) -> impl IntoView {
    view! {
        <span class="record-file">
            <code title=path.clone()>{file_name(&path).to_owned()}</code>
            <CopyButton text=path what=format!("path of {vm}") />
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
