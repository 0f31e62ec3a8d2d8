//! `memdeck sign-in-link`

use memdeck_catalog::{LockRole, holder_of};
use serde_json::json;

use super::{Exit, Failure, Output, access, own_service};
use crate::cli::JsonArgs;
use crate::config::Config;
use crate::ownership;

pub async fn run(config: &Config, args: &JsonArgs) -> Result<Exit, Failure> {
    ownership::check_directory(&config.state_dir)
        .map_err(|error| Failure::new(super::with_causes(&error)))?;
    let holder = holder_of(&config.state_dir).filter(|holder| holder.role == LockRole::Serve);
    let client = holder.as_ref().and_then(|holder| own_service::client(config, holder)).transpose()?;
    let Some(client) = client else {
        return Err(Failure::new(format!(
            "no memdeck serve uses {}: start it, or set STATE_DIR as it has it",
            config.state_dir.display()
        )));
    };
    let link = client
        .make_sign_in_link()
        .await
        .map_err(|error| Failure::new(format!("{} made no link: {error}", client.url())))?;
    let url = format!("{}{}", access::browser_url(&config.http, client.url()), link.path);
    let mut output = Output::default();
    if args.json {
        output.json(&json!({"url": url, "expires_in_sec": link.expires_in_sec}))?;
    } else {
        output.line(url)?;
    }
    Ok(Exit::Done)
}
