//! Accounts, groups, sessions and API tokens.

mod groups;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use memdeck_model::{
    Account, AccountChange, AccountName, ApiToken, MadeApiToken, Me, NewAccount, NewApiToken, PasswordChange,
    Problem, ProblemKind, SessionFacts,
};
use memdeck_operations::OpenSession;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::{Standing, Who};
use super::answer::{JsonBody, RestError, UrlPath};
use super::openapi::ErrorBody;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(users, add))
        .routes(routes!(change, remove))
        .routes(routes!(groups::list, groups::add))
        .routes(routes!(groups::change, groups::remove))
        .routes(routes!(sessions))
        .routes(routes!(end_session))
        .routes(routes!(tokens, make_token))
        .routes(routes!(revoke_token))
        .routes(routes!(me))
        .routes(routes!(change_password))
}

fn name(text: &str) -> Result<AccountName, RestError> {
    Ok(text.parse().map_err(|error| Problem::new(ProblemKind::Invalid, format!("{error}")))?)
}

/// The session that a request came with.
pub fn session_of(standing: &Standing) -> Option<&OpenSession> {
    match standing {
        Standing::SignedIn(session, _) => Some(session),
        _ => None,
    }
}

/// Every account, by name.
#[utoipa::path(get, path = "/api/users", tag = "users", responses((status = 200, body = Vec<Account>)))]
async fn users(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<Vec<Account>>, RestError> {
    Ok(Json(state.accounts.list_accounts(&who.calls())?))
}

/// Makes an account.
#[utoipa::path(
    post,
    path = "/api/users",
    tag = "users",
    request_body = NewAccount,
    responses(
        (status = 201, body = Account),
        (status = 404, description = "There is no such group", body = ErrorBody),
        (status = 409, description = "There is one of this name", body = ErrorBody),
    )
)]
async fn add(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(new): JsonBody<NewAccount>,
) -> Result<(StatusCode, Json<Account>), RestError> {
    Ok((StatusCode::CREATED, Json(state.accounts.add_account(new, &who.calls()).await?)))
}

/// Changes the role, the group or the password of an account, or keeps it out; what is missing stays. A new password and being kept out
/// end its sessions.
#[utoipa::path(
    patch,
    path = "/api/users/{name}",
    tag = "users",
    params(("name" = String, Path, description = "The name of the account")),
    request_body = AccountChange,
    responses(
        (status = 200, body = Account),
        (status = 404, description = "There is no such account or group", body = ErrorBody),
    )
)]
async fn change(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(account): UrlPath,
    JsonBody(change): JsonBody<AccountChange>,
) -> Result<Json<Account>, RestError> {
    Ok(Json(state.accounts.change_account(&name(&account)?, change, &who.calls()).await?))
}

/// Removes an account and ends its sessions. Records go on to name it.
#[utoipa::path(
    delete,
    path = "/api/users/{name}",
    tag = "users",
    params(("name" = String, Path, description = "The name of the account")),
    responses(
        (status = 204, description = "It is removed"),
        (status = 404, description = "There is no such account", body = ErrorBody),
    )
)]
async fn remove(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(account): UrlPath,
) -> Result<StatusCode, RestError> {
    state.accounts.remove_account(&name(&account)?, &who.calls()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The open sessions, those that were used last first: all of them for whoever manages users, else one's own.
#[utoipa::path(get, path = "/api/sessions", tag = "users", responses((status = 200, body = Vec<SessionFacts>)))]
async fn sessions(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    Extension(standing): Extension<Standing>,
) -> Json<Vec<SessionFacts>> {
    let listed = state.accounts.list_sessions(&who.calls(), session_of(&standing));
    std::future::ready(Json(listed)).await
}

/// Ends a session: any for whoever manages users, else one's own.
#[utoipa::path(
    delete,
    path = "/api/sessions/{id}",
    tag = "users",
    params(("id" = String, Path, description = "Which session")),
    responses(
        (status = 204, description = "It is ended"),
        (status = 404, description = "There is no such session", body = ErrorBody),
    )
)]
async fn end_session(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(id): UrlPath,
) -> Result<StatusCode, RestError> {
    state.accounts.end_session(&id, &who.calls()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Every API token, by name; what opens something is not told again.
#[utoipa::path(get, path = "/api/tokens", tag = "users", responses((status = 200, body = Vec<ApiToken>)))]
async fn tokens(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<Vec<ApiToken>>, RestError> {
    Ok(Json(state.accounts.list_tokens(&who.calls())?))
}

/// Makes an API token. What opens something is told this once.
#[utoipa::path(
    post,
    path = "/api/tokens",
    tag = "users",
    request_body = NewApiToken,
    responses(
        (status = 201, body = MadeApiToken),
        (status = 409, description = "There is one of this name", body = ErrorBody),
    )
)]
async fn make_token(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(new): JsonBody<NewApiToken>,
) -> Result<Response, RestError> {
    let made = state.accounts.make_token(new, &who.calls()).await?;
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

/// Revokes an API token: it opens nothing from now on.
#[utoipa::path(
    delete,
    path = "/api/tokens/{name}",
    tag = "users",
    params(("name" = String, Path, description = "The name of the token")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 404, description = "There is no such token", body = ErrorBody),
    )
)]
async fn revoke_token(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(token): UrlPath,
) -> Result<StatusCode, RestError> {
    state.accounts.revoke_token(&name(&token)?, &who.calls()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who the caller is, and what they may do.
#[utoipa::path(get, path = "/api/me", tag = "users", responses((status = 200, body = Me)))]
async fn me(State(state): State<DashboardState>, Extension(who): Extension<Who>) -> Json<Me> {
    std::future::ready(Json(state.accounts.me(&who.calls()))).await
}

/// Changes the caller's own password. Every session of theirs ends.
#[utoipa::path(
    post,
    path = "/api/me/password",
    tag = "users",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "It is changed"),
        (status = 403, description = "The present password is another one", body = ErrorBody),
        (status = 409, description = "The caller has no account", body = ErrorBody),
    )
)]
async fn change_password(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(change): JsonBody<PasswordChange>,
) -> Result<StatusCode, RestError> {
    state.accounts.change_own_password(change, &who.calls()).await?;
    Ok(StatusCode::NO_CONTENT)
}
