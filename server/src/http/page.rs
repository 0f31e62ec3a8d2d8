//! What the page calls: each server function is one use case, asked for by somebody on the page.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Extensions;
use memdeck_app::api;
use memdeck_model::audit::{AuditLine, AuditLines, AuditQuery, AuditVerdict};
use memdeck_model::notice::{
    Delivery, DeliveryLog, DeliveryQuery, NewRule, NewTarget, Rule, RuleList, TargetChange, TargetList,
    TargetName, TestResult,
};
use memdeck_model::retention::{Hold, HoldList, NewHold, Policy, RetentionReport};
use memdeck_model::schedule::{NewSchedule, Plan, Preview, RunList, Schedule, ScheduleList, ScheduleName};
use memdeck_model::telemetry::{Diagnosis, HostCollector, Series, SeriesQuery, TelemetryReport};
use memdeck_model::{
    Account, AccountChange, AccountName, ApiToken, Group, GroupChange, MadeApiToken, Me, NewAccount,
    NewApiToken, NewGroup, PasswordChange, SessionFacts,
};
use memdeck_model::{
    Activity, ComparedBytes, DeleteRequest, DrawnComparison, DumpId, DumpStatus, Guest, GuestName,
    GuestPhysAddr, GuestTimeline, HostId, HostList, HostState, HuntDetails, HuntHits, HuntId, HuntList,
    ImageFacts, InsideComparison, InsideReading, LastDump, MapView, NewHost, NewHunt, Overview, Problem,
    Record, RecordPage, RecordQuery, Remark, TrendRange, Trends, TriggerRequest, Verification,
};
use memdeck_operations::{Accounts, OpenSession, Operations};

use super::access::Who;
use super::users::session_of;

/// The calls of the page, answered by these use cases for whoever makes them.
pub fn calls(operations: Arc<Operations>, accounts: Arc<Accounts>) -> Arc<api::ForCaller> {
    Arc::new(move |known: &Extensions| {
        let who = known.get().cloned().unwrap_or_else(Who::stranger);
        let session = known.get().and_then(session_of).cloned();
        let (operations, accounts) = (Arc::clone(&operations), Arc::clone(&accounts));
        Arc::new(Page { operations, accounts, who, session }) as Arc<dyn api::Operations>
    })
}

struct Page {
    operations: Arc<Operations>,
    accounts: Arc<Accounts>,
    who: Who,
    session: Option<OpenSession>,
}

#[async_trait]
impl api::Operations for Page {
    async fn overview(&self) -> Result<Overview, Problem> {
        self.operations.overview(&self.who.on_page()).await
    }

    async fn guests(&self) -> Result<Vec<Guest>, Problem> {
        self.operations.list_guests(&self.who.on_page()).await
    }

    async fn hosts(&self) -> Result<HostList, Problem> {
        Ok(self.operations.list_hosts().await)
    }

    async fn add_host(&self, host: NewHost) -> Result<HostState, Problem> {
        self.operations.add_host(host, &self.who.on_page()).await
    }

    async fn remove_host(&self, name: HostId) -> Result<HostList, Problem> {
        self.operations.remove_host(name.as_str(), &self.who.on_page()).await
    }

    async fn drain_host(&self, name: HostId, drain: bool) -> Result<HostState, Problem> {
        self.operations.drain_host(name.as_str(), drain, &self.who.on_page()).await
    }

    async fn test_host(&self, name: HostId) -> Result<HostState, Problem> {
        self.operations.test_host(name.as_str(), &self.who.on_page()).await
    }

    async fn retention(&self) -> Result<Policy, Problem> {
        self.operations.retention_policy().await
    }

    async fn preview_retention(&self, policy: Policy) -> Result<RetentionReport, Problem> {
        self.operations.preview_retention(policy).await
    }

    async fn save_retention(&self, policy: Policy) -> Result<RetentionReport, Problem> {
        self.operations.set_retention_policy(policy, &self.who.on_page()).await
    }

