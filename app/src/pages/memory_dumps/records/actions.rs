//! What can be done with one dump of the table: see its details, verify, download, delete its image.

use leptos::prelude::*;
use memdeck_model::{DumpId, Permission, Record};

use super::super::downloads::{Size, downloads};
use super::super::state::DumpsState;
use super::Deleted;
use crate::base;
use crate::data::{NO_IMAGE, is_out_of_reach};
use crate::shortcuts::focus_on;
use crate::ui::erase::{dynamic, follow, handler, memo};
use crate::ui::{Icon, IconView, Menu, MenuItem, MenuLink, Moment, Show, Unknown};
use crate::words::{by_whom, shown};

/// The id of the link to the details of a dump.
fn link_id(dump: &str) -> String {
    format!("details-of-{dump}")
}

/// Puts the focus on the link to the details of a dump after a dialog about it, where nothing else has it: what opened
/// the dialog may be gone, or it was opened by its address.
pub fn focus_in_row(dump: String) {
    leptos::task::spawn_local(async move {
        // The browser returns the focus first.
        gloo_timers::future::TimeoutFuture::new(0).await;
        let has_focus = document().active_element().is_some_and(|element| element.tag_name() != "BODY");
        if !has_focus {
            focus_on(&link_id(&dump));
        }
    });
}

/// The link to the details, and a menu with the rest; what happened instead to an image that was deleted.
#[component]
pub fn RecordActions(record: Record) -> impl IntoView {
    match record.dump_id.clone() {
        Some(id) => view! { <Actions id record /> }.into_any(),
        // A record of a service that names no dumps: nothing can be asked about it.
        None => view! { <Unknown what="dump id" /> }.into_any(),
    }
}

#[component]
fn Actions(id: DumpId, record: Record) -> impl IntoView {
    let state = DumpsState::expect();
    let records = state.records;
    let guest = shown(&record.dom.0);
    let dump = StoredValue::new(id.as_str().to_owned());
    let href =
        move || dump.with_value(|dump| base::href(&records.view.with(|view| view.with_details(dump).href())));
    let open = move |event: leptos::ev::MouseEvent| {
        let wants_other_tab = event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key();
        if event.button() == 0 && !wants_other_tab {
            event.prevent_default();
            dump.with_value(|dump| records.open_details(dump));
        }
    };
    let deleted = {
        let id = id.clone();
        memo(move || records.deletion_of(&id))
    };
    let can_images = state.data.overview.can(|service| service.images);
    let kept = StoredValue::new(record.clone());
    let is_far = memo(move || kept.with_value(|record| is_out_of_reach(record, can_images.get())));
    let may_nothing = memo(move || {
        let any = [Permission::Verify, Permission::ReadMemory, Permission::Delete];
        let rights = state.data.overview.rights();
        any.into_iter().all(|permission| !rights.may(permission))
    });
    let no_actions = format!("Actions for {guest}");
    view! {
        <span class="record-buttons">
            <a
                class="button button-small record-details"
                id=link_id(id.as_str())
                href=follow(href)
                aria-label=format!("Details of {guest}")
                on:click=handler(open)
            >
                "Details"
            </a>
            {dynamic(move || match deleted.get() {
                Some(deleted) => deletion(&deleted),
                None if may_nothing.get() => ().into_any(),
                None if is_far.get() => impossible(no_actions.clone()),
                None => view! { <More id=id.clone() record=record.clone() /> }.into_any(),
            })}
        </span>
    }
}

fn impossible(label: String) -> AnyView {
    view! {
        <button
            type="button"
            class="button button-quiet button-small button-icon"
            aria-disabled="true"
            aria-label=label
            title=NO_IMAGE
        >
            <IconView icon=Icon::More />
        </button>
    }
    .into_any()
}

fn deletion(deleted: &Deleted) -> AnyView {
    let by = deleted.by.as_ref().map(by_whom);
    let title = by.clone();
    view! {
        <span class="record-deleted" title=title>
            <span class="unbroken">"Deleted "</span>
            <span class="unbroken">
                <Moment instant=deleted.at />
            </span>
            <span class="record-deleted-by">{by.map(|by| format!(" {by}"))}</span>
        </span>
    }
    .into_any()
}

/// The menu of what can be done with an image that is there.
#[component]
fn More(id: DumpId, record: Record) -> impl IntoView {
    let state = DumpsState::expect();
    let guest = shown(&record.dom.0);
    let label = format!("Actions for {guest}");
    let kept = StoredValue::new((id, record));
    let verify = move |()| {
        let (id, record) = kept.get_value();
        state.data.verifications.begin(id, shown(&record.dom.0));
    };
    let explain = move |()| {
        let (id, record) = kept.get_value();
        state.explain_download(id, shown(&record.dom.0));
    };
    let delete = move |()| state.deleting.set(kept.with_value(|(_, record)| Some(record.clone())));
    let overview = state.data.overview;
    let (may_verify, may_read, may_delete) = (
        overview.may(Permission::Verify),
        overview.may(Permission::ReadMemory),
        overview.may(Permission::Delete),
    );
    view! {
        <Menu label button=|| view! { <IconView icon=Icon::More /> }>
            <Show when=move || may_verify.get()>
                <MenuItem on_choose=verify>
                    <IconView icon=Icon::Check />
                    "Verify now"
                </MenuItem>
            </Show>
            {dynamic(move || may_read.get().then(|| kept.with_value(|(id, record)| downloads(id, record, &[]))
                .into_iter()
                .map(|download| {
                    let size = match download.size {
                        Size::Known(bytes) => bytes.to_string(),
                        Size::KnownAfterwards | Size::NotTold => String::new(),
                    };
                    view! {
                        <MenuLink href=download.href file_name=download.file_name.unwrap_or_default() on_choose=explain>
                            <IconView icon=Icon::Download />
                            <span class="menu-item-text">
                                <span class="visually-hidden">"Download "</span>
                                {download.name}
                            </span>
                            <span class="secondary number">{size}</span>
                        </MenuLink>
                    }
                })
                .collect_view()))}
            <Show when=move || may_delete.get()>
                <MenuItem on_choose=delete danger=true>
                    <IconView icon=Icon::Trash />
                    "Delete the image…"
                </MenuItem>
            </Show>
        </Menu>
    }
}
