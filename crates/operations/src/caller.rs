//! Who calls a use case.

use memdeck_model::{Actor, Permission, Problem, ProblemKind, Reach, Rights};

use crate::asked::refused_for;

/// Who asks, what they may do, and with which guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub actor: Actor,
    /// What they may do.
    pub rights: Rights,
    /// The guests that they may see and touch. The others are not there for them: what is asked about one is answered as if
    /// nobody had it.
    pub reach: Reach,
}

impl Caller {
    /// Somebody who may do everything: whoever holds the token of this memdeck, and this machine's own command line.
    #[must_use]
    pub fn trusted(actor: Actor) -> Self {
        Self { actor, rights: Rights::ALL, reach: Reach::Everything }
    }

    /// Whether this caller may do something. What they may not is noted with the request that asked for it.
    ///
    /// # Errors
    /// They may not.
    pub fn must(&self, permission: Permission) -> Result<(), Problem> {
        if self.rights.may(permission) {
            return Ok(());
        }
        refused_for(permission);
        Err(forbidden(permission.words()))
    }
}

/// Somebody who is known may not do something; `what` is part of a sentence.
#[must_use]
pub fn forbidden(what: &str) -> Problem {
    let detail = format!("you may not {what}; an administrator of this memdeck can change your role");
    Problem::new(ProblemKind::Forbidden, detail)
}

/// Somebody who sees only some guests asks for what is about all of them.
#[must_use]
pub fn beyond_reach() -> Problem {
    let detail = "you see only the guests of your group or token, and this is about others, too; ask an administrator of this \
                  memdeck";
    Problem::new(ProblemKind::Forbidden, detail)
}

#[cfg(test)]
mod tests {
    use memdeck_model::Role;

    use super::*;

    #[test]
    fn a_caller_does_what_its_rights_allow_and_is_told_what_they_do_not() {
        let operator = Caller { rights: Role::Operator.rights(), ..Caller::trusted(Actor::Page) };
        assert_eq!(operator.must(Permission::Dump), Ok(()));
        let refused = operator.must(Permission::ReadMemory).unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Forbidden);
        assert!(refused.detail.to_string().starts_with("you may not download or export images;"));
        assert_eq!(Caller::trusted(Actor::Api).must(Permission::ManageUsers), Ok(()));
    }
}