    async fn holds(&self) -> Result<HoldList, Problem> {
        self.operations.list_holds(&self.who.on_page()).await
    }

    async fn add_hold(&self, hold: NewHold) -> Result<Hold, Problem> {
        self.operations.add_hold(hold, &self.who.on_page()).await
    }

    async fn lift_hold(&self, id: u32, reason: Remark) -> Result<Hold, Problem> {
        self.operations.lift_hold(id, reason, &self.who.on_page()).await
    }

    async fn compare(
        &self,
        first: DumpId,
        second: DumpId,
        view: MapView,
    ) -> Result<DrawnComparison, Problem> {
        self.operations.compare_dumps(first.as_str(), second.as_str(), view, &self.who.on_page()).await
    }

    async fn compare_page(
        &self,
        first: DumpId,
        second: DumpId,
        address: GuestPhysAddr,
    ) -> Result<ComparedBytes, Problem> {
        self.operations.compare_page(first.as_str(), second.as_str(), address, &self.who.on_page()).await
    }

    async fn inside(&self, dump_id: DumpId) -> Result<InsideReading, Problem> {
        self.operations.images().inside(dump_id.as_str(), &self.who.on_page()).await
    }

    async fn read_inside(&self, dump_id: DumpId) -> Result<InsideReading, Problem> {
        self.operations.images().read_inside(dump_id.as_str(), &self.who.on_page()).await
    }

    async fn compare_inside(
        &self,
        first: DumpId,
        second: DumpId,
        begin: bool,
    ) -> Result<InsideComparison, Problem> {
        let images = self.operations.images();
        images.compare_inside(first.as_str(), second.as_str(), begin, &self.who.on_page()).await
    }

    async fn hunts(&self) -> Result<HuntList, Problem> {
        self.operations.list_hunts(&self.who.on_page()).await
    }

    async fn hunt(&self, id: HuntId) -> Result<HuntDetails, Problem> {
        self.operations.hunt(id.as_str(), &self.who.on_page()).await
    }

    async fn request_hunt(&self, hunt: NewHunt) -> Result<HuntDetails, Problem> {
        self.operations.request_hunt(hunt, &self.who.on_page()).await
    }

    async fn cancel_hunt(&self, id: HuntId) -> Result<HuntDetails, Problem> {
        self.operations.cancel_hunt(id.as_str(), &self.who.on_page()).await
    }

    async fn remove_hunt(&self, id: HuntId) -> Result<(), Problem> {
        self.operations.remove_hunt(id.as_str(), &self.who.on_page()).await
    }

    async fn hunt_hits(&self, id: HuntId, after: u32, limit: u32) -> Result<HuntHits, Problem> {
        self.operations.hunt_hits(id.as_str(), after, limit, &self.who.on_page()).await
    }

    async fn notice_targets(&self) -> Result<TargetList, Problem> {
        self.operations.notice_targets().await
    }

    async fn add_notice_target(&self, target: NewTarget) -> Result<TargetList, Problem> {
        self.operations.add_notice_target(target, &self.who.on_page()).await
    }

    async fn change_notice_target(
        &self,
        name: TargetName,
        change: TargetChange,
    ) -> Result<TargetList, Problem> {
        self.operations.change_notice_target(name.as_str(), change, &self.who.on_page()).await
    }

    async fn remove_notice_target(&self, name: TargetName) -> Result<TargetList, Problem> {
        self.operations.remove_notice_target(name.as_str(), &self.who.on_page()).await
    }

    async fn test_notice_target(&self, name: TargetName) -> Result<TestResult, Problem> {
        self.operations.test_notice_target(name.as_str(), &self.who.on_page()).await
    }

    async fn notice_rules(&self) -> Result<RuleList, Problem> {
        self.operations.notice_rules().await
    }

    async fn add_notice_rule(&self, rule: NewRule) -> Result<Rule, Problem> {
        self.operations.add_notice_rule(rule, &self.who.on_page()).await
    }

