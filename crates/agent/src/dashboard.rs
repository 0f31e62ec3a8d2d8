//! Calls of a dashboard by its own command line: the same program, on the same host.

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{answer, bounded_body, detail_of};
use crate::{CallError, ServiceClient};

impl ServiceClient {
    /// Reads what a dashboard answers to `GET` of this path, each part of which is encoded.
    ///
    /// # Errors
    /// The dashboard does not answer, refuses, or answers what cannot be read.
    pub async fn look_up<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, CallError> {
        answer(self.request(Method::GET, path).query(query)).await
    }

    /// Reads the text that a dashboard answers to `GET` of this path.
    ///
    /// # Errors
    /// The dashboard does not answer, refuses, or answers what is no text.
    pub async fn read_text(&self, path: &[&str], query: &[(&str, String)]) -> Result<String, CallError> {
        let response = self.request(Method::GET, path).query(query).send().await?;
        let status = response.status();
        let body = bounded_body(response).await?;
        if !status.is_success() {
            return Err(CallError::Refused { status, detail: detail_of(&body) });
        }
        String::from_utf8(body).map_err(|error| CallError::Unreadable(error.to_string()))
    }

    /// Sends a dashboard `body`, which it is to do something by.
    ///
    /// # Errors
    /// The dashboard does not answer, refuses, or answers what cannot be read.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<T, CallError> {
        answer(self.request(method, path).json(body)).await
    }
}
