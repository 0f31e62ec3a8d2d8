//! The dumps that can be compared, by guest.

use memdeck_model::{DumpId, Record};

use crate::words::shown;

/// Dumps of one guest, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestDumps {
    /// The guest; behind its host, where there are several: no two have the same.
    pub guest: String,
    pub dumps: Vec<StoredDump>,
}

/// A dump whose image is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDump {
    pub id: DumpId,
    /// When it was taken, as the operator's clock has it.
    pub taken: String,
}

/// The records of kept images by guest, in alphabetical order. `records` are newest first, as `told` is asked for the time.
pub fn by_guest(records: &[Record], told: fn(&Record) -> String) -> Vec<GuestDumps> {
    let mut guests: Vec<GuestDumps> = Vec::new();
    let first_host = records.first().and_then(|record| record.host.as_ref());
    let is_one_host = records.iter().all(|record| record.host.as_ref() == first_host);
    for record in records.iter().filter(|record| record.ok && record.deleted_at.is_none()) {
        let Some(id) = record.dump_id.clone() else { continue };
        let name = shown(&record.dom.0);
        let host = record.host.as_ref().filter(|_| !is_one_host);
        let guest = host.map_or_else(|| name.clone(), |host| format!("{host}/{name}"));
        let dump = StoredDump { id, taken: told(record) };
        match guests.iter_mut().find(|known| known.guest == guest) {
            Some(known) => known.dumps.push(dump),
            None => guests.push(GuestDumps { guest, dumps: vec![dump] }),
        }
    }
    guests.sort_by(|a, b| a.guest.cmp(&b.guest));
    guests
}

/// The guest that one of these dumps is of.
pub fn guest_of<'a>(guests: &'a [GuestDumps], ids: &[Option<DumpId>]) -> Option<&'a GuestDumps> {
    let is_named = |dump: &StoredDump| ids.iter().flatten().any(|id| *id == dump.id);
    guests.iter().find(|guest| guest.dumps.iter().any(is_named))
}

/// What to compare where the operator has not said: the dump before `second`, with `second`; else the two newest.
pub fn suggested(guest: &GuestDumps, second: Option<&DumpId>) -> Option<(DumpId, DumpId)> {
    let place = second.and_then(|id| guest.dumps.iter().position(|dump| dump.id == *id)).unwrap_or(0);
    let later = guest.dumps.get(place)?;
    // The oldest has none before it.
    match guest.dumps.get(place.saturating_add(1)) {
        Some(earlier) => Some((earlier.id.clone(), later.id.clone())),
        None => Some((later.id.clone(), guest.dumps.get(place.checked_sub(1)?)?.id.clone())),
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestName;

    use super::*;

    fn record(id: &str, guest: &str) -> Record {
        let record = Record::unknown(GuestName(guest.into()), "1".into(), std::time::UNIX_EPOCH.into());
        Record { dump_id: Some(id.parse().unwrap()), ok: true, ..record }
    }

    fn ids(pair: Option<(DumpId, DumpId)>) -> Option<[String; 2]> {
        pair.map(|(first, second)| [first.to_string(), second.to_string()])
    }

    #[test]
    fn only_kept_images_are_offered_and_guests_of_two_hosts_are_told_apart() {
        let deleted = Record { deleted_at: Some(std::time::UNIX_EPOCH.into()), ..record("c", "web") };
        let failed = Record { ok: false, ..record("d", "web") };
        let elsewhere = Record { host: Some("kvm-2".into()), ..record("e", "web") };
        let all = [record("b", "web"), record("a", "web"), deleted, failed, elsewhere, record("f", "db")];
        let guests = by_guest(&all, |record| record.vmid.clone());
        let told: Vec<_> = guests.iter().map(|guest| (guest.guest.as_str(), guest.dumps.len())).collect();
        assert_eq!(told, [("db", 1), ("kvm-2/web", 1), ("web", 2)]);
        assert_eq!(guest_of(&guests, &[None, Some("a".parse().unwrap())]).unwrap().guest, "web");
        assert!(guest_of(&guests, &[Some("c".parse().unwrap())]).is_none());
    }

    #[test]
    fn a_dump_is_compared_with_the_one_before_it() {
        let all = ["c", "b", "a"].map(|id| record(id, "web"));
        let guests = by_guest(&all, |_| String::new());
        let of = |second: Option<&str>| {
            let id: Option<DumpId> = second.map(|id| id.parse().unwrap());
            ids(suggested(&guests[0], id.as_ref()))
        };
        let pair = |first: &str, second: &str| Some([first.to_owned(), second.to_owned()]);
        assert_eq!(of(None), pair("b", "c"));
        assert_eq!(of(Some("b")), pair("a", "b"));
        assert_eq!(of(Some("a")), pair("a", "b"), "the oldest, with the one after it");
        let alone = by_guest(&all[..1], |_| String::new());
        assert_eq!(suggested(&alone[0], None), None);
    }
}
