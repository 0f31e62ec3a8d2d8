//! Who calls a use case.

use memdeck_model::Actor;

/// Whoever asks, and in later versions what he may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub actor: Actor,
}

impl Caller {
    /// Somebody on the page.
    #[must_use]
    pub fn page() -> Self {
        Self { actor: Actor::Page }
    }
}

impl From<Actor> for Caller {
    fn from(actor: Actor) -> Self {
        Self { actor }
    }
}
