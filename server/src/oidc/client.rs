//! Calls to the provider, as the crate `openidconnect` makes them: over the HTTP client of the house.

use std::pin::Pin;
use std::time::Duration;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::{Certificate, Client, Url};

use crate::config::is_of_this_machine;

/// The longest one call may take: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Descriptions, keys and tokens are some KiB.
const MOST_BYTES: usize = 1 << 20;

/// Calls one provider, and follows it nowhere else.
pub struct ProviderClient {
    http: Client,
    /// Whether it may be called without TLS: on this machine.
    in_the_clear: bool,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It would be asked where others listen.
    #[error("{host} is not called without TLS")]
    InTheClear { host: String },
    /// The address cannot be read.
    #[error("an address of the provider cannot be read")]
    Address(#[source] openidconnect::url::ParseError),
    /// There is no answer.
    #[error("{host} cannot be reached")]
    NoAnswer {
        host: String,
        #[source]
        cause: reqwest::Error,
    },
    /// The answer has no end, or should have none.
    #[error("{host} answers more than {MOST_BYTES} bytes")]
    TooLong { host: String },
    /// The answer makes no response.
    #[error("the answer cannot be read")]
    Unreadable(#[source] axum::http::Error),
}

impl ProviderClient {
    /// A client that trusts the certificates in `ca`, or those that this machine trusts. Blocks: those are read.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new(issuer: &Url, ca: Option<&[u8]>) -> Result<Self, reqwest::Error> {
        let builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PATIENCE / 2)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(1);
        let builder = if is_of_this_machine(issuer) { builder.no_proxy() } else { builder };
        let builder = match ca {
            Some(pem) => builder.tls_certs_only(Certificate::from_pem_bundle(pem)?),
            None => builder,
        };
        Ok(Self { http: builder.build()?, in_the_clear: issuer.scheme() == "http" })
    }

    /// Whether an address of the provider may be called, or shown to a browser.
    pub fn may_call(&self, url: &Url) -> bool {
        url.scheme() == "https" || (self.in_the_clear && url.scheme() == "http" && is_of_this_machine(url))
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(CallError::Address)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if !self.may_call(&url) {
            return Err(CallError::InTheClear { host });
        }
        // The URL is said once, without its query.
        let failed =
            |cause: reqwest::Error| CallError::NoAnswer { host: host.clone(), cause: cause.without_url() };
        let request = self.http.request(head.method, url).headers(head.headers).body(body);
        let mut answer = request.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if body.len() + part.len() > MOST_BYTES {
                return Err(CallError::TooLong { host });
            }
            body.extend_from_slice(&part);
        }
        let mut response = axum::http::Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        response.body(body).map_err(CallError::Unreadable)
    }
}

impl<'c> AsyncHttpClient<'c> for ProviderClient {
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.answer(request))
    }
}
