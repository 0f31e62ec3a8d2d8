//! What the page says about people and tokens.

use memdeck_model::{GuestSelector, Me, Permission, Rights, Role};

use super::state::Ask;

/// Who the operator is and what follows from it.
pub fn standing(me: &Me) -> String {
    let mut standing = role_of(me);
    if let Some(guests) = &me.guests {
        standing.push_str(" You see these guests and what is about them, and no others: ");
        standing.push_str(&listed(guests));
        standing.push('.');
    }
    standing
}

/// Guests as they are named, in one line.
pub fn listed(guests: &[GuestSelector]) -> String {
    guests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Guests by what a field holds: between them are spaces, commas or ends of lines.
///
/// # Errors
/// One of them names no guest, in words.
pub fn selectors(text: &str) -> Result<Vec<GuestSelector>, String> {
    let named = text.split([' ', ',', '\n']).map(str::trim).filter(|named| !named.is_empty());
    named.map(|named| named.parse().map_err(|error| format!("“{named}”: {error}"))).collect()
}

fn role_of(me: &Me) -> String {
    match (&me.name, me.role) {
        (Some(name), Some(role)) => format!("You are signed in as {name}, {role}: {}.", role.words()),
        (Some(name), None) if me.elsewhere => format!("You are signed in as {name}."),
        (Some(name), None) => format!("You use the token {name}."),
        _ if me.has_accounts => {
            "You are the administrator: you signed in with the token of this memdeck, or need none. You may do everything."
                .to_owned()
        }
        _ => "There are no accounts yet: whoever is let in may do everything, and nobody is named on what they do."
            .to_owned(),
    }
}

/// Roles to choose from.
pub fn roles() -> Vec<(String, String)> {
    Role::ALL.map(|role| (role.name().to_owned(), format!("{role}: {}", role.words()))).into()
}

/// What a token may do, in short: the role that allows exactly that, or the permissions.
pub fn may(rights: Rights) -> String {
    let exact = Role::ALL.into_iter().find(|role| role.rights() == rights);
    exact.map_or_else(
        || rights.iter().map(Permission::name).collect::<Vec<_>>().join(", "),
        |role| role.to_string(),
    )
}

/// The question, what follows, and the two answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub title: String,
    pub consequence: String,
    pub keep: &'static str,
    pub act: &'static str,
    pub takes_away: bool,
}

pub fn question(ask: &Ask) -> Asked {
    let of = |title, consequence, keep, act, takes_away| Asked { title, consequence, keep, act, takes_away };
    match ask {
        Ask::Role(name, role) => of(
            format!("Make {name} {}?", with_article(*role)),
            format!("From their next call on {name} {}. Dumps that they asked for go on.", does(*role)),
            "Leave the role",
            "Change the role",
            false,
        ),
        Ask::Disable(name) => of(
            format!("Disable the account {name}?"),
            format!(
                "{name} is signed out everywhere and cannot sign in until the account is enabled again. Their dumps go on."
            ),
            "Leave it active",
            "Disable the account",
            true,
        ),
        Ask::Enable(name) => of(
            format!("Enable the account {name}?"),
            format!("{name} can sign in with the password they had."),
            "Leave it disabled",
            "Enable the account",
            false,
        ),
        Ask::Remove(name) => of(
            format!("Remove the account {name}?"),
            format!(
                "{name} is signed out everywhere, and the account does not come back. Records go on to name them."
            ),
            "Keep the account",
            "Remove the account",
            true,
        ),
        Ask::RemoveGroup(name) => of(
            format!("Remove the group {name}?"),
            "It goes only where no account is in it. Whoever a proxy or provider puts into a group of this name sees every guest from \
             then on."
                .to_owned(),
            "Keep the group",
            "Remove the group",
            true,
        ),
        Ask::EndSession(session) => {
            let whose =
                session.user.as_ref().map_or_else(|| "the administrator".to_owned(), ToString::to_string);
            let this = if session.is_this { " It is the one that you use now." } else { "" };
            of(
                format!("End the session of {whose}?"),
                format!(
                    "The browser at {} is signed out at once, its downloads included.{this}",
                    session.address
                ),
                "Leave it open",
                "End the session",
                true,
            )
        }
        Ask::Revoke(name) => of(
            format!("Revoke the token {name}?"),
            "Programs that send it are refused from their next call on. It does not come back.".to_owned(),
            "Keep the token",
            "Revoke the token",
            true,
        ),
    }
}

pub fn with_article(role: Role) -> String {
    match role {
        Role::Viewer => format!("a {role}"),
        Role::Operator | Role::Analyst | Role::Admin => format!("an {role}"),
    }
}

const fn does(role: Role) -> &'static str {
    match role {
        Role::Viewer => "only sees guests, records and what is measured",
        Role::Operator => "takes, cancels and verifies dumps, and reads no memory",
        Role::Analyst => "downloads, exports and verifies images, and takes no dumps",
        Role::Admin => "may do everything: delete images, change settings, manage users",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_told_before_anything_is_taken_away() {
        let name = || "ada".parse().unwrap();
        for ask in [Ask::Disable(name()), Ask::Remove(name()), Ask::Revoke(name())] {
            let question = question(&ask);
            assert!(question.takes_away && question.title.contains("ada"), "{}", question.title);
        }
        let analyst = question(&Ask::Role(name(), Role::Analyst));
        assert_eq!(analyst.title, "Make ada an analyst?");
        assert!(analyst.consequence.contains("takes no dumps"), "{}", analyst.consequence);
    }

    #[test]
    fn guests_are_named_in_lines_or_with_commas() {
        let guests = selectors("web-*, kvm-01/db-*\n\n 6b1d7f43-0d49-4f0e-9c2b-3a5e1f0c9d21").unwrap();
        assert_eq!(listed(&guests), "web-*, kvm-01/db-*, 6b1d7f43-0d49-4f0e-9c2b-3a5e1f0c9d21");
        assert_eq!(selectors(" \n,").unwrap(), []);
        let problem = selectors("web-*, /x").unwrap_err();
        assert!(problem.starts_with("“/x”: "), "{problem}");
        let me = Me {
            name: Some("ada".parse().unwrap()),
            role: Some(Role::Analyst),
            rights: Role::Analyst.rights(),
            guests: Some(guests),
            elsewhere: false,
            has_accounts: true,
        };
        assert!(standing(&me).contains("no others: web-*, kvm-01/db-*, "), "{}", standing(&me));
    }

    #[test]
    fn a_token_is_described_by_its_role_or_by_what_it_may() {
        assert_eq!(may(Role::Analyst.rights()), "analyst");
        assert_eq!(may(Rights::of(&[Permission::View, Permission::Dump])), "view, dump");
    }

    #[test]
    fn without_accounts_the_page_says_that_everybody_may_do_everything() {
        let me = |has_accounts| Me {
            name: None,
            role: None,
            rights: Rights::ALL,
            guests: None,
            elsewhere: false,
            has_accounts,
        };
        assert!(
            standing(&me(false))
                .starts_with("There are no accounts yet: whoever is let in may do everything")
        );
        assert!(standing(&me(true)).starts_with("You are the administrator"));
    }
}
