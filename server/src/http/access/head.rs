//! What the head of a request says about where it comes from.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};

use super::{Caller, FORM_TYPE, SEC_FETCH_SITE};
use crate::http::answer::{RestError, media_type};

/// Whether nothing says that a browser sent it or that it was passed on for somebody else.
pub(super) fn is_a_script(headers: &HeaderMap) -> bool {
    !headers.keys().any(|name| {
        let name = name.as_str();
        matches!(name, "origin" | "forwarded" | "via" | "x-real-ip")
            || name.starts_with("sec-fetch-")
            || name.starts_with("x-forwarded-")
    })
}

/// Whether only this machine knows itself by this name: a caller that uses another one may come through a proxy that does not
/// say so.
pub(super) fn is_of_this_machine(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What is sent as the token, if one is sent.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, given) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(given)
}

/// Not by the crate `cookie`: it would decode and unquote values, and those that we set need neither.
pub fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|pairs| pairs.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(found, _)| *found == name)
        .map(|(_, value)| value)
}

pub(super) fn check_same_origin(headers: &HeaderMap, caller: &Caller) -> Result<(), RestError> {
    check_site(headers)?;
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let same = origin.to_str().is_ok_and(|origin| {
        // A page that came without TLS is not ours where we have it. Without a declared proxy there may be one still.
        let plain = origin.strip_prefix("http://").filter(|_| !caller.secure);
        let authority = plain.or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host(headers)))
    });
    if same { Ok(()) } else { Err(from_another_page()) }
}

/// Another page asks for nothing here, not even to look: links to pages of ours are all it may have.
pub(super) fn check_site(headers: &HeaderMap) -> Result<(), RestError> {
    match headers.get(SEC_FETCH_SITE) {
        Some(site) if site != "same-origin" && site != "none" => Err(from_another_page()),
        _ => Ok(()),
    }
}

pub(super) fn from_another_page() -> RestError {
    RestError::new(StatusCode::FORBIDDEN, "requests from other web pages are not accepted")
}

pub(super) fn check_form(headers: &HeaderMap) -> Result<(), RestError> {
    if media_type(headers).eq_ignore_ascii_case(FORM_TYPE) {
        return Ok(());
    }
    let detail = "send a form with `Content-Type: application/x-www-form-urlencoded`";
    Err(RestError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

pub(super) fn host(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// `[::1]:8000` is `[::1]`, `localhost:8000` is `localhost`.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(']') =>
        {
            name
        }
        _ => host,
    }
}
