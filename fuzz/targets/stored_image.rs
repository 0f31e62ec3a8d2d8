//! The seek table and the frames of a stored image: a byte read is the same however it is come by.
#![no_main]

use std::io::{Cursor, Read, Seek, SeekFrom};

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{Pieces, damaged, read_in_steps, stored};
use memdeck_image::fuzzing::noise;
use memdeck_image::{ImageReader, SeekTable};

/// Larger images are not read: a frame of a few bytes may hold 4 MiB of zeroes.
const MAX_READ_BYTES: u64 = 8 << 20;

fn check_table(table: &SeekTable, file_bytes: u64) {
    let mut image_end = 0;
    let mut stored_end = 0;
    for span in table.spans() {
        assert_eq!((span.image.start, span.stored.start), (image_end, stored_end));
        assert!(span.image.end > span.image.start && span.stored.end > span.stored.start);
        assert_eq!(table.span_at(span.image.start), Some(span.clone()));
        assert_eq!(table.span_at(span.image.end - 1), Some(span.clone()));
        (image_end, stored_end) = (span.image.end, span.stored.end);
    }
    assert_eq!((image_end, stored_end), (table.raw_size().0, table.frames_end()));
    assert_eq!(table.frames_end() + table.table_bytes(), file_bytes);
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let (seed, frames, frame_bytes) = data.arbitrary::<(u8, u8, u8)>().unwrap_or_default();
    let mut image = noise(seed.into(), usize::from(frames % 8) * usize::from(frame_bytes) + 1);
    let middle = image.len() / 2;
    image[middle..].fill(seed);
    let valid = stored(&image, usize::from(frame_bytes) + 1);
    let file = damaged(&mut data, &[&valid]);

    let Ok(mut reader) = ImageReader::new(Cursor::new(file.as_slice())) else {
        assert_ne!(file, valid);
        return;
    };
    check_table(reader.seek_table(), file.len() as u64);
    let mut written = file[..usize::try_from(reader.seek_table().frames_end()).unwrap_or_default()].to_vec();
    reader.seek_table().write_to(&mut written).expect("a table in memory");
    assert_eq!(written, file, "a table that was read is written as it was");

    let raw_size = reader.raw_size().0;
    if raw_size > MAX_READ_BYTES {
        return;
    }
    let all = read_in_steps(&mut reader, seed, 1 << 16);
    if file == valid {
        assert_eq!(all.as_ref().ok(), Some(&image));
    }
    if let Ok(all) = &all {
        assert_eq!(all.len() as u64, raw_size);
    }
    // From the end to the beginning, in pieces.
    let mut places = Pieces::new(&[], seed, 300);
    let mut at = raw_size;
    for _ in 0..64 {
        let length = places.next_size();
        at = at.saturating_sub(length as u64);
        let mut part = vec![0; length];
        reader.seek(SeekFrom::Start(at)).expect("a place in the image");
        let read = reader.read(&mut part);
        match (&all, read) {
            (Ok(all), Ok(count)) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                assert_eq!(part[..count], all[start..start + count]);
                assert!(count > 0 || at == raw_size);
            }
            (Ok(_), Err(error)) => panic!("a part cannot be read, but the whole can: {error}"),
            (Err(_), _) => {}
        }
        if at == 0 {
            break;
        }
    }
});
