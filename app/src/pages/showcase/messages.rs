//! What the page says: states, progress, waiting, emptiness, failure, notifications.

use leptos::prelude::*;

use super::Specimen;
use crate::ui::{
    Badge, Button, Card, EmptyState, Failure, Icon, ProgressBar, Skeleton, ToastKind, Toaster, Tone, Unknown,
};

/// Everything that says something.
#[component]
pub fn Messages() -> impl IntoView {
    let toaster = Toaster::expect();
    let retried = RwSignal::new(0_u32);
    let toasts = [
        ("Success", ToastKind::Success, "web-01 was dumped and hashed."),
        ("Info", ToastKind::Info, "memdeck was updated to 0.2.0."),
        ("Warning", ToastKind::Warning, "web-01 was dumped frozen, because it cannot migrate."),
        ("Error", ToastKind::Error, "The dump of web-01 failed: the guest is gone"),
    ];
    view! {
        <Card id="showcase-messages" title="Messages">
            <Specimen name="Badges">
                <Badge tone=Tone::Active icon=Icon::Activity>"running"</Badge>
                <Badge tone=Tone::Good icon=Icon::Check>"completed"</Badge>
                <Badge tone=Tone::Waiting icon=Icon::Clock>"queued"</Badge>
                <Badge tone=Tone::Bad icon=Icon::Alert>"failed"</Badge>
                <Badge icon=Icon::Ban>"cancelled"</Badge>
                <Badge>"live"</Badge>
            </Specimen>
            <Specimen name="Progress">
                <ProgressBar percent=Some(0.0) label="Nothing yet" />
                <ProgressBar percent=Some(42.5) label="Less than a half" />
                <ProgressBar percent=Some(100.0) label="All" />
                <ProgressBar percent=None label="The end is not known" />
            </Specimen>
            <Specimen name="Toasts">
                {toasts
                    .map(|(name, kind, text)| view! {
                        <Button on_press=move |()| toaster.show(kind, text)>{name}</Button>
                    })
                    .collect_view()}
            </Specimen>
            <Specimen name="Failure">
                <Failure
                    title="The guests could not be loaded."
                    detail=Signal::derive(move || format!("The server does not answer. Retried {} times.", retried.get()))
                    on_retry=move |()| retried.update(|count| *count += 1)
                />
            </Specimen>
            <Specimen name="Loading">
                <Skeleton rows=3 label="Loading nothing" />
            </Specimen>
            <Specimen name="Empty">
                <EmptyState title="No dumps yet">
                    "Select a guest and press “Dump selected”."
                </EmptyState>
            </Specimen>
            <Specimen name="Unknown">
                <Unknown what="hash" />
            </Specimen>
        </Card>
    }
}
