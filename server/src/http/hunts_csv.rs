//! What a hunt found as CSV (RFC 4180, UTF-8), in the columns of `memdeck hunt --csv`.
//!
//! Spreadsheets run text that begins like a formula: such text gets an apostrophe in front, as in [`super::records_csv`].

use std::fmt::Write as _;

use memdeck_model::{FoundHit, MemoryOwners};

use super::records_csv::text;

/// The names of the columns.
const COLUMNS: [&str; 9] =
    ["vm", "taken_at", "dump_id", "address", "bytes", "pattern", "around_address", "around", "processes"];

/// The whole file.
pub fn file(hits: &[FoundHit]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for hit in hits {
        writer.write_record(cells(hit))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn cells(hit: &FoundHit) -> [String; COLUMNS.len()] {
    let around = hit.around.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    });
    [
        text(Some(&hit.guest.0)).into_owned(),
        hit.taken_at.to_string(),
        text(Some(hit.dump_id.as_str())).into_owned(),
        hit.address.to_string(),
        hit.bytes.to_string(),
        text(Some(&hit.pattern)).into_owned(),
        hit.around_address.to_string(),
        around,
        text(Some(&told_owners(hit.owners.as_ref()))).into_owned(),
    ]
}

/// `1 init; 7 web; 2 more`; `-` for no process, and nothing where it is not known.
pub fn told_owners(owners: Option<&MemoryOwners>) -> String {
    let Some(MemoryOwners { processes, further }) = owners else { return String::new() };
    let named = processes.iter().map(|process| format!("{} {}", process.pid, process.name));
    let more = (*further > 0).then(|| format!("{further} more"));
    let told: Vec<_> = named.chain(more).collect();
    if told.is_empty() { "-".to_owned() } else { told.join("; ") }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestName, GuestPhysAddr, GuestText, MemoryOwner, MemoryOwners};

    use super::*;

    #[test]
    fn a_hit_is_a_line_and_a_pattern_no_formula() {
        let hit = FoundHit {
            number: 1,
            dump_id: "a1".parse().unwrap(),
            guest: GuestName("web-01".to_owned()),
            taken_at: "2026-11-14T08:58:23Z".parse().unwrap(),
            pattern: "=1+1".to_owned(),
            address: GuestPhysAddr(4096),
            bytes: 4,
            around_address: GuestPhysAddr(4095),
            around: vec![0, 255],
            owners: Some(MemoryOwners {
                processes: vec![
                    MemoryOwner { pid: 1, name: GuestText::new("init", 16) },
                    MemoryOwner { pid: 7, name: GuestText::new("web", 16) },
                ],
                further: 2,
            }),
        };
        let file = String::from_utf8(file(&[hit]).unwrap()).unwrap();
        assert_eq!(
            file,
            "vm,taken_at,dump_id,address,bytes,pattern,around_address,around,processes\r\n\
             web-01,2026-11-14T08:58:23.000000Z,a1,0x1000,4,'=1+1,0xfff,00ff,1 init; 7 web; 2 more\r\n"
        );
    }
}
