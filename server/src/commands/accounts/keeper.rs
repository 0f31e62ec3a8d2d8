//! Who keeps the accounts that a command is about: the dashboard that runs, or this process.

use memdeck_agent::{CallError, ServiceClient};
use memdeck_catalog::{LockRole, holder_of};
use memdeck_model::{
    Account, AccountChange, AccountName, ApiToken, Group, GroupChange, MadeApiToken, NewAccount, NewApiToken,
    NewGroup,
};
use memdeck_operations::{Accounts, Caller, blocking};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::commands::service::operator;
use crate::commands::{Failure, own_service, with_causes};
use crate::config::Config;
use crate::node::{self, StartError, State};
use crate::ownership;

pub enum Keeper {
    Dashboard(ServiceClient),
    /// This process, which holds the state directory until the end.
    Here {
        accounts: Accounts,
        _held: State,
    },
}

impl Keeper {
    pub async fn find(config: &Config) -> Result<Self, Failure> {
        if config.state_dir.exists() {
            ownership::check_directory(&config.state_dir).map_err(StartError::from)?;
        }
        let holder = holder_of(&config.state_dir);
        match holder.as_ref().map(|holder| holder.role) {
            Some(LockRole::Agent) => {
                Err(Failure::new("an agent has no accounts: they are those of the dashboard in front of it"))
            }
            Some(LockRole::Serve) => {
                let client = holder.as_ref().and_then(|holder| own_service::client(config, holder));
                let client = client.transpose()?.ok_or_else(|| {
                    Failure::new("the memdeck that is starting does not answer yet; try again")
                })?;
                Ok(Self::Dashboard(client))
            }
            _ => {
                let state = State::take(config, LockRole::Accounts)?;
                let catalog = std::sync::Arc::clone(&state.catalog);
                let accounts = blocking(move || Accounts::load(&catalog, &node::clock())).await;
                let accounts = accounts.map_err(|error| Failure::new(with_causes(&error)))?;
                Ok(Self::Here { accounts, _held: state })
            }
        }
    }

    pub async fn accounts(&self) -> Result<Vec<Account>, Failure> {
        match self {
            Self::Dashboard(client) => ask(client, Method::GET, &["users"], None::<&()>).await,
            Self::Here { accounts, .. } => Ok(accounts.list_accounts(&caller())?),
        }
    }

    pub async fn add_account(&self, new: NewAccount) -> Result<Account, Failure> {
        match self {
            Self::Dashboard(client) => ask(client, Method::POST, &["users"], Some(&new)).await,
            Self::Here { accounts, .. } => Ok(accounts.add_account(new, &caller()).await?),
        }
    }

    pub async fn change_account(
        &self,
        name: &AccountName,
        change: AccountChange,
    ) -> Result<Account, Failure> {
        match self {
            Self::Dashboard(client) => {
                ask(client, Method::PATCH, &["users", name.as_str()], Some(&change)).await
            }
            Self::Here { accounts, .. } => Ok(accounts.change_account(name, change, &caller()).await?),
        }
    }

    pub async fn remove_account(&self, name: &AccountName) -> Result<(), Failure> {
        match self {
            Self::Dashboard(client) => tell(client, &["users", name.as_str()]).await,
            Self::Here { accounts, .. } => Ok(accounts.remove_account(name, &caller()).await?),
        }
    }

    pub async fn groups(&self) -> Result<Vec<Group>, Failure> {
        match self {
            Self::Dashboard(client) => ask(client, Method::GET, &["groups"], None::<&()>).await,
            Self::Here { accounts, .. } => Ok(accounts.list_groups(&caller())?),
        }
    }

    pub async fn add_group(&self, new: NewGroup) -> Result<Group, Failure> {
        match self {
            Self::Dashboard(client) => ask(client, Method::POST, &["groups"], Some(&new)).await,
            Self::Here { accounts, .. } => Ok(accounts.add_group(new, &caller()).await?),
        }
    }

    pub async fn change_group(&self, name: &AccountName, change: GroupChange) -> Result<Group, Failure> {
        match self {
            Self::Dashboard(client) => {
                ask(client, Method::PUT, &["groups", name.as_str()], Some(&change)).await
            }
            Self::Here { accounts, .. } => Ok(accounts.change_group(name, change, &caller()).await?),
        }
    }

    pub async fn remove_group(&self, name: &AccountName) -> Result<(), Failure> {
        match self {
            Self::Dashboard(client) => tell(client, &["groups", name.as_str()]).await,
            Self::Here { accounts, .. } => Ok(accounts.remove_group(name, &caller()).await?),
        }
    }

    pub async fn tokens(&self) -> Result<Vec<ApiToken>, Failure> {
        match self {
            Self::Dashboard(client) => ask(client, Method::GET, &["tokens"], None::<&()>).await,
            Self::Here { accounts, .. } => Ok(accounts.list_tokens(&caller())?),
        }
    }

    pub async fn make_token(&self, new: NewApiToken) -> Result<MadeApiToken, Failure> {
        match self {
            Self::Dashboard(client) => ask(client, Method::POST, &["tokens"], Some(&new)).await,
            Self::Here { accounts, .. } => Ok(accounts.make_token(new, &caller()).await?),
        }
    }

    pub async fn revoke_token(&self, name: &AccountName) -> Result<(), Failure> {
        match self {
            Self::Dashboard(client) => tell(client, &["tokens", name.as_str()]).await,
            Self::Here { accounts, .. } => Ok(accounts.revoke_token(name, &caller()).await?),
        }
    }
}

/// Whoever may write the state directory.
fn caller() -> Caller {
    Caller::trusted(operator())
}

async fn ask<T: DeserializeOwned>(
    client: &ServiceClient,
    method: Method,
    path: &[&str],
    body: Option<&(impl Serialize + Sync)>,
) -> Result<T, Failure> {
    client.call(method, path, body).await.map_err(refused)
}

async fn tell(client: &ServiceClient, path: &[&str]) -> Result<(), Failure> {
    client.delete(path).await.map_err(refused)
}

/// A refusal in the words of the service.
fn refused(error: CallError) -> Failure {
    match error {
        CallError::Refused { detail, .. } => Failure::new(detail),
        error => Failure::new(format!("the memdeck of this machine failed: {error}")),
    }
}
