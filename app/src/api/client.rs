//! The page's side of all server functions: one call, whose answer alone has a type.

use std::future::Future;
use std::pin::Pin;

use memdeck_model::{Problem, ProblemKind};
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::ApiError;
use super::error::{refusal, unreachable_server};

/// Calls the server function `name`.
///
/// # Errors
/// It refused, does not answer, or answers what this page does not understand.
pub async fn call<T: DeserializeOwned>(
    name: &str,
    arguments: Result<String, serde_json::Error>,
) -> Result<T, ApiError> {
    let answer = send(name, arguments.unwrap_or_default()).await?;
    serde_json::from_slice(&answer).map_err(|_| {
        ApiError(Problem::new(
            ProblemKind::Internal,
            "The server’s answer cannot be read. memdeck may have been updated: reload the page.",
        ))
    })
}

type Answer = Pin<Box<dyn Future<Output = Result<Vec<u8>, ApiError>>>>;

fn send(name: &str, arguments: String) -> Answer {
    // Relative to the shell's `<base>`.
    let url = format!("api/ui/{name}");
    Box::pin(async move {
        let (accepted, answer) = post(&url, &arguments).await.map_err(|_| ApiError(unreachable_server()))?;
        if accepted { Ok(answer) } else { Err(refusal(&answer)) }
    })
}

/// Whether it was accepted, and the body of the answer.
async fn post(url: &str, json: &str) -> Result<(bool, Vec<u8>), JsValue> {
    let headers = web_sys::Headers::new()?;
    headers.set("content-type", "application/json")?;
    headers.set("accept", "application/json")?;
    let request = web_sys::RequestInit::new();
    request.set_method("POST");
    request.set_headers(&headers);
    request.set_body(&JsValue::from_str(json));
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let response = JsFuture::from(window.fetch_with_str_and_init(url, &request)).await?;
    let response: web_sys::Response = response.unchecked_into();
    let body = JsFuture::from(response.text()?).await?;
    Ok((response.ok(), body.as_string().unwrap_or_default().into_bytes()))
}
