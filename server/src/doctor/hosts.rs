//! The hosts of the dashboard, of its configuration and added ones: whether each can be used, how its clock stands, until when its certificate holds.

use futures_util::future::join_all;
use memdeck_agent::{HostReport, ServiceClient};
use memdeck_catalog::Catalog;
use memdeck_model::{HostList, HostState, Timestamp, with_causes};
use memdeck_operations::{added_hosts, blocking};
use reqwest::Method;

use super::{Check, OwnService, certificates};
use crate::config::{Config, HostPlace, ServiceConfig};
use crate::host_book::together;

const CHECK: &str = "host";
/// A clock that is off by less is not worth a warning: the date of an answer is known to a second.
const CLOCK_TOLERANCE_MS: i64 = 10_000;

pub async fn checks(config: &Config, own: Option<&OwnService>, now: Timestamp) -> Vec<Check> {
    let state_dir = config.state_dir.clone();
    // A catalog that cannot be read is a finding of its own.
    let added = blocking(move || {
        Catalog::open_to_read(&state_dir)
            .ok()
            .and_then(|catalog| added_hosts(&catalog).ok())
            .unwrap_or_default()
    });
    let hosts = together(&config.hosts, &added.await);
    let services = hosts.iter().filter_map(|host| match &host.place {
        HostPlace::Here => None,
        HostPlace::Service(service) => Some((host.name.to_string(), service.as_ref())),
    });
    let (dialing, reached): (Vec<_>, Vec<_>) = services.partition(|(_, service)| service.dials_in());
    let asked = reached.iter().map(|(name, service)| of_one(name, service, now));
    let mut found: Vec<Check> = join_all(asked).await.into_iter().flatten().collect();
    if !dialing.is_empty() {
        let told = told(own).await;
        found.extend(dialing.iter().map(|(name, _)| dials_in(name, told.as_deref())));
    }
    found
}

/// How the running dashboard says that its hosts stand; `None` where none runs or it does not say.
async fn told(own: Option<&OwnService>) -> Option<Vec<HostState>> {
    let client = own?.client.as_ref().ok()?.as_ref()?;
    let list: HostList = client.call(Method::GET, &["hosts"], None::<&()>).await.ok()?;
    Some(list.hosts)
}

/// A host that cannot be asked from here: its agent dials in to the running dashboard.
fn dials_in(name: &str, told: Option<&[HostState]>) -> Check {
    let Some(hosts) = told else {
        return Check::off(
            CHECK,
            format!("{name} dials in, and no dashboard runs here that could tell whether it did."),
        );
    };
    match hosts.iter().find(|host| host.name.as_str() == name) {
        Some(HostState { error: None, condition, .. }) if condition.is_up() => {
            Check::ok(CHECK, format!("{name} has dialed in and answers."))
        }
        Some(HostState { error: Some(error), .. }) => Check::failed(
            CHECK,
            format!("{name} cannot be used: {error}."),
            "On that host, look at the log of its agent, and run memdeck doctor there: it tries DASHBOARD_URL and \
             DASHBOARD_TOKEN.",
        ),
        Some(_) => Check::off(CHECK, format!("{name} has not been asked yet.")),
        None => Check::warning(
            CHECK,
            format!("{name} is not yet a host of the running dashboard."),
            "Reload memdeck (SIGHUP).",
        ),
    }
}

/// Of a service that was reached already: its clock and its certificate.
pub async fn clock_and_certificate(
    name: &str,
    service: &ServiceConfig,
    client: &ServiceClient,
    ahead_ms: Option<i64>,
    now: Timestamp,
) -> Vec<Check> {
    let clock = ahead_ms.map(|ahead| clock(name, ahead));
    let certificate = certificates::shown(name, service, client, now).await;
    clock.into_iter().chain(certificate).collect()
}

async fn of_one(name: &str, service: &ServiceConfig, now: Timestamp) -> Vec<Check> {
    let client = match ServiceClient::new(service) {
        Ok(client) => client,
        Err(error) => {
            let finding = format!("{name}: {}.", with_causes(&error));
            return vec![Check::failed(CHECK, finding, "Check url and ca of this host.")];
        }
    };
    // Its token is tried too.
    let by_date = match client.look().await {
        Ok((_, ahead)) => ahead,
        Err(error) => {
            let finding = format!("{name} cannot be used: {}.", with_causes(&error));
            let remedy = "Check url, token and ca of this host, and that the service runs there.";
            return vec![Check::failed(CHECK, finding, remedy)];
        }
    };
    let (found, ahead) = match client.report().await {
        Ok(Some((report, ahead))) => (version(name, &report), Some(ahead)),
        _ => (Check::ok(CHECK, format!("{name} answers; it is not memdeck, or an older one.")), by_date),
    };
    let more = clock_and_certificate(name, service, &client, ahead, now).await;
    std::iter::once(found).chain(more).collect()
}

fn version(name: &str, report: &HostReport) -> Check {
    if report.protocol != HostReport::PROTOCOL {
        let finding = format!("{name} speaks another version of the protocol.");
        return Check::failed(CHECK, finding, "Install the same memdeck on both machines.");
    }
    Check::ok(CHECK, format!("{name} answers; it is memdeck {}.", report.version))
}

fn clock(name: &str, ahead_ms: i64) -> Check {
    const CHECK: &str = "host_clock";
    if ahead_ms.abs() < CLOCK_TOLERANCE_MS {
        return Check::ok(CHECK, format!("The clock of {name} agrees with this one."));
    }
    let direction = if ahead_ms > 0 { "ahead" } else { "behind" };
    Check::warning(
        CHECK,
        format!("The clock of {name} is {} s {direction}.", ahead_ms.unsigned_abs() / 1000),
        "Set up a time service on both machines: the times of dumps are as right as the clock of their host.",
    )
}

#[cfg(test)]
mod tests {
    use memdeck_model::telemetry::CheckState;

    use super::*;

    #[test]
    fn a_clock_that_is_far_off_is_a_warning() {
        assert_eq!([clock("a", 9_999).state, clock("a", -9_999).state], [CheckState::Ok; 2]);
        let ahead = clock("kvm-01", 3_600_000);
        assert_eq!(ahead.state, CheckState::Warning);
        assert_eq!(ahead.finding, "The clock of kvm-01 is 3600 s ahead.");
        assert_eq!(clock("a", i64::MIN + 1).state, CheckState::Warning);
    }
}
