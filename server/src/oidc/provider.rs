//! The provider: its description and its keys, asked for when they are needed.

use std::sync::Arc;
use std::time::Duration;

use memdeck_clock::Clock;
use openidconnect::core::{CoreClient, CoreClientAuthMethod, CoreProviderMetadata};
use openidconnect::{
    AuthType, ClientId, ClientSecret, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, RedirectUrl,
};
use reqwest::Url;
use tokio::sync::{Mutex, OnceCell};

use super::client::ProviderClient;
use super::error::{Cause, OidcError};
use crate::config::OidcConfig;

/// For how long a description counts.
const LIFETIME: Duration = Duration::from_hours(1);
/// After a failure nobody is asked for this long: clicks in vain do not add up.
const PAUSE: Duration = Duration::from_secs(3);

/// The crate's client, as a description makes it.
pub type RelyingParty = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<CoreProviderMetadata>, Duration)>,
    failed: Option<(String, Duration)>,
}

/// One provider.
pub struct Provider {
    config: OidcConfig,
    clock: Arc<dyn Clock>,
    http: OnceCell<ProviderClient>,
    known: Mutex<Known>,
}

impl Provider {
    pub fn new(config: OidcConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock, http: OnceCell::new(), known: Mutex::default() }
    }

    pub fn config(&self) -> &OidcConfig {
        &self.config
    }

    /// How it is called, made at the first call.
    pub async fn http(&self) -> Result<&ProviderClient, OidcError> {
        let make = || async {
            let (issuer, ca) = (self.config.issuer.clone(), self.config.ca.clone());
            // It reads the certificates that this machine trusts.
            let made = memdeck_operations::blocking(move || {
                let issuer = Url::parse(&issuer).map_err(|error| Cause::of(&error))?;
                ProviderClient::new(&issuer, ca.as_deref()).map_err(|error| Cause::of(&error))
            });
            made.await.map_err(OidcError::Here)
        };
        self.http.get_or_try_init(make).await
    }

    /// Its description and keys; those of before, if they are not too old.
    ///
    /// # Errors
    /// It does not answer, or not with what describes this very provider.
    pub async fn metadata(&self) -> Result<Arc<CoreProviderMetadata>, OidcError> {
        let mut known = self.known.lock().await;
        let now = self.clock.monotonic();
        let fresh = known.metadata.as_ref().filter(|(_, at)| now.saturating_sub(*at) < LIFETIME);
        if let Some((metadata, _)) = fresh {
            return Ok(Arc::clone(metadata));
        }
        self.ask(&mut known).await
    }

    /// The same asked for anew, since what was signed does not fit the keys of before.
    ///
    /// # Errors
    /// As [`Self::metadata`].
    pub async fn metadata_anew(&self) -> Result<Arc<CoreProviderMetadata>, OidcError> {
        let mut known = self.known.lock().await;
        self.ask(&mut known).await
    }

    async fn ask(&self, known: &mut Known) -> Result<Arc<CoreProviderMetadata>, OidcError> {
        let failed =
            |said: &str| OidcError::Discovery { name: self.config.name.clone(), cause: Cause::said(said) };
        let now = self.clock.monotonic();
        if let Some((said, _)) = known.failed.as_ref().filter(|(_, at)| now.saturating_sub(*at) < PAUSE) {
            return Err(failed(said));
        }
        match self.discover().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Known { metadata: Some((Arc::clone(&metadata), now)), failed: None };
                Ok(metadata)
            }
            Err(cause) => {
                let said = cause.to_string();
                let error = failed(&said);
                *known = Known { metadata: None, failed: Some((said, self.clock.monotonic())) };
                Err(error)
            }
        }
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, Cause> {
        let http = self.http().await.map_err(|error| Cause::of(&error))?;
        let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(|error| Cause::of(&error))?;
        // The crate refuses the description of another issuer.
        let metadata = CoreProviderMetadata::discover_async(issuer, http).await;
        let metadata = metadata.map_err(|error| Cause::of(&error))?;
        let page = metadata.authorization_endpoint().url();
        if !http.may_call(page) {
            return Err(Cause::said("people would be sent to a page without TLS to sign in"));
        }
        if metadata.token_endpoint().is_none() {
            return Err(Cause::said("it does not say where codes are exchanged (token_endpoint)"));
        }
        Ok(metadata)
    }

    /// This memdeck, as the provider with that description knows it.
    ///
    /// # Errors
    /// The address to return to is none.
    pub fn relying_party(
        &self,
        metadata: &CoreProviderMetadata,
        redirect_uri: &str,
    ) -> Result<RelyingParty, OidcError> {
        let redirect = RedirectUrl::new(redirect_uri.to_owned());
        let redirect = redirect.map_err(|error| OidcError::Here(Cause::of(&error)))?;
        let secret = ClientSecret::new(self.config.client_secret.expose().to_owned());
        let id = ClientId::new(self.config.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, Some(secret));
        Ok(client.set_redirect_uri(redirect).set_auth_type(auth_type(metadata)))
    }
}

/// How the secret is sent: in a header, unless the provider takes it in the body only.
fn auth_type(metadata: &CoreProviderMetadata) -> AuthType {
    let Some(methods) = metadata.token_endpoint_auth_methods_supported() else { return AuthType::BasicAuth };
    let takes = |method| methods.contains(&method);
    let is_in_body =
        takes(CoreClientAuthMethod::ClientSecretPost) && !takes(CoreClientAuthMethod::ClientSecretBasic);
    if is_in_body { AuthType::RequestBody } else { AuthType::BasicAuth }
}
