//! Buttons, menus, dialogs, icons.

use leptos::prelude::*;

use super::Specimen;
use crate::ui::{
    Button, ButtonKind, ButtonSize, Card, CopyButton, Dialog, Icon, IconView, Menu, MenuItem, MenuLink,
    ThemeSwitch, Tooltip,
};

/// What can be pressed.
#[component]
pub fn Actions() -> impl IntoView {
    let pressed = RwSignal::new(0_u32);
    let press = move |()| pressed.update(|count| *count += 1);
    let chosen = RwSignal::new("nothing");
    let kinds = [
        ("Primary", ButtonKind::Primary),
        ("Secondary", ButtonKind::Secondary),
        ("Quiet", ButtonKind::Quiet),
        ("Danger", ButtonKind::Danger),
    ];
    let row = move |size, disabled: bool, busy: bool| {
        kinds
            .map(|(name, kind)| {
                view! {
                    <Button kind size disabled=disabled busy=busy on_press=press described_by="pressed">
                        {name}
                    </Button>
                }
            })
            .collect_view()
    };
    view! {
        <Card id="showcase-actions" title="Actions">
            <Specimen name="Buttons">{row(ButtonSize::Regular, false, false)}</Specimen>
            <Specimen name="Small">{row(ButtonSize::Small, false, false)}</Specimen>
            <Specimen name="Busy">{row(ButtonSize::Regular, false, true)}</Specimen>
            <Specimen name="Disabled, with a reason">
                {row(ButtonSize::Regular, true, false)}
                <p class="secondary" id="pressed">
                    {move || format!("Pressed {} times; those that are disabled say so and do not count.", pressed.get())}
                </p>
            </Specimen>
            <Specimen name="Icon only">
                <Button icon_only=true label="Refresh" on_press=press>
                    <IconView icon=Icon::Refresh />
                </Button>
                <Button icon_only=true kind=ButtonKind::Quiet label="Delete" on_press=press>
                    <IconView icon=Icon::Trash />
                </Button>
            </Specimen>
            <Specimen name="Copy">
                <CopyButton text="36138e793704b278".to_owned() what="SHA-256 of web-01".to_owned() />
            </Specimen>
            <Specimen name="Menu">
                <Menu label="Actions for web-01" button=|| view! { <IconView icon=Icon::More /> }>
                    <MenuItem on_choose=move |()| chosen.set("verify")>
                        <IconView icon=Icon::Check />
                        "Verify now"
                    </MenuItem>
                    <MenuItem on_choose=move |()| chosen.set("download")>
                        <IconView icon=Icon::Download />
                        "Download"
                    </MenuItem>
                    <MenuLink href="/favicon.svg" file_name="icon.svg">
                        <IconView icon=Icon::Download />
                        "A file"
                    </MenuLink>
                    <MenuItem danger=true on_choose=move |()| chosen.set("delete")>
                        <IconView icon=Icon::Trash />
                        "Delete…"
                    </MenuItem>
                </Menu>
                <span class="secondary">{move || format!("Chosen: {}", chosen.get())}</span>
            </Specimen>
            <Specimen name="Tooltip">
                <Tooltip id="showcase-tooltip" text="Read back from disk and compared with its hash">
                    <Button on_press=press described_by="showcase-tooltip">"Verify now"</Button>
                </Tooltip>
            </Specimen>
            <Specimen name="Theme">
                <ThemeSwitch name="showcase-theme" />
            </Specimen>
            <Specimen name="Dialogs">
                <Dialogs />
            </Specimen>
            <Specimen name="Icons">
                <span class="specimen-icons">
                    {Icon::ALL.map(|icon| view! { <IconView icon /> }).collect_view()}
                </span>
            </Specimen>
        </Card>
    }
}

#[component]
fn Dialogs() -> impl IntoView {
    let plain = RwSignal::new(false);
    let destructive = RwSignal::new(false);
    view! {
        <Button on_press=move |()| plain.set(true)>"Open a dialog"</Button>
        <Button on_press=move |()| destructive.set(true)>"Open one that asks"</Button>
        <Dialog open=plain id="showcase-dialog" title="Details of a dump" wide=true>
            <p>"Closed by Esc, by the button in the corner, and by a press outside. The focus returns to where it was."</p>
        </Dialog>
        <Dialog open=destructive id="showcase-question" title="Delete the image of web-01?">
            <p>"28.9 MiB are removed from the disk. The record stays, marked as deleted."</p>
            <div class="dialog-buttons">
                <Button autofocus=true on_press=move |()| destructive.set(false)>"Keep it"</Button>
                <Button kind=ButtonKind::Danger on_press=move |()| destructive.set(false)>"Delete"</Button>
            </div>
        </Dialog>
    }
}
