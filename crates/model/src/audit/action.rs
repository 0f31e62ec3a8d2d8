//! What was done, and how it went.

use serde::{Deserialize, Serialize};

/// Words of an enum: in the table, on the wire and for people.
macro_rules! words {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$said:meta])* $variant:ident = $word:literal, $label:literal;)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$said])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in the table and on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// What people read.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            fn from_str(word: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or(())
            }
        }
    };
}

words! {
    /// What was done. A word never changes its meaning: rows are kept for ever.
    AuditAction {
        /// A chain of the audit begins: the first of a catalog, or the one after a restoration.
        ChainBegun = "chain_begun", "Audit begun";
        ServiceStarted = "service_started", "memdeck started";
        ServiceStopped = "service_stopped", "memdeck stopped";
        SignIn = "sign_in", "Sign-in";
        SignOut = "sign_out", "Sign-out";
        /// A call with a token that is not the right one.
        WrongToken = "wrong_token", "Call with a wrong token";
        SignInLink = "sign_in_link", "Sign-in link made";
        SecretsReloaded = "secrets_reloaded", "Tokens and certificates reloaded";
        DumpRequested = "dump_requested", "Dump requested";
        DumpCancelled = "dump_cancelled", "Dump cancelled";
        DumpEnded = "dump_ended", "Dump ended";
        ImageDownloaded = "image_downloaded", "Image downloaded";
        /// Read by a subcommand that takes memory out without a service.
        ImageRead = "image_read", "Image read on the host";
        /// Bytes of pages were shown.
        PageRead = "page_read", "Page of memory read";
        InsideRequested = "inside_requested", "Reading of a guest's memory requested";
        /// The tables that an image has of its guest were made.
        InsideRead = "inside_read", "Guest's memory read";
        /// They were handed out.
        InsideShown = "inside_shown", "Guest's memory shown";
        HuntRequested = "hunt_requested", "Hunt requested";
        HuntCancelled = "hunt_cancelled", "Hunt cancelled";
        HuntEnded = "hunt_ended", "Hunt ended";
        HuntRemoved = "hunt_removed", "Hunt removed";
        /// By a hunt, which stands in the details.
        ImageSearched = "image_searched", "Image searched";
        /// Bytes around what a hunt found were shown or sent.
        HitsRead = "hits_read", "Hits of a hunt read";
        VerificationRequested = "verification_requested", "Verification requested";
        ImageVerified = "image_verified", "Image verified";
        ImageDeleted = "image_deleted", "Image deleted";
        ImageMoved = "image_moved", "Image moved";
        RecordAdopted = "record_adopted", "Record made anew";
        RecordsImported = "records_imported", "Records imported";
        RecordsArchived = "records_archived", "Records archived";
        HostAdded = "host_added", "Host added";
        HostRemoved = "host_removed", "Host removed";
        HostDrained = "host_drained", "Host drained";
        HostUndrained = "host_undrained", "Host undrained";
        HostTested = "host_tested", "Host tested";
        CollectorStarted = "collector_started", "Collector started";
        CollectorStopped = "collector_stopped", "Collector stopped";
        SettingChanged = "setting_changed", "Setting changed";
        /// The first of a state directory.
        SigningKeyMade = "signing_key_made", "Signing key made";
        /// Another one signs from now on.
        SigningKeyRotated = "signing_key_rotated", "Signing key rotated";
        CatalogRestored = "catalog_restored", "Catalog restored";
        AuditExported = "audit_exported", "Audit exported";
        /// The chain of custody of a dump or a case was made.
        CustodyShown = "custody_shown", "Chain of custody shown";
        UserAdded = "user_added", "User added";
        UserChanged = "user_changed", "User changed";
        UserRemoved = "user_removed", "User removed";
        PasswordChanged = "password_changed", "Password changed";
        SessionEnded = "session_ended", "Session ended";
        TokenMade = "token_made", "Token made";
        TokenRevoked = "token_revoked", "Token revoked";
        GroupAdded = "group_added", "Group added";
        GroupChanged = "group_changed", "Group changed";
        GroupRemoved = "group_removed", "Group removed";
        /// Somebody asked for what they may not do.
        Refused = "refused", "Refused";
        ScheduleAdded = "schedule_added", "Schedule added";
        ScheduleChanged = "schedule_changed", "Schedule changed";
        ScheduleRemoved = "schedule_removed", "Schedule removed";
        ScheduleRun = "schedule_run", "Schedule run";
        PolicyAdded = "policy_added", "Retention rule added";
        PolicyChanged = "policy_changed", "Retention rule changed";
        PolicyRemoved = "policy_removed", "Retention rule removed";
        RetentionApplied = "retention_applied", "Retention applied";
        HoldPlaced = "hold_placed", "Legal hold placed";
        HoldLifted = "hold_lifted", "Legal hold lifted";
        NotificationTargetAdded = "notification_target_added", "Notification target added";
        NotificationTargetChanged = "notification_target_changed", "Notification target changed";
        NotificationTargetRemoved = "notification_target_removed", "Notification target removed";
        NotificationRuleAdded = "notification_rule_added", "Notification rule added";
        NotificationRuleChanged = "notification_rule_changed", "Notification rule changed";
        NotificationRuleRemoved = "notification_rule_removed", "Notification rule removed";
        NotificationTested = "notification_tested", "Notification tested";
        /// A message that was given up.
        NotificationRetried = "notification_retried", "Notification sent again";
    }
}

words! {
    /// How it went.
    AuditResult {
        /// It goes on: another entry says how it ended.
        Begun = "begun", "Begun";
        Succeeded = "succeeded", "Succeeded";
        /// Nothing had to be changed.
        Unchanged = "unchanged", "Nothing to do";
        /// memdeck did not do it: the caller may not, or it cannot be done as asked.
        Refused = "refused", "Refused";
        Failed = "failed", "Failed";
        /// Somebody stopped it.
        Cancelled = "cancelled", "Cancelled";
        /// It broke off: the reader went away.
        CutOff = "cut_off", "Cut off";
        /// memdeck ended before it knew the result.
        Unknown = "unknown", "Result unknown";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_word_means_one_thing_and_is_read_as_it_was_written() {
        let mut words = BTreeSet::new();
        for action in AuditAction::ALL {
            assert!(words.insert(action.as_str()), "{action:?}");
            assert_eq!(action.as_str().parse(), Ok(*action));
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
        for result in AuditResult::ALL {
            assert_eq!(result.as_str().parse(), Ok(*result));
            assert_eq!(serde_json::to_value(result).unwrap(), result.as_str());
        }
        assert_eq!("slept".parse::<AuditAction>(), Err(()));
    }
}
