//! The body of a request that says nothing but who makes it.

use serde::{Deserialize, Serialize};

use crate::Actor;

/// Who makes a request whose path says the rest: to cancel a dump, to verify an image. The body may be missing altogether.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct OnBehalf {
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
}

impl OnBehalf {
    /// On behalf of `actor`.
    #[must_use]
    pub fn of(actor: Actor) -> Self {
        Self { by: Some(actor) }
    }

    /// Who wants it, as [`TriggerRequest::actor`](crate::TriggerRequest::actor).
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::claimed(self.by.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_does_not_say_who_makes_it_is_a_call_to_the_api() {
        assert_eq!(OnBehalf::default().actor(), Actor::Api);
        assert_eq!(serde_json::from_str::<OnBehalf>("{}").unwrap().actor(), Actor::Api);
        assert_eq!(OnBehalf::of(Actor::named("ada")).actor(), Actor::named("ada"));
    }
}
