//! What is fetched from the server, in the states a screen shows: nothing yet, loaded, loading again over the old
//! data, failed with or without old data.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use memdeck_model::Problem;

use crate::api::ApiError;
use crate::ui::erase::memo;

/// How the last fetch goes, or went. Old data stays while newer is fetched or cannot be.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// Whether it is under way.
    pub pending: bool,
    /// Why it failed.
    pub problem: Option<Problem>,
}

/// Fetches a `T` on request and keeps the newest there is.
pub struct Loader<T: Send + Sync + 'static> {
    data: RwSignal<Option<T>>,
    fetches: Fetches,
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
        Self { data: RwSignal::new(None), fetches: Fetches::new() }
    }

    /// Fetches; `take` puts the answer in place of the data. An answer that a later request overtook is dropped.
    pub fn fetch_with<A, F>(self, request: F, take: impl FnOnce(&mut Option<T>, A) + 'static)
    where
        A: 'static,
        F: Future<Output = Result<A, ApiError>> + 'static,
    {
        self.fetches.begin(Box::pin(async move {
            let answer = request.await;
            let taken: Taken = Box::new(move || match answer {
                Ok(answer) => {
                    self.data.try_update(|data| take(data, answer));
                    None
                }
                Err(ApiError(problem)) => Some(problem),
            });
            taken
        }));
    }

    /// Fetches and replaces the data.
    pub fn fetch<F>(self, request: F)
    where
        F: Future<Output = Result<T, ApiError>> + 'static,
    {
        self.fetch_with(request, |data, answer| *data = Some(answer));
    }

    /// Replaces the data by what an event says; a fetch under way is older and is dropped.
    pub fn put(self, data: T) {
        self.data.set(Some(data));
        self.fetches.settle();
    }

    /// Forgets the data: what is fetched next is of something else. A fetch under way is dropped.
    pub fn clear(self) {
        self.data.set(None);
        self.fetches.settle();
    }

    /// Changes the data by what an event says, if there is any yet.
    pub fn change(self, change: impl FnOnce(&mut T)) {
        self.data.update(|data| {
            if let Some(data) = data {
                change(data);
            }
        });
    }

    /// Changes the data by what an event says, starting from nothing if there is none yet.
    pub fn change_or_default(self, change: impl FnOnce(&mut T))
    where
        T: Default,
    {
        self.data.update(|data| change(data.get_or_insert_default()));
    }

    /// Reads the data, if there is any, and again whenever it changes.
    pub fn with_data<U>(self, read: impl FnOnce(&T) -> U) -> Option<U> {
        self.data.with(|data| data.as_ref().map(read))
    }

    /// Whether there is data.
    pub fn has_data(self) -> bool {
        self.data.with(Option::is_some)
    }

    /// Whether a fetch is under way.
    pub fn is_pending(self) -> bool {
        self.fetches.state.with(|fetch| fetch.pending)
    }

    /// Why the last fetch failed.
    pub fn problem(self) -> Option<Problem> {
        self.fetches.state.with(|fetch| fetch.problem.clone())
    }

    /// The sentence that says why the last fetch failed.
    pub fn why_failed(self) -> Memo<Option<String>> {
        self.fetches.why_failed()
    }
}

/// Puts an answer in its place; the problem if it is none.
type Taken = Box<dyn FnOnce() -> Option<Problem>>;

/// What fetches of any data have in common: it is compiled once.
#[derive(Clone, Copy)]
struct Fetches {
    state: RwSignal<Fetch>,
    newest: StoredValue<u64>,
}

impl Fetches {
    fn new() -> Self {
        Self { state: RwSignal::new(Fetch { pending: true, problem: None }), newest: StoredValue::new(0) }
    }

    fn begin(self, request: Pin<Box<dyn Future<Output = Taken>>>) {
        let Some(number) = self.next() else { return };
        self.state.update(|state| state.pending = true);
        leptos::task::spawn_local(async move {
            let taken = request.await;
            if self.newest.try_get_value() != Some(number) {
                return;
            }
            let problem = taken();
            self.state.try_set(Fetch { pending: false, problem });
        });
    }

    fn settle(self) {
        self.next();
        self.state.set(Fetch { pending: false, problem: None });
    }

    /// `None` after the part of the page that fetched has gone.
    fn next(self) -> Option<u64> {
        self.newest.try_update_value(|newest| {
            *newest = newest.wrapping_add(1);
            *newest
        })
    }

    fn why_failed(self) -> Memo<Option<String>> {
        memo(move || {
            self.state.with(|fetch| fetch.problem.as_ref().map(|problem| problem.detail.to_string()))
        })
    }
}
