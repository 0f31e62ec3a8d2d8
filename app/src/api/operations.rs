//! The use cases the page calls, and how they are put behind HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::http::{Extensions, StatusCode};
use axum::routing::{MethodFilter, on};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{ResponseOptions, handle_server_fns_with_context};
use memdeck_model::audit::{AuditLines, AuditQuery, AuditVerdict};
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
    Activity, ComparedBytes, DrawnComparison, DumpId, DumpStatus, Guest, GuestName, GuestPhysAddr,
    GuestTimeline, HostId, HostList, HostState, HuntDetails, HuntHits, HuntId, HuntList, ImageFacts,
    InsideComparison, InsideReading, LastDump, MapView, NewHost, NewHunt, Problem, ProblemKind, Record,
    RecordPage, RecordQuery, Remark, TrendRange, Trends, TriggerRequest, Verification,
};

use super::{ApiError, Overview};

/// What the server does for the page. The server implements it with its use cases.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Figures and health.
    async fn overview(&self) -> Result<Overview, Problem>;

    /// Every guest of the hypervisor, running or not.
    async fn guests(&self) -> Result<Vec<Guest>, Problem>;

    /// Every host and how it stands.
    async fn hosts(&self) -> Result<HostList, Problem>;

    /// Adds a host, and asks it at once.
    async fn add_host(&self, host: NewHost) -> Result<HostState, Problem>;

    /// Removes a host that was added.
    async fn remove_host(&self, name: HostId) -> Result<HostList, Problem>;

    /// Keeps a host from taking new dumps, or lets it take them again.
    async fn drain_host(&self, name: HostId, drain: bool) -> Result<HostState, Problem>;

    /// Asks a host now whether it answers.
    async fn test_host(&self, name: HostId) -> Result<HostState, Problem>;

    /// The rules by which images are removed.
    async fn retention(&self) -> Result<Policy, Problem>;

    /// What rules would do now.
    async fn preview_retention(&self, policy: Policy) -> Result<RetentionReport, Problem>;

    /// Puts rules in the place of those that are kept.
    async fn save_retention(&self, policy: Policy) -> Result<RetentionReport, Problem>;

    /// Legal holds.
    async fn holds(&self) -> Result<HoldList, Problem>;

    /// Holds a case or a dump.
    async fn add_hold(&self, hold: NewHold) -> Result<Hold, Problem>;

    /// Lifts a hold.
    async fn lift_hold(&self, id: u32, reason: Remark) -> Result<Hold, Problem>;

    /// What changed between two dumps.
    async fn compare(&self, first: DumpId, second: DumpId, view: MapView)
    -> Result<DrawnComparison, Problem>;

    /// The bytes that two dumps have of a page.
    async fn compare_page(
        &self,
        first: DumpId,
        second: DumpId,
        address: GuestPhysAddr,
    ) -> Result<ComparedBytes, Problem>;

    /// What was read of the inside of a dump's guest, or how far that is.
    async fn inside(&self, dump_id: DumpId) -> Result<InsideReading, Problem>;

    /// Has that be read; the present state of it.
    async fn read_inside(&self, dump_id: DumpId) -> Result<InsideReading, Problem>;

    /// What came and went inside of a guest between two dumps; with `begin`, what was not read is read.
    async fn compare_inside(
        &self,
        first: DumpId,
        second: DumpId,
        begin: bool,
    ) -> Result<InsideComparison, Problem>;

    /// Every hunt that is kept.
    async fn hunts(&self) -> Result<HuntList, Problem>;

    /// A hunt with its patterns and dumps.
    async fn hunt(&self, id: HuntId) -> Result<HuntDetails, Problem>;

    /// Queues a hunt.
    async fn request_hunt(&self, hunt: NewHunt) -> Result<HuntDetails, Problem>;

    /// Cancels a hunt that waits or runs.
    async fn cancel_hunt(&self, id: HuntId) -> Result<HuntDetails, Problem>;

    /// Forgets a hunt that has ended.
    async fn remove_hunt(&self, id: HuntId) -> Result<(), Problem>;

    /// Hits of a hunt behind that of the number `after`.
    async fn hunt_hits(&self, id: HuntId, after: u32, limit: u32) -> Result<HuntHits, Problem>;

    /// Where notifications go.
    async fn notice_targets(&self) -> Result<TargetList, Problem>;

    /// Adds a target of notifications.
    async fn add_notice_target(&self, target: NewTarget) -> Result<TargetList, Problem>;

    /// Changes a target of notifications.
    async fn change_notice_target(
        &self,
        name: TargetName,
        change: TargetChange,
    ) -> Result<TargetList, Problem>;

    /// Removes a target of notifications.
    async fn remove_notice_target(&self, name: TargetName) -> Result<TargetList, Problem>;

    /// Sends a message to a target now.
    async fn test_notice_target(&self, name: TargetName) -> Result<TestResult, Problem>;

    /// What is told to whom.
    async fn notice_rules(&self) -> Result<RuleList, Problem>;

    /// Adds a rule of notifications.
    async fn add_notice_rule(&self, rule: NewRule) -> Result<Rule, Problem>;

    /// Removes a rule of notifications.
    async fn remove_notice_rule(&self, id: u64) -> Result<RuleList, Problem>;

    /// What became of messages.
    async fn deliveries(&self, query: DeliveryQuery) -> Result<DeliveryLog, Problem>;

    /// Sends a message again that was given up.
    async fn retry_delivery(&self, id: String) -> Result<Delivery, Problem>;

    /// Every schedule.
    async fn schedules(&self) -> Result<ScheduleList, Problem>;

    /// What a plan would do.
    async fn preview_schedule(&self, plan: Plan) -> Result<Preview, Problem>;

    /// Makes a schedule, or changes what the one of this name does.
    async fn save_schedule(&self, schedule: NewSchedule, is_new: bool) -> Result<Schedule, Problem>;

    /// Pauses a schedule or lets it run again.
    async fn pause_schedule(&self, name: ScheduleName, paused: bool) -> Result<Schedule, Problem>;

    /// Starts a run of a schedule.
    async fn run_schedule(&self, name: ScheduleName) -> Result<Schedule, Problem>;

    /// Forgets a schedule; as it was.
    async fn remove_schedule(&self, name: ScheduleName) -> Result<Schedule, Problem>;

    /// The newest runs of a schedule.
    async fn schedule_runs(&self, name: ScheduleName) -> Result<RunList, Problem>;

    /// The dumps that are queued or running, and those that ended in the last minutes.
    async fn dumps(&self) -> Result<Vec<DumpStatus>, Problem>;

    /// The last things that happened to dumps, newest first.
    async fn activity(&self) -> Result<Vec<Activity>, Problem>;

    /// Asks for dumps; the present state of each that was named.
    async fn trigger(&self, request: TriggerRequest) -> Result<Vec<DumpStatus>, Problem>;

    /// Cancels a dump that waits or runs; one that has ended stays as it ended.
    async fn cancel(&self, dump_id: DumpId) -> Result<(), Problem>;

    /// One page of the records that a filter means.
    async fn records(&self, query: RecordQuery) -> Result<RecordPage, Problem>;

    /// The hosts that records name.
    async fn record_hosts(&self) -> Result<Vec<String>, Problem>;

    /// The newest dump of each guest.
    async fn last_dumps(&self) -> Result<Vec<LastDump>, Problem>;

    /// What became of dumps in a range of time.
    async fn trends(&self, range: TrendRange) -> Result<Trends, Problem>;

    /// A guest's memory over its dumps.
    async fn timeline(&self, guest: GuestName) -> Result<GuestTimeline, Problem>;

    /// The record of one dump.
    async fn record(&self, dump_id: DumpId) -> Result<Record, Problem>;

    /// What the image of a dump and its manifest hold.
    async fn image(&self, dump_id: DumpId) -> Result<ImageFacts, Problem>;

    /// How far the newest verification of an image is, or what it found.
    async fn verification(&self, dump_id: DumpId) -> Result<Verification, Problem>;

    /// Begins to verify an image; the present state of that.
    async fn verify(&self, dump_id: DumpId) -> Result<Verification, Problem>;

    /// Deletes an image that `confirm` names by its guest; its record as it is afterwards.
    async fn delete_image(&self, dump_id: DumpId, confirm: String) -> Result<Record, Problem>;

    /// The collector of a host, its settings and its figures; of this machine if none is named.
    async fn collector(&self, host: Option<HostId>) -> Result<TelemetryReport, Problem>;

    /// The collectors of all hosts, where there are several.
    async fn collectors(&self) -> Result<Vec<HostCollector>, Problem>;

    /// Starts or stops the collector of a host.
    async fn run_collector(&self, host: Option<HostId>, run: bool) -> Result<TelemetryReport, Problem>;

    /// Tries everything that telemetry needs.
    async fn diagnose_telemetry(&self, host: Option<HostId>) -> Result<Diagnosis, Problem>;

    /// Entries of the audit, newest first, in words.
    async fn audit(&self, query: AuditQuery) -> Result<AuditLines, Problem>;

    /// Checks the whole audit.
    async fn check_audit(&self) -> Result<AuditVerdict, Problem>;

    /// One metric of a guest or device over time.
    async fn series(&self, query: SeriesQuery) -> Result<Series, Problem>;

    /// Who calls, and what they may do.
    async fn me(&self) -> Result<Me, Problem>;

    /// Every account.
    async fn users(&self) -> Result<Vec<Account>, Problem>;

    /// Makes an account.
    async fn add_user(&self, new: NewAccount) -> Result<Account, Problem>;

    /// Changes an account.
    async fn change_user(&self, name: AccountName, change: AccountChange) -> Result<Account, Problem>;

    /// Removes an account.
    async fn remove_user(&self, name: AccountName) -> Result<(), Problem>;

    /// Every group.
    async fn groups(&self) -> Result<Vec<Group>, Problem>;

    /// Makes a group.
    async fn add_group(&self, new: NewGroup) -> Result<Group, Problem>;

    /// Gives a group other guests.
    async fn change_group(&self, name: AccountName, change: GroupChange) -> Result<Group, Problem>;

    /// Removes a group that nobody is in.
    async fn remove_group(&self, name: AccountName) -> Result<(), Problem>;

    /// The sessions that the caller may see.
    async fn sessions(&self) -> Result<Vec<SessionFacts>, Problem>;

    /// Ends a session.
    async fn end_session(&self, id: String) -> Result<(), Problem>;

    /// Every API token.
    async fn api_tokens(&self) -> Result<Vec<ApiToken>, Problem>;

    /// Makes an API token.
    async fn make_token(&self, new: NewApiToken) -> Result<MadeApiToken, Problem>;

    /// Revokes an API token.
    async fn revoke_token(&self, name: AccountName) -> Result<(), Problem>;

    /// Changes the caller's own password.
    async fn change_password(&self, change: PasswordChange) -> Result<(), Problem>;
}

