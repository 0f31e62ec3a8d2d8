//! Which host has a dump, as far as that was seen. The first host that tells of a dump has it: another one cannot claim it.

use std::collections::{HashMap, VecDeque};

use memdeck_model::{DumpId, HostId};
use parking_lot::Mutex;

/// Dumps that are remembered; of older ones every host is asked.
const KEPT: usize = 8192;

#[derive(Default)]
pub struct Owners(Mutex<Known>);

#[derive(Default)]
struct Known {
    hosts: HashMap<DumpId, HostId>,
    oldest_first: VecDeque<DumpId>,
}

impl Owners {
    pub fn of(&self, dump_id: &DumpId) -> Option<HostId> {
        self.0.lock().hosts.get(dump_id).cloned()
    }

    pub fn note(&self, dump_id: &DumpId, host: &HostId) {
        let mut known = self.0.lock();
        if known.hosts.contains_key(dump_id) {
            return;
        }
        if known.oldest_first.len() == KEPT
            && let Some(oldest) = known.oldest_first.pop_front()
        {
            known.hosts.remove(&oldest);
        }
        known.oldest_first.push_back(dump_id.clone());
        known.hosts.insert(dump_id.clone(), host.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_host_that_tells_of_a_dump_keeps_it_and_the_oldest_are_forgotten() {
        let (owners, a, b) = (Owners::default(), "a".parse().unwrap(), "b".parse().unwrap());
        let dump = |n: usize| DumpId::from_uuid_bits(n as u128);
        owners.note(&dump(0), &a);
        owners.note(&dump(0), &b);
        assert_eq!(owners.of(&dump(0)), Some(a));
        for n in 1..=KEPT {
            owners.note(&dump(n), &b);
        }
        assert_eq!((owners.of(&dump(0)), owners.of(&dump(1))), (None, Some(b)));
    }
}
