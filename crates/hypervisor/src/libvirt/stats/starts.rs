//! When guests were started. libvirt does not say it, but the file with the number of a guest's process is written then, and
//! stays as it is while libvirtd is started anew.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use memdeck_model::Timestamp;

use crate::GuestSample;

pub(super) struct Starts {
    /// Where libvirt keeps those files; `None` if the guests are on another host.
    dir: Option<PathBuf>,
    known: Mutex<HashMap<String, Start>>,
}

/// A start of a guest, by libvirt's id of it.
#[derive(Clone, Copy)]
struct Start {
    id: u32,
    at: Option<Timestamp>,
}

impl Starts {
    pub(super) fn in_dir(dir: Option<PathBuf>) -> Self {
        Self { dir, known: Mutex::default() }
    }

    /// Reads a file for each guest that was started since the last time.
    pub(super) fn fill_in(&self, samples: &mut [GuestSample]) {
        let Some(dir) = &self.dir else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashMap::with_capacity(samples.len());
        for sample in samples {
            let Some(id) = sample.id else { continue };
            let start =
                known.get(&sample.uuid).copied().filter(|start| start.id == id).unwrap_or_else(|| {
                    // A name of a directory is no name of libvirt's.
                    let file = dir.join(format!("{}.pid", sample.name));
                    let is_inside = file.parent() == Some(dir);
                    let written = || std::fs::metadata(&file).and_then(|file| file.modified()).ok();
                    Start { id, at: is_inside.then(written).flatten().map(Timestamp::from) }
                });
            sample.started_at = start.at;
            seen.insert(sample.uuid.clone(), start);
        }
        *known = seen;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::GuestStats as _;
    use crate::simulated::SimulatedStats;

    #[test]
    fn a_start_is_the_time_of_the_guest_s_file_until_it_is_started_anew() {
        let dir = tempfile::tempdir().unwrap();
        let starts = Starts::in_dir(Some(dir.path().to_owned()));
        let file = std::fs::File::create(dir.path().join("vm-0.pid")).unwrap();
        let first = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        file.set_modified(first).unwrap();
        let simulated = SimulatedStats::new(2, 0);
        let seen = || {
            let mut guests = simulated.collect().unwrap().guests;
            starts.fill_in(&mut guests);
            guests.iter().map(|guest| (guest.id, guest.started_at)).collect::<Vec<_>>()
        };
        let [(id, at), (_, None)] = seen()[..] else { panic!("the second has no file") };
        assert_eq!(at, Some(first.into()));
        let second = first + Duration::from_mins(1);
        file.set_modified(second).unwrap();
        assert_eq!(seen()[0], (id, at), "the same start is not read again");
        simulated.restart("vm-0");
        assert_eq!(seen()[0].1, Some(second.into()));
    }

    #[test]
    fn a_name_leads_out_of_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::File::create(dir.path().join("secret.pid")).unwrap();
        let inside = dir.path().join("qemu");
        std::fs::create_dir(&inside).unwrap();
        let stats = SimulatedStats::new(1, 0);
        stats.rename("vm-0", "../secret");
        let mut guests = stats.collect().unwrap().guests;
        Starts::in_dir(Some(inside)).fill_in(&mut guests);
        assert_eq!(guests[0].started_at, None);
    }
}
