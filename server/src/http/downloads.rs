//! Places among the downloads: each takes two threads, a few MiB and its share of the disk. One caller cannot have them
//! all, whatever it does with them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use memdeck_model::{Problem, ProblemKind};
use parking_lot::Mutex;

use super::network;

/// At the same time.
pub const MAX_DOWNLOADS: usize = 8;
/// At the same time, of one address.
pub const MAX_DOWNLOADS_OF_ONE: usize = 4;

/// Who downloads now.
#[derive(Default)]
pub struct Downloads {
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Downloads {
    /// A place for a caller at `address`.
    ///
    /// # Errors
    /// All are taken, or all that one caller may have.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<DownloadPlace, Problem> {
        let address = network(address);
        let mut by_address = self.by_address.lock();
        let own = by_address.get(&address).copied().unwrap_or_default();
        let detail = if own >= MAX_DOWNLOADS_OF_ONE {
            format!(
                "{MAX_DOWNLOADS_OF_ONE} images are being downloaded, which is the limit for one caller; try again later"
            )
        } else if by_address.values().sum::<usize>() >= MAX_DOWNLOADS {
            format!("{MAX_DOWNLOADS} images are being downloaded, which is the limit; try again later")
        } else {
            by_address.insert(address, own + 1);
            return Ok(DownloadPlace { downloads: Arc::clone(self), address });
        };
        Err(Problem::new(ProblemKind::Unavailable, detail))
    }
}

/// A place, given back when it is dropped.
pub struct DownloadPlace {
    downloads: Arc<Downloads>,
    address: IpAddr,
}

impl Drop for DownloadPlace {
    fn drop(&mut self) {
        let mut by_address = self.downloads.by_address.lock();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_readers_of_one_address_leave_places_to_others() {
        let downloads: Arc<Downloads> = Arc::default();
        let (slow, other) = (IpAddr::from([198, 51, 100, 1]), IpAddr::from([198, 51, 100, 2]));
        let held: Vec<_> = (0..MAX_DOWNLOADS_OF_ONE).map(|_| downloads.admit(slow).unwrap()).collect();
        assert!(downloads.admit(slow).is_err());
        let others: Vec<_> = (0..4).map(|_| downloads.admit(other).unwrap()).collect();
        assert!(downloads.admit(IpAddr::from([198, 51, 100, 3])).is_err(), "eight in all");
        drop((held, others));
        assert!(downloads.by_address.lock().is_empty());
    }
}
