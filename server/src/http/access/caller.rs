//! Where a request comes from: the peer of the connection, or, where a declared reverse proxy speaks for it, whom the
//! proxy names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, StatusCode};
use memdeck_model::{AccountName, Rights};

use crate::config::{HttpConfig, ProxySignIn};
use crate::http::answer::RestError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who calls, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub address: IpAddr,
    /// Whether its browser came by TLS.
    pub secure: bool,
}

/// Somebody who signed in at a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    pub name: AccountName,
    /// What their groups allow; `None` where their account decides.
    pub rights: Option<Rights>,
    /// The groups that the proxy says they are in.
    pub groups: Vec<String>,
}

/// Whose word is taken for who calls.
pub struct Proxies {
    declared: Vec<IpAddr>,
    tls: bool,
    /// Whether others than the proxies may come without TLS.
    lenient: bool,
    sign_in: Option<ProxySignIn>,
}

impl Proxies {
    pub fn new(http: &HttpConfig) -> Self {
        Self {
            declared: http.proxies.clone(),
            tls: http.tls.is_some(),
            lenient: http.proxies.is_empty() || http.tls.is_some() || http.insecure_http,
            sign_in: http.proxy_sign_in.clone(),
        }
    }

    /// Who calls through the connection with `peer`.
    ///
    /// # Errors
    /// Another machine goes round the proxy, and would send its token without TLS.
    pub fn caller(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<Caller, RestError> {
        let peer = canonical(peer);
        if self.declared.contains(&peer) {
            let address = self.forwarded_for(headers).unwrap_or(peer);
            let plain =
                last(headers, &FORWARDED_PROTO).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
            return Ok(Caller { address, secure: !plain });
        }
        if self.lenient || peer.is_loopback() {
            return Ok(Caller { address: peer, secure: self.tls });
        }
        Err(RestError::new(
            StatusCode::FORBIDDEN,
            "this service is reached through its proxy, which adds TLS; call that one",
        ))
    }

    /// Who signed in at the proxy that is `peer`, if it says so.
    ///
    /// # Errors
    /// It names several, which a client may have done that it did not check, or one of a name that nobody can have.
    pub fn vouched(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<Option<Vouched>, RestError> {
        let peer = canonical(peer);
        let Some(sign_in) = self.sign_in.as_ref().filter(|_| self.declared.contains(&peer)) else {
            return Ok(None);
        };
        let mut names = headers.get_all(&sign_in.user).iter();
        let (name, further) = (names.next(), names.next());
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        if further.is_some() {
            return Err(RestError::new(
                StatusCode::BAD_REQUEST,
                format!(
                    "the proxy passed {} on twice: it must remove what a client sends of it",
                    sign_in.user
                ),
            ));
        }
        let name = name.to_str().ok().and_then(|name| name.trim().parse().ok()).ok_or_else(|| {
            RestError::new(
                StatusCode::FORBIDDEN,
                format!("the proxy names somebody in {} by a name that no account can have", sign_in.user),
            )
        })?;
        let Some(told) = &sign_in.groups else {
            return Ok(Some(Vouched { name, rights: None, groups: Vec::new() }));
        };
        let lists = headers.get_all(&told.header).iter().filter_map(|list| list.to_str().ok());
        let groups: Vec<String> =
            lists.flat_map(|list| list.split(',')).map(|group| group.trim().to_owned()).collect();
        let rights = told.roles.rights_of(groups.iter().map(String::as_str));
        Ok(Some(Vouched { name, rights: Some(rights), groups }))
    }

    /// Whether anybody may speak for others.
    pub fn are_declared(&self) -> bool {
        !self.declared.is_empty()
    }

    /// Whether this peer speaks for others.
    pub fn contains(&self, peer: IpAddr) -> bool {
        self.declared.contains(&peer)
    }

    /// The last address that no proxy of ours has: those before it are what the caller says of itself.
    fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        let mut known = hops.iter().rev().map_while(|hop| address(hop));
        known.find(|address| !self.declared.contains(address))
    }
}

/// `None` if no connection is: in tests.
fn canonical(peer: Option<IpAddr>) -> IpAddr {
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.to_canonical())
}

/// Some proxies add the port.
fn address(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().ok().or_else(|| hop.parse().ok().map(|with_port: SocketAddr| with_port.ip()));
    address.map(|address| address.to_canonical())
}

fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(declared: &[&str]) -> Proxies {
        let proxies = declared.iter().map(|address| address.parse().unwrap()).collect();
        Proxies::new(&HttpConfig { proxies, ..HttpConfig::default() })
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_is_believed_who_was_not_declared() {
        let said = headers(&[("x-forwarded-for", "198.51.100.9"), ("x-forwarded-proto", "https")]);
        let caller = proxies(&[]).caller(Some(ip("10.0.0.9")), &said).unwrap();
        assert_eq!(caller, Caller { address: ip("10.0.0.9"), secure: false });
    }

    #[test]
    fn a_declared_proxy_names_the_caller_and_its_own_lies_do_not_count() {
        let proxies = proxies(&["10.0.0.2", "10.0.0.3"]);
        for (forwarded, address) in [
            ("198.51.100.9", "198.51.100.9"),
            ("1.1.1.1, 198.51.100.9, 10.0.0.3", "198.51.100.9"),
            ("198.51.100.9:4711", "198.51.100.9"),
            ("unknown", "10.0.0.2"),
            ("1.1.1.1, unknown", "10.0.0.2"),
        ] {
            let caller =
                proxies.caller(Some(ip("10.0.0.2")), &headers(&[("x-forwarded-for", forwarded)])).unwrap();
            assert_eq!(caller, Caller { address: address.parse().unwrap(), secure: true }, "{forwarded}");
        }
        let plain = headers(&[("x-forwarded-proto", "http")]);
        assert!(!proxies.caller(Some(ip("10.0.0.2")), &plain).unwrap().secure);
        assert!(
            proxies.caller(Some(ip("::ffff:10.0.0.2")), &headers(&[])).unwrap().secure,
            "the same as IPv6"
        );
    }

    #[test]
    fn with_a_declared_proxy_other_machines_must_take_it() {
        let proxies = proxies(&["10.0.0.2"]);
        assert!(proxies.caller(Some(ip("10.0.0.9")), &headers(&[])).is_err());
        assert!(
            !proxies.caller(Some(ip("127.0.0.1")), &headers(&[])).unwrap().secure,
            "this machine's own calls"
        );
    }
}
