//! Adapters of the port `Courier`: HTTP and mail. They keep nothing, retry nothing and know no catalog.
//!
//! A target is named by an administrator, and what it answers is not trusted: no redirect is followed, every wait is
//! limited, and no answer is read beyond its head. What is said of a failure names no secret: of a URL only the host.

mod http;
mod limits;
mod mail;
mod shape;
mod signature;

use async_trait::async_trait;
use memdeck_model::Message;
use memdeck_model::notice::{NoticeMessage, TargetAddress};
use memdeck_operations::{Courier, Undelivered};

use http::{Http, Post};
use limits::PATIENCE;

/// Carries messages over the network.
#[derive(Debug, Default)]
pub struct NetworkCourier {
    http: Http,
}

#[async_trait]
impl Courier for NetworkCourier {
    fn check(&self, address: &TargetAddress) -> Result<(), Message> {
        match address {
            TargetAddress::Webhook { url, secret, ca_pem } => {
                if let Some(secret) = secret {
                    signature::key(secret.expose())?;
                }
                http::check(url.expose(), ca_pem.as_deref())
            }
            TargetAddress::Slack { url } | TargetAddress::Teams { url } => http::check(url.expose(), None),
            TargetAddress::Json { url, token, ca_pem, .. } => {
                if let Some(token) = token {
                    http::check_token(token.expose())?;
                }
                http::check(url.expose(), ca_pem.as_deref())
            }
            TargetAddress::Email(mail) => mail::check(mail),
        }
    }

    async fn deliver(&self, address: &TargetAddress, message: &NoticeMessage) -> Result<(), Undelivered> {
        let delivered = async {
            match address {
                TargetAddress::Webhook { url, secret, ca_pem } => {
                    let body = shape::webhook(message).to_string();
                    let headers = signature::headers(message, &body, secret.as_ref())?;
                    self.http.post(Post { url, body, headers, ca_pem: ca_pem.as_deref() }).await
                }
                TargetAddress::Slack { url } => {
                    let body = shape::slack(message).to_string();
                    self.http.post(Post { url, body, headers: Vec::new(), ca_pem: None }).await
                }
                TargetAddress::Teams { url } => {
                    let body = shape::teams(message).to_string();
                    self.http.post(Post { url, body, headers: Vec::new(), ca_pem: None }).await
                }
                TargetAddress::Json { url, token, template, ca_pem } => {
                    let body = template.fill(message).to_string();
                    let headers = http::bearer(token.as_ref());
                    self.http.post(Post { url, body, headers, ca_pem: ca_pem.as_deref() }).await
                }
                TargetAddress::Email(mail) => mail::send(mail, message).await,
            }
        };
        tokio::time::timeout(PATIENCE, delivered).await.unwrap_or_else(|_| {
            let detail = format!("{} did not answer within {} s", address.shown(), PATIENCE.as_secs());
            Err(Undelivered::passing(detail))
        })
    }
}
