//! Short messages in the corner, in addition to what the page shows where it happened.

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;

use super::erase::handler;
use super::icon::{Icon, IconView};
use super::show::list;

/// What a toast reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToastKind {
    /// Something was done. Goes after 5 s.
    Success,
    /// Something is to be known. Goes after 5 s.
    Info,
    /// Something was done, but not as it was wanted. Goes after 15 s.
    Warning,
    /// Something failed. Goes after 15 s.
    Error,
}

impl ToastKind {
    fn stays_ms(self) -> u32 {
        match self {
            Self::Success | Self::Info => 5_000,
            Self::Warning | Self::Error => 15_000,
        }
    }

    fn icon(self) -> Icon {
        match self {
            Self::Success => Icon::Check,
            Self::Info => Icon::Info,
            Self::Warning | Self::Error => Icon::Alert,
        }
    }

    /// Whether a screen reader breaks off what it says for it.
    fn is_urgent(self) -> bool {
        matches!(self, Self::Warning | Self::Error)
    }

    fn class(self) -> &'static str {
        match self {
            Self::Success => "toast toast-success",
            Self::Info => "toast toast-info",
            Self::Warning => "toast toast-warning",
            Self::Error => "toast toast-error",
        }
    }
}

#[derive(Clone, PartialEq)]
struct Toast {
    id: u64,
    kind: ToastKind,
    text: String,
}

/// More than this at once would cover the page.
const MOST: usize = 4;

/// Shows toasts.
#[derive(Clone, Copy)]
pub struct Toaster {
    toasts: RwSignal<Vec<Toast>>,
    last_id: StoredValue<u64>,
}

impl Toaster {
    /// Provides a toaster to every part of the page.
    pub fn provide() {
        provide_context(Self { toasts: RwSignal::new(Vec::new()), last_id: StoredValue::new(0) });
    }

    /// The toaster that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Shows `text`.
    pub fn show(self, kind: ToastKind, text: impl Into<String>) {
        let id = self.last_id.get_value().wrapping_add(1);
        self.last_id.set_value(id);
        self.toasts.update(|toasts| {
            if toasts.len() >= MOST {
                toasts.remove(0);
            }
            toasts.push(Toast { id, kind, text: text.into() });
        });
    }

    fn dismiss(self, id: u64) {
        self.toasts.update(|toasts| toasts.retain(|toast| toast.id != id));
    }

    fn of(self, urgent: bool) -> Vec<Toast> {
        self.toasts
            .with(|toasts| toasts.iter().filter(|toast| toast.kind.is_urgent() == urgent).cloned().collect())
    }
}

/// The corner where toasts appear. Both live regions are always there: a reader announces what is added to them.
#[component]
pub fn ToastRegion() -> impl IntoView {
    let toaster = Toaster::expect();
    let toasts = move |urgent| {
        list(move || toaster.of(urgent), |toast| toast.id.to_string(), |toast| view! { <ToastView toast /> })
    };
    view! {
        <section class="toast-region" aria-label="Notifications">
            <div role="alert">{toasts(true)}</div>
            <div role="status">{toasts(false)}</div>
        </section>
    }
}

#[component]
fn ToastView(toast: Toast) -> impl IntoView {
    const STEP_MS: u32 = 250;
    let toaster = Toaster::expect();
    let Toast { id, kind, text } = toast;
    let is_held = RwSignal::new(false);
    leptos::task::spawn_local(async move {
        let mut left_ms = kind.stays_ms();
        while left_ms > 0 {
            TimeoutFuture::new(STEP_MS).await;
            match is_held.try_get_untracked() {
                Some(false) => left_ms = left_ms.saturating_sub(STEP_MS),
                Some(true) => {}
                None => return,
            }
        }
        toaster.dismiss(id);
    });
    view! {
        <div
            class=kind.class()
            on:mouseenter=handler(move |_| is_held.set(true))
            on:mouseleave=handler(move |_| is_held.set(false))
            on:focusin=handler(move |_| is_held.set(true))
            on:focusout=handler(move |_| is_held.set(false))
        >
            <IconView icon=kind.icon() />
            <p class="toast-text">{text}</p>
            <button
                type="button"
                class="button button-quiet button-small button-icon"
                aria-label="Dismiss this notification"
                on:click=handler(move |_| toaster.dismiss(id))
            >
                <IconView icon=Icon::Close />
            </button>
        </div>
    }
}
