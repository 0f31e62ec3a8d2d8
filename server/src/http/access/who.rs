//! Who a caller is, what they may do and with which guests, as routes and use cases are told.

use memdeck_model::{Actor, Reach, Rights};
use memdeck_operations::{Caller, Known};

use super::Standing;

/// Somebody who was let in, or a stranger, who may do nothing.
#[derive(Clone, Debug)]
pub struct Who {
    /// Whom memdeck knows it to be; `None` if it knows only that they hold the token of this memdeck or need none.
    pub identity: Option<Actor>,
    /// What they may do.
    pub rights: Rights,
    /// The guests that they may see and touch.
    pub reach: Reach,
}

impl Who {
    /// Whoever holds the token of this memdeck or needs none: its administrator.
    pub fn administrator() -> Self {
        Self { identity: None, rights: Rights::ALL, reach: Reach::Everything }
    }

    /// Somebody with a session or an API token.
    pub fn known(known: &Known) -> Self {
        Self { identity: known.identity.clone(), rights: known.rights, reach: known.reach.clone() }
    }

    pub fn stranger() -> Self {
        Self { identity: None, rights: Rights::NONE, reach: Reach::only(Vec::new()) }
    }

    /// The caller of a use case. Whoever is known is not asked for whom they call; of others `claimed` is taken for it.
    pub fn calls_for(&self, claimed: Actor) -> Caller {
        let actor = self.identity.clone().unwrap_or(claimed);
        Caller { actor, rights: self.rights, reach: self.reach.clone() }
    }

    /// The caller of a use case, without a word about for whom.
    pub fn calls(&self) -> Caller {
        self.calls_for(Actor::Api)
    }

    /// The caller of what a browser fetches by itself: on the page where somebody is signed in.
    pub fn reads(&self, standing: &Standing) -> Caller {
        if matches!(standing, Standing::SignedIn(..)) { self.on_page() } else { self.calls() }
    }

    /// The same on the page.
    pub fn on_page(&self) -> Caller {
        self.calls_for(Actor::Page)
    }
}
