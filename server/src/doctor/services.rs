//! The services: the one that has the state directory, the dump service, the hosts, the dashboard that an agent dials, InfluxDB,
//! the provider where people sign in, and the files of TLS.

use memdeck_agent::{DashboardClient, ServiceClient, TokenCheck};
use memdeck_machine::influx_checks;
use memdeck_model::telemetry::CheckState;
use memdeck_model::{Readiness, Timestamp, with_causes};

use super::{Check, OwnService, certificates, hosts, provider};
use crate::config::Config;
use crate::node;

pub async fn checks(config: &Config, own_service: Option<&OwnService>) -> Vec<Check> {
    let now = node::clock().now();
    let (own, remote, hosts, dashboard, influx, provider) = tokio::join!(
        own(own_service),
        remote(config, now),
        hosts::checks(config, own_service, now),
        dashboard(config),
        influx(config),
        provider::check(config)
    );
    let mut checks = vec![own];
    checks.extend(remote);
    checks.extend(hosts);
    checks.push(dashboard);
    checks.extend(influx);
    checks.push(provider);
    checks.push(certificates::own(config, now));
    checks
}

/// What a service says of itself.
fn readiness(check: &'static str, name: &str, told: Result<Option<Readiness>, String>) -> Check {
    match told {
        Ok(Some(Readiness { ready: true, .. })) => Check::ok(check, format!("{name} is ready.")),
        Ok(Some(Readiness { failed, .. })) => {
            let details: Vec<String> = failed.iter().map(|failed| failed.detail.to_string()).collect();
            Check::failed(check, format!("{name} is not ready."), details.join(" "))
        }
        Ok(None) => Check::ok(check, format!("{name} answers; it does not say whether it is ready.")),
        Err(why) => Check::failed(check, format!("{name} does not answer: {why}."), "Look at its log."),
    }
}

async fn own(service: Option<&OwnService>) -> Check {
    const CHECK: &str = "service";
    let Some(OwnService { holder, client }) = service else {
        return Check::off(CHECK, "No service has the state directory.");
    };
    let name = holder.to_string();
    match client {
        Ok(None) => Check::ok(CHECK, format!("{name} has the state directory.")),
        Ok(Some(client)) => readiness(CHECK, &name, ask(client).await),
        Err(why) => Check::warning(CHECK, format!("{name} has the state directory."), why.clone()),
    }
}

async fn ask(client: &ServiceClient) -> Result<Option<Readiness>, String> {
    client.readiness().await.map_err(|error| with_causes(&error))
}

async fn remote(config: &Config, now: Timestamp) -> Vec<Check> {
    const CHECK: &str = "dump_service";
    let Some(service) = &config.service else {
        return vec![Check::off(CHECK, "None is configured by MEMDUMP_SERVICE_URL.")];
    };
    let client = match ServiceClient::new(service) {
        Err(error) => return vec![Check::failed(CHECK, with_causes(&error), "Check MEMDUMP_SERVICE_URL.")],
        Ok(client) => client,
    };
    match client.look().await {
        // Its token is tried too: whether it is ready is told to everybody.
        Err(error) => vec![Check::failed(
            CHECK,
            with_causes(&error),
            "Check MEMDUMP_SERVICE_URL and MEMDUMP_SERVICE_TOKEN, and that the service runs.",
        )],
        Ok((_, ahead)) => {
            let ready = readiness(CHECK, service.url.as_str(), ask(&client).await);
            let more = hosts::clock_and_certificate("the dump service", service, &client, ahead, now).await;
            std::iter::once(ready).chain(more).collect()
        }
    }
}

/// The dashboard that an agent dials: whether it answers, and knows the token.
async fn dashboard(config: &Config) -> Check {
    const CHECK: &str = "dashboard";
    let Some(address) = &config.dashboard else {
        return Check::off(
            CHECK,
            "None is configured by DASHBOARD_URL: an agent here is called where it listens.",
        );
    };
    let (url, remedy) = (&address.url, "Check DASHBOARD_URL, DASHBOARD_TOKEN and DASHBOARD_CA.");
    let client = match DashboardClient::new(address) {
        Ok(client) => client,
        Err(error) => return Check::failed(CHECK, with_causes(&error), remedy),
    };
    match client.check().await {
        Ok(TokenCheck::Right) => Check::ok(CHECK, format!("{url} answers and knows the token.")),
        Ok(TokenCheck::Unknown(status)) => Check::failed(
            CHECK,
            format!("{url} answers, and knows no agents that dial in (HTTP {status})."),
            "Check DASHBOARD_URL, and that a memdeck serve of this version answers there.",
        ),
        Err(error) => Check::failed(
            CHECK,
            format!("{url} cannot be dialed: {}.", with_causes(&error)),
            "Check DASHBOARD_URL, DASHBOARD_TOKEN and DASHBOARD_CA, and that the dashboard has a host with this token and \
             url = \"dial\".",
        ),
    }
}

async fn influx(config: &Config) -> Vec<Check> {
    const CHECK: &str = "influxdb";
    let influx = match node::influx(config.influx.as_ref()) {
        Ok(None) => return vec![Check::off(CHECK, "It is not configured.")],
        Ok(Some(influx)) => influx,
        Err(error) => {
            return vec![Check::failed(CHECK, with_causes(&error), "Check the settings of InfluxDB.")];
        }
    };
    let told = influx_checks(influx.diagnose().await);
    let tried = told.into_iter().filter(|told| told.state != CheckState::Off);
    tried
        .map(|told| Check {
            name: CHECK,
            state: told.state,
            finding: format!("{}: {}", told.name, told.finding),
            remedy: told.remedy.map(|remedy| remedy.to_string()),
        })
        .collect()
}
