use std::io::Cursor;

use proptest::prelude::*;

use super::*;

/// A file of frames of these stored sizes, full but for the last, and their table.
fn file(stored: &[u32], last_image_bytes: u32) -> (SeekTable, Vec<u8>) {
    let mut table = SeekTable::new();
    for (index, &stored_bytes) in stored.iter().enumerate() {
        let image_bytes = if index + 1 == stored.len() { last_image_bytes } else { 1 << 20 };
        table.push(stored_bytes, image_bytes).unwrap();
    }
    let mut bytes = vec![0x55; usize::try_from(table.frames_end()).unwrap()];
    table.write_to(&mut bytes).unwrap();
    (table, bytes)
}

fn read(bytes: &[u8]) -> Result<SeekTable, SeekTableError> {
    SeekTable::read_from(&mut Cursor::new(bytes))
}

fn refused(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn a_table_is_what_the_format_says_byte_for_byte() {
    let (_, bytes) = file(&[2, 3], 7);
    #[rustfmt::skip]
    assert_eq!(bytes[5..], [
        0x5e, 0x2a, 0x4d, 0x18,  25, 0, 0, 0,
        2, 0, 0, 0,  0, 0, 0x10, 0,
        3, 0, 0, 0,  7, 0, 0, 0,
        2, 0, 0, 0,  0,  0xb1, 0xea, 0x92, 0x8f,
    ]);
}

#[test]
fn an_offset_of_the_image_leads_to_its_frame() {
    let (table, _) = file(&[10, 20, 30], 100);
    let at = |offset| table.span_at(offset).map(|span| (span.frame, span.stored));
    assert_eq!(at(0), Some((0, 0..10)));
    assert_eq!(at((1 << 20) - 1), Some((0, 0..10)));
    assert_eq!(at(1 << 20), Some((1, 10..30)));
    assert_eq!(at(2 << 20), Some((2, 30..60)));
    assert_eq!(at(3 << 20), None);
    assert_eq!(at(u64::MAX), None);
    assert_eq!(table.span(2).unwrap().image, (2 << 20)..(2 << 20) + 100);
    assert_eq!(table.raw_size(), ByteCount((2 << 20) + 100));
}

#[test]
fn a_file_without_a_table_was_cut_short() {
    let (_, bytes) = file(&[10, 20], 5);
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
    assert!(refused(&bytes[..bytes.len() - 1]).contains("it was cut short, or memdeck did not write it"));
    assert!(refused(b"").contains("it was cut short"));
}

/// The bytes of a file with `bytes` at `from_end` before its end.
fn with(from_end: usize, bytes: &[u8]) -> Vec<u8> {
    let (_, mut file) = file(&[10, 20], 5);
    let at = file.len() - from_end;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn hostile_tables_are_refused_before_they_cost_memory() {
    assert!(
        refused(&with(9, &u32::MAX.to_le_bytes()))
            .contains("claims 4294967295 frames, which a file of 63 bytes")
    );
    assert!(refused(&with(9, &[0, 0, 0, 0])).contains("claims 0 frames"));
    assert!(refused(&with(9, &[3])).contains("seek table at stored offset 22 is damaged"));
    assert!(refused(&with(9, &[1])).contains("seek table at stored offset 38 is damaged"));
    assert!(refused(&with(5, &[0x80])).contains("features that memdeck does not use"));
    assert!(refused(&with(29, &[0])).contains("its length does not fit"));
    assert!(refused(&with(33, &[0])).contains("does not begin with a skippable frame"));
    // Stored bytes 0, image bytes 0, a first frame of 4 GiB, a second frame longer than the first.
    assert!(refused(&with(25, &[0])).contains("entry of frame 0 is damaged (0 stored bytes"));
    assert!(
        refused(&with(13, &[0])).contains("entry of frame 1 is damaged (20 stored bytes, 0 image bytes)")
    );
    assert!(refused(&with(21, &[0xff; 4])).contains("entry of frame 0 is damaged"));
    assert!(refused(&with(13, &[1, 0, 0x10])).contains("entry of frame 1 is damaged"));
    assert!(
        refused(&with(17, &[21]))
            .contains("frames take 31 bytes, but the file holds 30 bytes before the table")
    );
}

#[test]
fn only_the_last_frame_may_be_short() {
    let mut table = SeekTable::new();
    table.push(10, 100).unwrap();
    table.push(10, 50).unwrap();
    assert!(matches!(table.push(10, 100), Err(SeekTableError::Entry { frame: 2, .. })));
    assert_eq!(table.frames(), 2);
}

proptest! {
    #[test]
    fn a_table_survives_its_bytes(
        stored in proptest::collection::vec(1_u32..2000, 1..50),
        last in 1_u32..=1 << 20,
    ) {
        // zstd never needs 2000 bytes for fewer than that.
        let (table, bytes) = file(&stored, last.max(2000));
        prop_assert_eq!(read(&bytes).unwrap(), table);
    }

    #[test]
    fn no_damage_to_a_table_makes_the_reader_panic(
        damage in proptest::collection::vec((0_usize..33, any::<u8>()), 1..6)
    ) {
        let (_, mut bytes) = file(&[10, 20], 5);
        for (at, byte) in damage {
            bytes[30 + at] = byte;
        }
        if let Ok(table) = read(&bytes) {
            prop_assert_eq!(table.frames_end() + table.table_bytes(), bytes.len() as u64);
        }
    }
}
