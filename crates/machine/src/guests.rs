//! The guests of this machine's hypervisor.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use memdeck_hypervisor::{Hypervisor, HypervisorError};
use memdeck_model::{Guest, Problem, ProblemKind, with_causes};
use memdeck_operations::{GuestList, SharedGuests, blocking};

/// The guests of a hypervisor. However many ask at the same time, it is asked once.
pub struct HypervisorGuests {
    hypervisor: Arc<dyn Hypervisor>,
    shared: SharedGuests,
    /// Set once the hypervisor has answered: nothing waits for it.
    host: Arc<OnceLock<String>>,
}

impl HypervisorGuests {
    /// The guests of `hypervisor`. A list no older than `max_age` answers for the next.
    pub fn new(hypervisor: Arc<dyn Hypervisor>, max_age: Duration) -> Self {
        let guests = Self { hypervisor, shared: SharedGuests::new(max_age), host: Arc::default() };
        std::thread::spawn(guests.look_for_host());
        guests
    }

    fn look_for_host(&self) -> impl FnOnce() + Send + 'static {
        let (hypervisor, host) = (Arc::clone(&self.hypervisor), Arc::clone(&self.host));
        move || {
            if host.get().is_none()
                && let Ok(found) = hypervisor.host()
            {
                // Another thread may have been first, with the same name.
                let _ = host.set(found.name);
            }
        }
    }
}

#[async_trait]
impl GuestList for HypervisorGuests {
    fn uri(&self) -> String {
        self.hypervisor.uri().to_owned()
    }

    fn host(&self) -> Option<String> {
        self.host.get().cloned()
    }

    async fn list(&self) -> Result<Vec<Guest>, Problem> {
        let hypervisor = Arc::clone(&self.hypervisor);
        let look_for_host = self.look_for_host();
        let ask = blocking(move || {
            let guests = hypervisor.guests()?;
            look_for_host();
            Ok(guests)
        });
        self.shared.list(async { ask.await.map_err(|error| away(&error)) }).await
    }
}

/// The hypervisor does not answer. The cause is shown: operators need libvirt's own words.
fn away(error: &HypervisorError) -> Problem {
    Problem::new(ProblemKind::Unavailable, with_causes(error))
}
