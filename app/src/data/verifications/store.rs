//! The store of verifications.

use leptos::prelude::*;
use memdeck_model::{DumpId, Problem, Verification};

use super::words::outcome_of;
use super::{Ended, Verifications};
use crate::api::{self, ApiError};
use crate::ui::{Announcer, ToastKind, Toaster};

/// What is known of verifications.
#[derive(Clone, Copy)]
pub struct VerificationStore {
    known: RwSignal<Verifications>,
    /// The dump whose verification is on screen: how it ends is said there.
    watched: RwSignal<Option<DumpId>>,
    toaster: Toaster,
    announcer: Announcer,
}

impl VerificationStore {
    pub(in crate::data) fn new() -> Self {
        Self {
            known: RwSignal::new(Verifications::default()),
            watched: RwSignal::new(None),
            toaster: Toaster::expect(),
            announcer: Announcer::expect(),
        }
    }

    /// Reads it.
    pub fn with<T>(self, read: impl FnOnce(&Verifications) -> T) -> T {
        self.known.with(read)
    }

    /// The verification of this dump is on screen until the owner of this call is cleaned up.
    pub fn watch(self, id: DumpId) {
        self.watched.set(Some(id));
        on_cleanup(move || {
            self.watched.try_set(None);
        });
    }

    /// Asks how far the newest verification of an image is.
    ///
    /// # Errors
    /// The server or the service that has the image does not answer.
    pub async fn look_at(self, id: DumpId) -> Result<(), Problem> {
        let present = api::ask_verification(id, false).await.map_err(|ApiError(problem)| problem)?;
        self.hear(&present);
        Ok(())
    }

    /// Asks for a verification of the image of a dump of the guest `name`, once. A toast says how it ends.
    pub fn begin(self, id: DumpId, name: String) {
        let mut is_new = false;
        self.known.update(|known| is_new = known.ask(&id, &name));
        if !is_new {
            return;
        }
        self.announcer.say(format!("Verifying the image of {name}."));
        leptos::task::spawn_local(async move {
            match api::ask_verification(id.clone(), true).await {
                Ok(begun) => self.hear(&begun),
                Err(ApiError(problem)) => {
                    self.known.update(|known| known.refuse(&id, problem.detail.to_string()));
                    if !self.is_watched(&id) {
                        let text = format!("The image of {name} was not verified. {}", problem.detail);
                        self.toaster.show(ToastKind::Error, text);
                    }
                }
            }
        });
    }

    pub(in crate::data) fn hear(self, verification: &Verification) {
        let mut ended = None;
        self.known.update(|known| ended = known.tell(verification.clone()));
        let Some(Ended { guest }) = ended else { return };
        let (kind, text) = outcome_of(verification, &guest);
        if self.is_watched(&verification.dump_id) {
            self.announcer.say(text);
        } else {
            self.toaster.show(kind, text);
        }
    }

    pub(in crate::data) fn forget_running(self) {
        self.known.update(Verifications::forget_running);
    }

    fn is_watched(self, id: &DumpId) -> bool {
        self.watched.with_untracked(|watched| watched.as_ref() == Some(id))
    }
}
