//! From the code that a browser brings back to who it is.

use std::time::{Duration, UNIX_EPOCH};

use openidconnect::core::{
    CoreGenderClaim, CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AccessToken, AdditionalClaims, AuthorizationCode, ClaimsVerificationError, ClientId, Nonce,
    OAuth2TokenResponse as _, SignatureVerificationError, SubjectIdentifier, TokenResponse as _,
    UserInfoClaims,
};
use serde::{Deserialize, Serialize};

use super::claims::{self, Claims};
use super::error::{Cause, OidcError};
use super::provider::RelyingParty;
use super::{Begun, Oidc, Proven, Returned};

/// Signatures that the provider alone can make. Not those with a shared secret: a key that everybody may read would do for one.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// How far the clock of the provider may be behind ours.
const LEEWAY: Duration = Duration::from_mins(1);
/// What is kept of a code by which the provider says why it refuses.
const MOST_OF_CODE: usize = 60;

/// Every claim, whatever it is called.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Told(Claims);

impl AdditionalClaims for Told {}

impl Oidc {
    /// Who signed in at the provider, by what the browser brought back from there.
    ///
    /// # Errors
    /// The provider refused, or nothing proves who it is.
    pub async fn prove(&self, begun: Begun, returned: Returned) -> Result<Proven, OidcError> {
        let name = || self.config().name.clone();
        if returned.issuer.is_some_and(|issuer| issuer != self.config().issuer) {
            return Err(OidcError::OtherIssuer { name: name() });
        }
        if let Some(code) = returned.error {
            return Err(OidcError::Refused { name: name(), code: plain(&code) });
        }
        let exchange = |cause| OidcError::Exchange { name: name(), cause };
        let code = returned.code.ok_or_else(|| exchange(Cause::said("it sent no code")))?;

        let metadata = self.provider.metadata().await?;
        let client = self.provider.relying_party(&metadata, &begun.redirect_uri)?;
        let request = client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|error| exchange(Cause::of(&error)))?;
        let answer =
            request.set_pkce_verifier(begun.verifier).request_async(self.provider.http().await?).await;
        let answer = answer.map_err(|error| exchange(Cause::of(&error)))?;
        let token = answer.id_token().ok_or_else(|| exchange(Cause::said("it sent no token of identity")))?;

        let subject = self.verified(token, &metadata, &begun.nonce).await?;
        let mut told = claims::of_token(&token.to_string())
            .ok_or_else(|| exchange(Cause::said("the token of identity has no claims")))?;
        if self.lacks(&told) && metadata.userinfo_endpoint().is_some() {
            // What was signed counts before what was asked for.
            let more = self.user_info(&client, answer.access_token(), &subject).await?;
            for (claim, value) in more {
                told.entry(claim).or_insert(value);
            }
        }
        self.proven(&told, &subject)
    }

    /// Whom a token names that the provider signed for this sign-in. Keys that it has changed since are asked for, once.
    async fn verified(
        &self,
        token: &CoreIdToken,
        metadata: &CoreProviderMetadata,
        nonce: &Nonce,
    ) -> Result<SubjectIdentifier, OidcError> {
        let unverified = |cause: &ClaimsVerificationError| OidcError::Unverified {
            name: self.config().name.clone(),
            cause: Cause::of(cause),
        };
        match self.judge(token, metadata, nonce) {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_),
            )) => {
                let metadata = self.provider.metadata_anew().await?;
                self.judge(token, &metadata, nonce).map_err(|cause| unverified(&cause))
            }
            judged => judged.map_err(|cause| unverified(&cause)),
        }
    }

    fn judge(
        &self,
        token: &CoreIdToken,
        metadata: &CoreProviderMetadata,
        nonce: &Nonce,
    ) -> Result<SubjectIdentifier, ClaimsVerificationError> {
        let micros = u64::try_from(self.clock.now().unix_micros()).unwrap_or_default();
        let now = UNIX_EPOCH + Duration::from_micros(micros).saturating_sub(LEEWAY);
        let id = ClientId::new(self.config().client_id.clone());
        // Without the secret of this memdeck, which signs nothing here.
        let verifier =
            CoreIdTokenVerifier::new_public_client(id, metadata.issuer().clone(), metadata.jwks().clone())
                .set_allowed_algs(ALGORITHMS)
                .set_time_fn(move || now.into());
        token.claims(&verifier, nonce).map(|claims| claims.subject().clone())
    }

    /// Whether the token of identity leaves out what decides.
    fn lacks(&self, told: &Claims) -> bool {
        let config = self.config();
        claims::find(told, &config.user_claim).is_none() || claims::find(told, &config.groups_claim).is_none()
    }

    async fn user_info(
        &self,
        client: &RelyingParty,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Result<Claims, OidcError> {
        let failed = |cause| OidcError::UserInfo { name: self.config().name.clone(), cause };
        // The crate would panic.
        if !token.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(failed(Cause::said("its access token cannot be sent in a header")));
        }
        let request = client.user_info(token.clone(), Some(subject.clone()));
        let request = request.map_err(|error| failed(Cause::of(&error)))?;
        let told: UserInfoClaims<Told, CoreGenderClaim> = request
            .request_async(self.provider.http().await?)
            .await
            .map_err(|error| failed(Cause::of(&error)))?;
        let told = serde_json::to_value(told).map_err(|error| failed(Cause::of(&error)))?;
        serde_json::from_value(told).map_err(|error| failed(Cause::of(&error)))
    }

    fn proven(&self, told: &Claims, subject: &SubjectIdentifier) -> Result<Proven, OidcError> {
        let config = self.config();
        let name = claims::name(told, &config.user_claim)
            .ok_or_else(|| OidcError::NoName { name: config.name.clone() })?;
        let groups = claims::groups(told, &config.groups_claim)
            .map_err(|claims::TooMany| OidcError::TooManyGroups { name: config.name.clone() })?;
        let rights = config.roles.as_ref().map(|roles| roles.rights_of(groups.iter().map(String::as_str)));
        let subject = subject.chars().take(255).map(|c| if c.is_control() { ' ' } else { c }).collect();
        Ok(Proven { name, subject, rights, groups })
    }
}

/// A code such as `access_denied`, and nothing that means anything elsewhere.
fn plain(code: &str) -> String {
    let letters = code.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    letters.take(MOST_OF_CODE).collect()
}
