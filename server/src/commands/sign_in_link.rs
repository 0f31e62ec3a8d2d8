//! `memdeck sign-in-link`

use memdeck_catalog::{LockRole, holder_of};

use super::{Exit, Failure, Output, access, own_service};
use crate::config::Config;
use crate::ownership;

pub async fn run(config: &Config) -> Result<Exit, Failure> {
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
    Output::default().line(format_args!(
        "{}{}",
        access::browser_url(&config.http, client.url()),
        link.path
    ))?;
    Ok(Exit::Done)
}