    async fn remove_notice_rule(&self, id: u64) -> Result<RuleList, Problem> {
        self.operations.remove_notice_rule(id, &self.who.on_page()).await
    }

    async fn deliveries(&self, query: DeliveryQuery) -> Result<DeliveryLog, Problem> {
        self.operations.deliveries(query).await
    }

    async fn retry_delivery(&self, id: String) -> Result<Delivery, Problem> {
        self.operations.retry_delivery(&id, &self.who.on_page()).await
    }

    async fn schedules(&self) -> Result<ScheduleList, Problem> {
        self.operations.list_schedules().await
    }

    async fn preview_schedule(&self, plan: Plan) -> Result<Preview, Problem> {
        self.operations.preview_schedule(plan).await
    }

    async fn save_schedule(&self, schedule: NewSchedule, is_new: bool) -> Result<Schedule, Problem> {
        if is_new {
            return self.operations.add_schedule(schedule, &self.who.on_page()).await;
        }
        self.operations.change_schedule(schedule.name.as_str(), schedule.plan, &self.who.on_page()).await
    }

    async fn pause_schedule(&self, name: ScheduleName, paused: bool) -> Result<Schedule, Problem> {
        self.operations.pause_schedule(name.as_str(), paused, &self.who.on_page()).await
    }

    async fn run_schedule(&self, name: ScheduleName) -> Result<Schedule, Problem> {
        self.operations.run_schedule(name.as_str(), &self.who.on_page()).await
    }

    async fn remove_schedule(&self, name: ScheduleName) -> Result<Schedule, Problem> {
        self.operations.remove_schedule(name.as_str(), &self.who.on_page()).await
    }

    async fn schedule_runs(&self, name: ScheduleName) -> Result<RunList, Problem> {
        self.operations.list_runs(name.as_str(), 50).await
    }

    async fn dumps(&self) -> Result<Vec<DumpStatus>, Problem> {
        Ok(self.operations.recent_dumps(&self.who.on_page()).await?)
    }

    async fn trigger(&self, request: TriggerRequest) -> Result<Vec<DumpStatus>, Problem> {
        let accepted = self.operations.request_chosen(request, &self.who.on_page()).await?;
        Ok(accepted.statuses.into_values().collect())
    }

    async fn activity(&self) -> Result<Vec<Activity>, Problem> {
        self.operations.list_activity(&self.who.on_page()).await
    }

    async fn cancel(&self, dump_id: DumpId) -> Result<(), Problem> {
        self.operations.cancel_dump(dump_id.as_str(), &self.who.on_page()).await
    }

    async fn records(&self, query: RecordQuery) -> Result<RecordPage, Problem> {
        self.operations.list_records(query, &self.who.on_page()).await
    }

    async fn record_hosts(&self) -> Result<Vec<String>, Problem> {
        self.operations.record_hosts(&self.who.on_page()).await
    }

    async fn last_dumps(&self) -> Result<Vec<LastDump>, Problem> {
        self.operations.last_dumps(&self.who.on_page()).await
    }

    async fn timeline(&self, guest: GuestName) -> Result<GuestTimeline, Problem> {
        self.operations.timeline(&guest.0, None, &self.who.on_page()).await
    }

    async fn trends(&self, range: TrendRange) -> Result<Trends, Problem> {
        self.operations.trends(range, &self.who.on_page()).await
    }

    async fn record(&self, dump_id: DumpId) -> Result<Record, Problem> {
        self.operations.images().record(dump_id.as_str(), &self.who.on_page()).await
    }

    async fn image(&self, dump_id: DumpId) -> Result<ImageFacts, Problem> {
        self.operations.images().facts(dump_id.as_str(), &self.who.on_page()).await
    }

    async fn verification(&self, dump_id: DumpId) -> Result<Verification, Problem> {
        Ok(self.operations.images().verification(dump_id.as_str(), &self.who.on_page()).await?.in_short())
    }

    async fn verify(&self, dump_id: DumpId) -> Result<Verification, Problem> {
        self.operations.images().verify(dump_id.as_str(), &self.who.on_page()).await
    }

