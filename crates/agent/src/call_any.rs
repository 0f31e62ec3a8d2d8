//! Calls of a dashboard whose types say what is sent and answered.

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{CallError, answer, bounded_body, detail_of};
use crate::client::ServiceClient;

impl ServiceClient {
    /// A call under `/api` that answers with JSON.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, CallError> {
        let request = self.request(method, &[&["api"], path].concat());
        answer(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// A deletion under `/api` that answers with nothing.
    ///
    /// # Errors
    /// The service does not answer, or refuses.
    pub async fn delete(&self, path: &[&str]) -> Result<(), CallError> {
        let request = self.request(Method::DELETE, &[&["api"], path].concat());
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let detail = detail_of(&bounded_body(response).await?);
        Err(CallError::Refused { status, detail })
    }
}
