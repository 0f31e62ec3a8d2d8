//! The service of this machine that holds the state directory, as the command line calls it.

use std::net::{IpAddr, UdpSocket};
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
/// holder, so that the token would go to whoever listens there now.
pub fn client(config: &Config, holder: &LockHolder) -> Option<Result<ServiceClient, Failure>> {
    let url = Url::parse(holder.url.as_deref()?).ok()?;
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
    let service = ServiceConfig { url, timeout: TIMEOUT, token: access::token_for(config, holder)? };
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

/// Whether the URL names an address of this machine: one that a socket can be bound to.
fn is_of_this_machine(url: &Url) -> bool {
    let address = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    address.is_some_and(|address| {
        address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