/// What the server's log calls a request. The server puts it among the request's extensions.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The use cases for whoever made a request, of which these are the extensions.
pub type ForCaller = dyn Fn(&Extensions) -> Arc<dyn Operations> + Send + Sync;

/// The routes of all server functions, `POST /api/ui/...`, answered by what `operations` returns.
///
/// Their full paths are routed, so this is merged into the server's router, never nested.
pub fn router<S>(operations: &Arc<ForCaller>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    leptos::server_fn::axum::server_fn_paths().fold(Router::new(), |router, (path, method)| {
        let operations = Arc::clone(operations);
        let Ok(filter) = MethodFilter::try_from(method) else { return router };
        router.route(
            path,
            on(filter, move |request: Request| {
                let operations = operations(request.extensions());
                let id = request.extensions().get::<RequestId>().cloned();
                let context = move || {
                    provide_context(Arc::clone(&operations));
                    if let Some(id) = id.clone() {
                        provide_context(id);
                    }
                };
                handle_server_fns_with_context(context, request)
            }),
        )
    })
}

/// The use cases of the server that runs this server function.
pub(super) fn present() -> Result<Arc<dyn Operations>, ApiError> {
    use_context().ok_or_else(|| {
        ApiError(Problem::new(ProblemKind::Internal, "The server was started without its use cases."))
    })
}

/// Puts the problem's status code on the response, and the request's id on the problem.
pub(super) fn refuse(problem: Problem) -> ApiError {
    let request_id = use_context::<RequestId>().map(|RequestId(id)| id);
    let problem = Problem { request_id, ..problem };
    if let Some(response) = use_context::<ResponseOptions>() {
        let status = StatusCode::from_u16(problem.kind.http_status());
        response.set_status(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    }
    ApiError(problem)
}
