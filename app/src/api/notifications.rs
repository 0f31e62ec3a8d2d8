//! The page's calls about notifications.

use memdeck_model::notice::{
    Delivery, DeliveryLog, DeliveryQuery, NewRule, NewTarget, Rule, RuleList, TargetChange, TargetList,
    TargetName, TestResult,
};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;

server_functions! {
    /// Where notifications go, by name, without the secrets.
    ///
    /// # Errors
    /// The caller may not, the server does not answer, or the catalog cannot be read.
    "notice-targets": async fn fetch_notice_targets() -> TargetList {
        operations::present()?.notice_targets().await.map_err(operations::refuse)
    }

    /// Adds a target.
    ///
    /// # Errors
    /// It cannot be used, there is one of its name, or the server does not answer.
    "add-notice-target": async fn add_notice_target(
        target: NewTarget,
    ) -> TargetList {
        operations::present()?.add_notice_target(target).await.map_err(operations::refuse)
    }

    /// Changes a target. Secrets that are left out stay.
    ///
    /// # Errors
    /// There is no such target, what it would be cannot be used, or the server does not answer.
    "change-notice-target": async fn change_notice_target(
        /// Which one.
        name: TargetName,
        change: TargetChange,
    ) -> TargetList {
        operations::present()?.change_notice_target(name, change).await.map_err(operations::refuse)
    }

    /// Removes a target with its rules.
    ///
    /// # Errors
    /// There is no such target, or the server does not answer.
    "remove-notice-target": async fn remove_notice_target(
        /// Which one.
        name: TargetName,
    ) -> TargetList {
        operations::present()?.remove_notice_target(name).await.map_err(operations::refuse)
    }

    /// Sends a message to a target now; what came of it.
    ///
    /// # Errors
    /// There is no such target, or the server does not answer.
    "test-notice-target": async fn test_notice_target(
        /// Which one.
        name: TargetName,
    ) -> TestResult {
        operations::present()?.test_notice_target(name).await.map_err(operations::refuse)
    }

    /// What is told to whom.
    ///
    /// # Errors
    /// The caller may not, the server does not answer, or the catalog cannot be read.
    "notice-rules": async fn fetch_notice_rules() -> RuleList {
        operations::present()?.notice_rules().await.map_err(operations::refuse)
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// There is no such target, the rule names too much, or the server does not answer.
    "add-notice-rule": async fn add_notice_rule(
        rule: NewRule,
    ) -> Rule {
        operations::present()?.add_notice_rule(rule).await.map_err(operations::refuse)
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// There is no such rule, or the server does not answer.
    "remove-notice-rule": async fn remove_notice_rule(
        id: u64,
    ) -> RuleList {
        operations::present()?.remove_notice_rule(id).await.map_err(operations::refuse)
    }

    /// Messages, the newest first, with what became of them.
    ///
    /// # Errors
    /// The caller may not, the server does not answer, or the catalog cannot be read.
    "deliveries": async fn fetch_deliveries(
        query: DeliveryQuery,
    ) -> DeliveryLog {
        operations::present()?.deliveries(query).await.map_err(operations::refuse)
    }

    /// Sends a message again that was given up.
    ///
    /// # Errors
    /// There is no such message, it was not given up, its target is gone, or the server does not answer.
    "retry-delivery": async fn retry_delivery(
        id: String,
    ) -> Delivery {
        operations::present()?.retry_delivery(id).await.map_err(operations::refuse)
    }
}