    async fn delete_image(&self, dump_id: DumpId, confirm: String) -> Result<Record, Problem> {
        let request = DeleteRequest::confirmed(&confirm);
        self.operations.images().delete(dump_id.as_str(), request, &self.who.on_page()).await
    }

    async fn collector(&self, host: Option<HostId>) -> Result<TelemetryReport, Problem> {
        self.operations.telemetry_report(host.as_ref().map(HostId::as_str)).await
    }

    async fn collectors(&self) -> Result<Vec<HostCollector>, Problem> {
        Ok(self.operations.collectors().await)
    }

    async fn run_collector(&self, host: Option<HostId>, run: bool) -> Result<TelemetryReport, Problem> {
        let of_host = host.as_ref().map(HostId::as_str);
        self.operations.run_collector(of_host, run, &self.who.on_page()).await?;
        self.operations.telemetry_report(of_host).await
    }

    async fn diagnose_telemetry(&self, host: Option<HostId>) -> Result<Diagnosis, Problem> {
        self.operations.diagnose_telemetry(host.as_ref().map(HostId::as_str)).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<AuditLines, Problem> {
        let page = self.operations.audit().list(query).await?;
        Ok(AuditLines { lines: page.entries.iter().map(AuditLine::from).collect(), next: page.next })
    }

    async fn check_audit(&self) -> Result<AuditVerdict, Problem> {
        Ok(AuditVerdict::from(&self.operations.audit().verify().await?))
    }

    async fn series(&self, query: SeriesQuery) -> Result<Series, Problem> {
        self.operations.series(query, &self.who.on_page()).await
    }

    async fn me(&self) -> Result<Me, Problem> {
        Ok(self.accounts.me(&self.who.on_page()))
    }

    async fn users(&self) -> Result<Vec<Account>, Problem> {
        self.accounts.list_accounts(&self.who.on_page())
    }

    async fn add_user(&self, new: NewAccount) -> Result<Account, Problem> {
        self.accounts.add_account(new, &self.who.on_page()).await
    }

    async fn change_user(&self, name: AccountName, change: AccountChange) -> Result<Account, Problem> {
        self.accounts.change_account(&name, change, &self.who.on_page()).await
    }

    async fn remove_user(&self, name: AccountName) -> Result<(), Problem> {
        self.accounts.remove_account(&name, &self.who.on_page()).await
    }

    async fn groups(&self) -> Result<Vec<Group>, Problem> {
        self.accounts.list_groups(&self.who.on_page())
    }

    async fn add_group(&self, new: NewGroup) -> Result<Group, Problem> {
        self.accounts.add_group(new, &self.who.on_page()).await
    }

    async fn change_group(&self, name: AccountName, change: GroupChange) -> Result<Group, Problem> {
        self.accounts.change_group(&name, change, &self.who.on_page()).await
    }

    async fn remove_group(&self, name: AccountName) -> Result<(), Problem> {
        self.accounts.remove_group(&name, &self.who.on_page()).await
    }

    async fn sessions(&self) -> Result<Vec<SessionFacts>, Problem> {
        Ok(self.accounts.list_sessions(&self.who.on_page(), self.session.as_ref()))
    }

    async fn end_session(&self, id: String) -> Result<(), Problem> {
        self.accounts.end_session(&id, &self.who.on_page()).await
    }

    async fn api_tokens(&self) -> Result<Vec<ApiToken>, Problem> {
        self.accounts.list_tokens(&self.who.on_page())
    }

    async fn make_token(&self, new: NewApiToken) -> Result<MadeApiToken, Problem> {
        self.accounts.make_token(new, &self.who.on_page()).await
    }

    async fn revoke_token(&self, name: AccountName) -> Result<(), Problem> {
        self.accounts.revoke_token(&name, &self.who.on_page()).await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<(), Problem> {
        self.accounts.change_own_password(change, &self.who.on_page()).await
    }
}
