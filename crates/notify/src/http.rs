//! One request: a POST of JSON.

use std::sync::OnceLock;
use std::time::Duration;

use memdeck_model::SentSecret;
use memdeck_model::notice::TargetAddress;
use memdeck_model::{Message, with_causes};
use memdeck_operations::Undelivered;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Certificate, Client, StatusCode, Url};

use crate::limits::{CONNECT, PATIENCE};

/// What is posted.
pub(crate) struct Post<'a> {
    pub url: &'a SentSecret,
    pub body: String,
    /// Beside those of every request.
    pub headers: Vec<(&'static str, String)>,
    pub ca_pem: Option<&'a str>,
}

/// The client of targets without authorities of their own, made when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Http {
    client: OnceLock<Client>,
}

impl Http {
    pub(crate) async fn post(&self, post: Post<'_>) -> Result<(), Undelivered> {
        let url = url_of(post.url.expose()).map_err(Undelivered::refused)?;
        let host = origin(&url);
        let client = self.client(post.ca_pem, &url).await?;
        let mut request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("memdeck/", env!("CARGO_PKG_VERSION")));
        for (name, value) in post.headers {
            let Ok(mut value) = HeaderValue::from_str(&value) else {
                return Err(Undelivered::refused("a header of the request cannot be written"));
            };
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        match request.body(post.body).send().await {
            // The answer is not read: it may say the URL, which is a secret.
            Ok(answer) => judge(&host, answer.status(), retry_after(answer.headers().get(RETRY_AFTER))),
            Err(error) => {
                let why = with_causes(&error.without_url());
                Err(Undelivered::passing(format!("{host} cannot be reached: {why}")))
            }
        }
    }

    async fn client(&self, ca_pem: Option<&str>, url: &Url) -> Result<Client, Undelivered> {
        let is_usual = ca_pem.is_none() && !is_loopback(url);
        if let Some(client) = self.client.get().filter(|_| is_usual) {
            return Ok(client.clone());
        }
        let (ca_pem, here) = (ca_pem.map(str::to_owned), is_loopback(url));
        // It reads the machine's certificates.
        let made = tokio::task::spawn_blocking(move || client(ca_pem.as_deref(), here)).await;
        let client = made.map_err(|_| Undelivered::passing("no HTTP client could be made"))?;
        let client = client.map_err(Undelivered::refused)?;
        if is_usual {
            return Ok(self.client.get_or_init(|| client).clone());
        }
        Ok(client)
    }
}

/// A client that follows nobody elsewhere. What goes to this machine goes through no proxy.
fn client(ca_pem: Option<&str>, here: bool) -> Result<Client, Message> {
    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(PATIENCE)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(Duration::from_secs(30));
    let builder = if here { builder.no_proxy() } else { builder };
    let builder = match ca_pem {
        Some(pem) => builder.tls_certs_only(authorities(pem)?),
        None => builder,
    };
    builder.build().map_err(|error| Message::new(format!("no HTTP client: {}", with_causes(&error))))
}

fn authorities(pem: &str) -> Result<Vec<Certificate>, Message> {
    let certificates = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
    if certificates.is_empty() { Err(NO_CERTIFICATE.into()) } else { Ok(certificates) }
}

pub(crate) const NO_CERTIFICATE: &str =
    "the certificates of authorities are no PEM with at least one certificate";

/// Whether a request can be made of what a target says.
pub(crate) fn check(url: &str, ca_pem: Option<&str>) -> Result<(), Message> {
    url_of(url)?;
    ca_pem.map_or(Ok(()), |pem| authorities(pem).map(drop))
}

pub(crate) fn check_token(token: &str) -> Result<(), Message> {
    match HeaderValue::from_str(token) {
        Ok(_) if !token.is_empty() => Ok(()),
        _ => Err("the token has letters that cannot be sent in a header".into()),
    }
}

pub(crate) fn bearer(token: Option<&SentSecret>) -> Vec<(&'static str, String)> {
    token.map(|token| (AUTHORIZATION_NAME, format!("Bearer {}", token.expose()))).into_iter().collect()
}

const AUTHORIZATION_NAME: &str = "authorization";

/// Says nothing of the URL that it cannot use: it is a secret.
fn url_of(url: &str) -> Result<Url, Message> {
    debug_assert_eq!(AUTHORIZATION.as_str(), AUTHORIZATION_NAME);
    let url = Url::parse(url)
        .map_err(|error| Message::new(format!("the URL cannot be read: {error}; write https://host/path")))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err("the URL must begin with https:// or http:// and name a host".into());
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err("the URL must begin with https://: only on this machine is http:// safe".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not contain a name and password".into());
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// What is said of a URL, by the one place that decides what is no secret.
fn origin(url: &Url) -> String {
    TargetAddress::Teams { url: url.to_string().into() }.shown()
}

fn retry_after(header: Option<&HeaderValue>) -> Option<Duration> {
    let seconds = header?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn judge(host: &str, status: StatusCode, retry_after: Option<Duration>) -> Result<(), Undelivered> {
    if status.is_success() {
        return Ok(());
    }
    let detail = if status.is_redirection() {
        format!("{host} answers {status} and sends elsewhere, where memdeck does not follow")
    } else {
        format!("{host} answers {status}")
    };
    let may_pass = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    let failure = if may_pass { Undelivered::passing(detail) } else { Undelivered::refused(detail) };
    Err(Undelivered { retry_after, ..failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_saying_it() {
        for url in [
            "s3cret",
            "ftp://ops.example/s3cret",
            "http://ops.example/s3cret",
            "https://me:s3cret@ops.example/",
            "https:///s3cret",
            "file:///etc/s3cret",
        ] {
            let error = check(url, None).err();
            let said = error.map(|error| error.to_string());
            assert!(
                said.as_ref().is_some_and(|said| !said.contains("s3cret")) || url == "https:///s3cret",
                "{url}: {said:?}"
            );
        }
        for url in
            ["https://ops.example/hook", "http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"]
        {
            assert_eq!(check(url, None), Ok(()), "{url}");
        }
        assert_eq!(check("https://ops.example/", Some("no PEM")), Err(NO_CERTIFICATE.into()));
    }

    #[test]
    fn what_may_pass_is_tried_again_longer_than_what_is_refused() {
        let refused = |status: u16| {
            judge("https://x.example", StatusCode::from_u16(status).unwrap(), None).map_err(|e| e.is_refusal)
        };
        assert_eq!([200, 202, 204].map(refused), [Ok(()); 3]);
        assert_eq!([408, 425, 429, 500, 502, 503].map(refused), [Err(false); 6]);
        assert_eq!([301, 308, 400, 401, 404, 410].map(refused), [Err(true); 6]);
        let asked = |text: &'static str| retry_after(Some(&HeaderValue::from_static(text)));
        assert_eq!(asked("120"), Some(Duration::from_mins(2)));
        assert_eq!(asked("Fri, 31 Dec 1999 23:59:59 GMT"), None);
    }
}
