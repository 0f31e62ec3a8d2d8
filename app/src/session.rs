//! Whether the operator is signed in, as far as the page can know: what the server said when it sent the page, and
//! calls that were refused since. Signing in is a page of the server's; the cookie it sets is not seen here.

use std::sync::LazyLock;

use leptos::prelude::*;
use memdeck_model::{Problem, ProblemKind};

use crate::base;
use crate::ui::{Button, ButtonKind, Icon, IconView, Show};

/// What the server said when it sent this page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    /// Nobody needs to sign in.
    NotNeeded,
    /// The operator was signed in.
    SignedIn,
    /// The operator came from another site, and the browser did not say.
    Unknown,
}

impl Session {
    fn of_this_page() -> Self {
        let told = document().query_selector("meta[name=session]").ok().flatten();
        match told.and_then(|meta| meta.get_attribute("content")).as_deref() {
            Some("signed-in") => Self::SignedIn,
            Some("unknown") => Self::Unknown,
            _ => Self::NotNeeded,
        }
    }
}

static ENDED: LazyLock<ArcRwSignal<bool>> = LazyLock::new(|| ArcRwSignal::new(false));

/// Notes why a call was refused. A page that shows something keeps showing it and says that the session has ended; one
/// that was opened without a session leads to the sign-in.
pub fn note_refusal(problem: &Problem) {
    if problem.kind != ProblemKind::Unauthorized || !cfg!(target_arch = "wasm32") {
        return;
    }
    if Session::of_this_page() == Session::Unknown {
        let _ = window().location().replace(&sign_in_url());
    } else {
        ENDED.set(true);
    }
}

/// Where to sign in and come back to what is shown now.
fn sign_in_url() -> String {
    let location = window().location();
    let path = location.pathname().unwrap_or_default();
    // The server counts from its own root.
    let path = path.strip_prefix(base::path()).unwrap_or(&path);
    let here = format!("{path}{}", location.search().unwrap_or_default());
    format!("{}/sign-in?next={}", base::path(), String::from(js_sys::encode_uri_component(&here)))
}

/// Says that the session has ended, once it has, and leads to the sign-in.
#[component]
pub fn SessionEnded() -> impl IntoView {
    let ended = ENDED.clone();
    let sign_in = || {
        let _ = window().location().assign(&sign_in_url());
    };
    view! {
        <Show when=move || ended.get()>
            <div class="failure session-ended" role="alert">
                <span class="failure-icon">
                    <IconView icon=Icon::Alert />
                </span>
                <div class="failure-text">
                    <p class="failure-title">"Your session has ended."</p>
                    <p>"The page shows the last known state. Sign in again to continue."</p>
                </div>
                <Button kind=ButtonKind::Primary on_press=sign_in>
                    "Sign in again"
                </Button>
            </div>
        </Show>
    }
}

/// Signs the operator out; not there where nobody needs to sign in.
#[component]
pub fn SignOutButton() -> impl IntoView {
    (Session::of_this_page() != Session::NotNeeded).then(|| {
        // A form, as signing in is: the answer is a page, and takes the place of this one.
        view! {
            <form class="sign-out" method="post" action="sign-out">
                <button class="button button-quiet" type="submit">
                    "Sign out"
                </button>
            </form>
        }
    })
}
