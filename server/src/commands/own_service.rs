//! The service of this machine that holds the state directory, as the command line calls it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use memdeck_catalog::{LockHolder, StateLock};
use reqwest::Url;

use super::{Failure, access, with_causes};
use crate::config::{Config, ServiceConfig};
use crate::http::tls;
use memdeck_agent::{ServiceClient, pinned_tls};

/// How long a call to it may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of the service that holds the state directory, with its token; `None` if it does not say where it answers.
///
/// The directory was checked: nobody else wrote what its lock file says. What is left is a file that is older than its
/// holder, so that the token would go to another listener.
pub fn client(config: &Config, holder: &LockHolder) -> Option<Result<ServiceClient, Failure>> {
    let url = called(Url::parse(holder.url.as_deref()?).ok()?);
    Some(if !is_of_this_machine(&url) {
        Err(Failure::new(format!(
            "{} says that its memdeck answers at {url}, which is not an address of this machine: set \
             MEMDUMP_SERVICE_URL if you mean that one",
            config.state_dir.join(StateLock::FILE_NAME).display()
        )))
    } else if !StateLock::is_held_by(&config.state_dir, holder.pid) {
        Err(Failure::new(format!(
            "the process {} does not hold {}, as it says: the memdeck there may be just starting; try again",
            holder.pid,
            config.state_dir.display()
        )))
    } else {
        connect(config, holder, url)
    })
}

fn connect(config: &Config, holder: &LockHolder, url: Url) -> Result<ServiceClient, Failure> {
    let service =
        ServiceConfig { url, timeout: TIMEOUT, token: access::token_for(config, holder)?, ca: None };
    match service.url.scheme() {
        "https" => with_tls(config, &service),
        _ => ServiceClient::new(&service).map_err(|error| Failure::new(with_causes(&error))),
    }
}

/// A service with TLS. Its certificate names the address by which others reach it, if any.
fn with_tls(config: &Config, service: &ServiceConfig) -> Result<ServiceClient, Failure> {
    let Some(files) = &config.http.tls else {
        return Err(Failure::new(format!(
            "the memdeck that uses {} answers at {} with TLS: set TLS_CERT and TLS_KEY as it has them, so that it \
             is recognised",
            config.state_dir.display(),
            service.url
        )));
    };
    let certificates = tls::certificates(&files.cert).map_err(|error| Failure::new(with_causes(&error)))?;
    let own = certificates.into_iter().next();
    let tls = own.map(pinned_tls).transpose().map_err(|error| Failure::new(with_causes(&error)))?;
    let client = match tls {
        Some(tls) => ServiceClient::with_tls(service, &tls),
        None => ServiceClient::new(service),
    };
    client.map_err(|error| Failure::new(with_causes(&error)))
}

/// The address at which a service that listens on every one is called from here: it answers under its own names only, and
/// the unspecified address is none.
fn called(mut url: Url) -> Url {
    let loopback = match ip_of(&url) {
        Some(IpAddr::V4(address)) if address.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
        Some(IpAddr::V6(address)) if address.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
        _ => return url,
    };
    match url.set_ip_host(loopback) {
        Ok(()) | Err(()) => url,
    }
}

fn ip_of(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// Whether the URL names an address of this machine: one that a socket can be bound to.
fn is_of_this_machine(url: &Url) -> bool {
    ip_of(url).is_some_and(|address| {
        address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_listens_everywhere_is_called_on_loopback() {
        for (url, expected) in [
            ("https://0.0.0.0:8443/", "https://127.0.0.1:8443/"),
            ("http://[::]:8000/", "http://[::1]:8000/"),
            ("http://192.0.2.7:8000/", "http://192.0.2.7:8000/"),
        ] {
            assert_eq!(called(Url::parse(url).unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn a_lock_file_that_names_another_machine_is_not_believed() {
        for (url, own) in [
            ("http://127.0.0.1:8000", true),
            ("https://[::1]:8000", true),
            ("http://0.0.0.0:8000", true),
            ("http://198.51.100.7:8000", false),
            ("http://evil.example:8000", false),
            ("http://localhost.evil.example", false),
        ] {
            assert_eq!(is_of_this_machine(&Url::parse(url).unwrap()), own, "{url}");
        }
    }
}
