//! The calls of a dashboard about notifications, for the command line.

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::answer;
use crate::{CallError, ServiceClient};

impl ServiceClient {
    /// `GET /api/notifications/...`
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn notifications<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&'static str, String)],
    ) -> Result<T, CallError> {
        answer(self.request(Method::GET, &below(path)).query(query)).await
    }

    /// `POST /api/notifications/...`
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn change_notifications<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        answer(self.request(Method::POST, &below(path)).json(body)).await
    }

    /// `PUT /api/notifications/...`
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn replace_notification<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        answer(self.request(Method::PUT, &below(path)).json(body)).await
    }

    /// `DELETE /api/notifications/...`
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn remove_notification<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, CallError> {
        answer(self.request(Method::DELETE, &below(path))).await
    }
}

fn below<'a>(path: &[&'a str]) -> Vec<&'a str> {
    ["api", "notifications"].into_iter().chain(path.iter().copied()).collect()
}
