//! The provider of `OpenID` Connect: whether it describes itself as memdeck needs it.

use std::sync::Arc;

use memdeck_clock::Clock;
use memdeck_model::with_causes;

use super::Check;
use crate::config::Config;
use crate::node;
use crate::oidc::Provider;

const CHECK: &str = "sign_in";

pub async fn check(config: &Config) -> Check {
    let Some(oidc) = &config.http.oidc else {
        return Check::off(CHECK, "Nobody signs in by OpenID Connect (OIDC_ISSUER).");
    };
    let clock: Arc<dyn Clock> = node::clock();
    match Provider::new(oidc.clone(), clock).metadata().await {
        Ok(metadata) => {
            let keys = metadata.jwks().keys().len();
            let unit = if keys == 1 { "key" } else { "keys" };
            Check::ok(CHECK, format!("{} answers, with {keys} {unit}.", oidc.issuer))
        }
        Err(error) => Check::failed(
            CHECK,
            with_causes(&error),
            "Check OIDC_ISSUER (letter by letter as the provider names itself) and OIDC_CA, and that this machine reaches it. \
             Everybody else signs in as before.",
        ),
    }
}
