//! The guests of the hypervisor.

use leptos::prelude::*;
use memdeck_model::Guest;

use super::load::Loader;
use super::order::sorted;
use crate::api;

/// Every guest, running or not, in the order of their names.
#[derive(Clone, Copy)]
pub struct Guests {
    list: Loader<Vec<Guest>>,
}

impl Guests {
    pub(super) fn new() -> Self {
        Self { list: Loader::new() }
    }

    /// Reads them, once they are known.
    pub fn with<T>(self, read: impl FnOnce(&[Guest]) -> T) -> Option<T> {
        self.list.with_data(|guests| read(guests))
    }

    /// Reads the guest that a UUID or [`Guest::reference`] names.
    pub fn get(self, reference: &str) -> Option<Guest> {
        let is_it = |guest: &&Guest| guest.uuid == reference || guest.reference() == reference;
        self.with(|guests| guests.iter().find(is_it).cloned()).flatten()
    }

    /// Why they could not be listed.
    pub fn why_failed(self) -> Memo<Option<String>> {
        self.list.why_failed()
    }

    /// Fetches them.
    pub fn fetch(self) {
        self.list.fetch_with(api::fetch_guests(), |data, guests| *data = Some(by_name(guests)));
    }

    pub(super) fn hear(self, guests: &[Guest]) {
        self.list.put(by_name(guests.to_vec()));
    }
}

fn by_name(guests: Vec<Guest>) -> Vec<Guest> {
    sorted(guests, |a, b| (&a.name, &a.host).cmp(&(&b.name, &b.host)))
}
