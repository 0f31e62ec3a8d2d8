//! Until when certificates hold: our own, and those that hosts show.

use memdeck_agent::ServiceClient;
use memdeck_model::{Timestamp, with_causes};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Check;
use crate::config::{Config, ServiceConfig};
use crate::http::tls;

/// So many days before the end a new certificate is to be made.
const EARLY_DAYS: i64 = 30;
const DAY_S: i64 = 24 * 60 * 60;

/// Of the certificate that clients of this memdeck see.
pub fn own(config: &Config, now: Timestamp) -> Check {
    const CHECK: &str = "tls";
    let Some(files) = &config.http.tls else {
        return Check::off(CHECK, "It is not configured: other machines need a proxy that has it.");
    };
    if let Err(error) = tls::server_config(files) {
        return Check::failed(CHECK, with_causes(&error), "Check TLS_CERT and TLS_KEY.");
    }
    let end = tls::certificates(&files.cert).ok().and_then(|all| end_of(all.first()?));
    match end {
        None => Check::ok(CHECK, "Certificate and key can be used together."),
        Some(end) => {
            let remedy = "Put a new certificate into TLS_CERT, its key into TLS_KEY, and reload (SIGHUP).";
            verdict(CHECK, "Certificate and key can be used together; the certificate", end, now, remedy)
        }
    }
}

/// Of the certificate that a service shows; `None` where it shows none.
pub async fn shown(
    name: &str,
    service: &ServiceConfig,
    client: &ServiceClient,
    now: Timestamp,
) -> Option<Check> {
    const CHECK: &str = "host_certificate";
    if service.url.scheme() != "https" {
        return None;
    }
    // One that is not trusted is no answer, which is told already.
    let end = end_of(&client.certificate().await.ok()??)?;
    let remedy = "Put a new certificate on that host, and reload the service there (SIGHUP).";
    Some(verdict(CHECK, &format!("The certificate of {name}"), end, now, remedy))
}

/// When a certificate ends, in seconds since 1970.
fn end_of(der: &impl AsRef<[u8]>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der.as_ref()).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

fn verdict(check: &'static str, what: &str, end: i64, now: Timestamp, remedy: &str) -> Check {
    let left = end - now.unix_seconds();
    let days = left.div_euclid(DAY_S);
    match days {
        _ if left < 0 => Check::failed(check, format!("{what} has expired."), remedy),
        0..EARLY_DAYS => {
            let unit = if days == 1 { "day" } else { "days" };
            Check::warning(check, format!("{what} expires in {days} {unit}."), remedy)
        }
        _ => Check::ok(check, format!("{what} holds for {days} days.")),
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::telemetry::CheckState;

    use super::*;

    #[test]
    fn a_certificate_is_told_of_a_month_before_its_end() {
        let now = Timestamp::from_unix_micros(1_700_000_000_000_000).unwrap();
        let state =
            |days: i64| verdict("tls", "It", now.unix_seconds() + days * DAY_S, now, "New one.").state;
        assert_eq!([state(30), state(400)], [CheckState::Ok; 2]);
        assert_eq!([state(29), state(1), state(0)], [CheckState::Warning; 3]);
        assert_eq!(state(-1), CheckState::Failed);
        let told = verdict("tls", "It", now.unix_seconds() + DAY_S + 5, now, "New one.");
        assert_eq!(told.finding, "It expires in 1 day.");
    }

    #[test]
    fn the_end_is_read_from_the_certificate() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        // As rcgen makes it where nobody says otherwise: until the year 4096.
        assert_eq!(end_of(made.cert.der()), Some(67_090_118_400));
        assert_eq!(end_of(&b"no certificate"), None);
    }
}
