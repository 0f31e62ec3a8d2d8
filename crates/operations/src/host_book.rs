//! The port behind which hosts are made of what operators add.

use std::sync::Arc;

use async_trait::async_trait;
use memdeck_model::{NewHost, Problem, ProblemKind};

/// Makes hosts of what operators add: the adapter that knows how hosts are reached, and what the configuration names.
#[async_trait]
pub trait HostBook: Send + Sync {
    /// Whether this can be one of the hosts, beside those that there are. It need not answer.
    ///
    /// # Errors
    /// The URL, token or certificates cannot be used, or another host has the name or the URL.
    fn check(&self, host: &NewHost) -> Result<(), Problem>;

    /// From now on these are the added hosts. One that is none any more stays until its dumps have ended.
    ///
    /// # Errors
    /// One cannot be used. Then nothing changes.
    async fn replace(&self, added: &[NewHost]) -> Result<(), Problem>;
}

/// The added hosts, one change after the other.
pub(crate) struct AddedHosts {
    book: Option<Arc<dyn HostBook>>,
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl AddedHosts {
    pub(crate) fn new(book: Option<Arc<dyn HostBook>>) -> Self {
        Self { book, turn: tokio::sync::Mutex::default() }
    }

    pub(crate) fn book(&self) -> Result<&Arc<dyn HostBook>, Problem> {
        self.book.as_ref().ok_or_else(|| {
            Problem::new(
                ProblemKind::Conflict,
                "this dashboard has one dump service, MEMDUMP_SERVICE_URL: to have several hosts, unset it and restart memdeck; \
                 then add that service like the others",
            )
        })
    }
}
