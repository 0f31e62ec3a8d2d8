//! What is fetched from the server, in the states a screen shows: nothing yet, loaded, loading again over the old
//! data, failed with or without old data.

use std::future::Future;

use leptos::prelude::*;
use memdeck_model::Problem;

use crate::api::ApiError;

/// The present state of something fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct Load<T> {
    /// The newest data there is, even while newer is fetched or could not be.
    pub data: Option<T>,
    /// Why the last fetch failed.
    pub problem: Option<Problem>,
    /// Whether a fetch is under way.
    pub pending: bool,
}

impl<T> Default for Load<T> {
    fn default() -> Self {
        Self { data: None, problem: None, pending: true }
    }
}

/// Fetches a `T` on request and keeps its state.
pub struct Loader<T: Send + Sync + 'static> {
    state: RwSignal<Load<T>>,
    newest_request: StoredValue<u64>,
}

impl<T: Send + Sync + 'static> Clone for Loader<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Loader<T> {}

impl<T: Send + Sync + 'static> Loader<T> {
    /// Holds nothing yet and waits for its first fetch.
    pub fn new() -> Self {
        Self { state: RwSignal::new(Load::default()), newest_request: StoredValue::new(0) }
    }

    /// Fetches; `take` puts the answer in place of the data. An answer that a later request overtook is dropped.
    pub fn fetch_with<A, F>(self, request: F, take: impl FnOnce(&mut Option<T>, A) + 'static)
    where
        A: 'static,
        F: Future<Output = Result<A, ApiError>> + 'static,
    {
        let Some(number) = self.newest_request.try_update_value(|newest| {
            *newest = newest.wrapping_add(1);
            *newest
        }) else {
            return;
        };
        self.state.update(|state| state.pending = true);
        leptos::task::spawn_local(async move {
            let answer = request.await;
            if self.newest_request.try_get_value() != Some(number) {
                return;
            }
            self.state.update(|state| {
                state.pending = false;
                match answer {
                    Ok(answer) => {
                        state.problem = None;
                        take(&mut state.data, answer);
                    }
                    Err(ApiError(problem)) => state.problem = Some(problem),
                }
            });
        });
    }

    /// Fetches and replaces the data.
    pub fn fetch<F>(self, request: F)
    where
        F: Future<Output = Result<T, ApiError>> + 'static,
    {
        self.fetch_with(request, |data, answer| *data = Some(answer));
    }

    /// Replaces the data by what an event told; a fetch under way is older and is dropped.
    pub fn put(self, data: T) {
        self.newest_request.update_value(|newest| *newest = newest.wrapping_add(1));
        self.state.update(|state| {
            state.pending = false;
            state.problem = None;
            state.data = Some(data);
        });
    }

    /// Changes the data by what an event told, where there is any yet.
    pub fn change(self, change: impl FnOnce(&mut T)) {
        self.state.update(|state| {
            if let Some(data) = &mut state.data {
                change(data);
            }
        });
    }

    /// Changes the data by what an event told, starting from nothing where there is none yet.
    pub fn change_or_default(self, change: impl FnOnce(&mut T))
    where
        T: Default,
    {
        self.state.update(|state| change(state.data.get_or_insert_default()));
    }

    /// Reads the state, and again whenever it changes.
    pub fn with<U>(self, read: impl FnOnce(&Load<T>) -> U) -> U {
        self.state.with(read)
    }

    /// Reads the data, where there is any, and again whenever the state changes.
    pub fn with_data<U>(self, read: impl FnOnce(&T) -> U) -> Option<U> {
        self.state.with(|state| state.data.as_ref().map(read))
    }
}
