//! A few frames of a stored image.

use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memdeck_model::{ByteCount, Finding, FrameSpan, Progress, Sample, with_causes};

use super::base::FoundBase;
use super::contents::without_table;
use super::headers::Headers;
use super::{Contents, digests, page_map};
use crate::format::difference::Unpacker;
use crate::format::frame::FrameFault;
use crate::format::hash::byte_len;
use crate::format::page_map::PageLayout;
use crate::format::seek_table::{SeekTable, SeekTableError};
use crate::read::error::ReadError;

/// Checks a few frames, spread over the image.
pub(super) fn check_sample(
    file: &mut File,
    path: &Path,
    frames: NonZero<u64>,
    observer: &mut dyn FnMut(Progress),
) -> Result<Contents, ReadError> {
    let error_at = |offset, source| ReadError::Read { path: path.to_owned(), offset, source };
    let stored_size = ByteCount(file.metadata().map_err(|source| error_at(0, source))?.len());
    let table = match SeekTable::read_from(file) {
        Ok(table) => table,
        Err(SeekTableError::Io(source)) => return Err(error_at(0, source)),
        Err(error) => {
            let sample = Some(Sample { frames: 0, compared: 0, of: 0 });
            return Ok(Contents { sample, ..without_table(path, stored_size, &error) });
        }
    };
    let base = FoundBase::of(path);
    let headers = Headers::read(file, base.opened.clone());
    let layout = headers.core().and_then(|core| PageLayout::new(&core.segments));
    let mut digests = digests::Lookup::open(path, Some(table.frames()));
    let mut findings: Vec<Finding> = base.finding.into_iter().collect();
    let mut sample = Sample { frames: 0, compared: 0, of: table.frames() };

    // Every instance has another seed, from the system's random numbers.
    let random = RandomState::new().hash_one(stored_size.0);
    let chosen: Vec<FrameSpan> =
        choose(table.frames(), frames, random).into_iter().filter_map(|frame| table.span(frame)).collect();
    let size = |span: &FrameSpan| span.image.end.saturating_sub(span.image.start);
    let expected = chosen.iter().map(size).sum();
    let mut done = 0_u64;
    let mut unpacker = Unpacker::new().map_err(|source| error_at(0, source))?;
    let (mut stored, mut raw) = (Vec::new(), Vec::new());
    for span in &chosen {
        let at = |source| error_at(span.stored.start, source);
        let length = span.stored.end.saturating_sub(span.stored.start);
        stored.resize(usize::try_from(length).map_err(|error| at(io::Error::other(error)))?, 0);
        file.read_exact_at(&mut stored, span.stored.start).map_err(at)?;
        match unpacker.unpack(span, &stored, base.opened.as_deref(), &mut raw) {
            Ok(()) => {
                let compared = digests.compare(span, &blake3::hash(&raw)).map_err(at)?;
                sample.compared += u64::from(compared);
            }
            Err(FrameFault::NoBase) if base.is_named => {}
            Err(fault) => findings.push(Finding::Frame { span: span.clone(), reason: with_causes(&fault) }),
        }
        sample.frames += 1;
        done = done.saturating_add(byte_len(&raw));
        observer(Progress { bytes_done: ByteCount(done), bytes_expected: ByteCount(expected) });
    }
    findings.extend(headers.finding(table.raw_size()));
    Ok(Contents {
        sample: Some(sample),
        stored_size,
        file_sha256: None,
        raw_size: Some(table.raw_size()),
        sha256: None,
        frames: Some(table.frames()),
        // Without its entries, which would take all pages to compare.
        page_map: page_map::Checked { totals: None, ..page_map::Check::open(path, layout.as_ref()).finish() },
        digests: digests.finish(),
        findings,
    })
}

/// That many frames, or all: the first, the last, and others that are evenly apart, from a random one on.
fn choose(frames: u64, wanted: NonZero<u64>, random: u64) -> BTreeSet<u64> {
    let Some(last) = frames.checked_sub(1) else { return BTreeSet::new() };
    let wanted = wanted.get().min(frames);
    let mut chosen = BTreeSet::from([0]);
    if wanted > 1 {
        chosen.insert(last);
    }
    // What lies between the first and the last, in as many equal parts as there are frames left to choose.
    let (between, parts) = (frames.saturating_sub(2), wanted.saturating_sub(2));
    let Some(longest) = between.checked_div(parts) else { return chosen };
    let offset = random.checked_rem(longest).unwrap_or(0);
    let start = |part: u64| {
        let start = u128::from(part) * u128::from(between) / u128::from(parts.max(1));
        u64::try_from(start).unwrap_or(u64::MAX)
    };
    chosen.extend((0..parts).map(|part| start(part).saturating_add(offset).saturating_add(1)));
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sample_has_the_first_the_last_and_as_many_as_were_asked_for(
            frames in 1_u64..5000, wanted in 1_u64..200, random: u64,
        ) {
            let chosen = choose(frames, NonZero::new(wanted).unwrap(), random);
            prop_assert_eq!(chosen.len() as u64, wanted.min(frames));
            prop_assert_eq!(chosen.first(), Some(&0));
            if wanted > 1 {
                prop_assert_eq!(chosen.last(), Some(&(frames - 1)));
            }
            // No gap is twice as long as the average.
            let places: Vec<u64> = chosen.into_iter().collect();
            if wanted > 1 {
                let longest = places.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
                prop_assert!(longest <= 2 * frames.div_ceil(wanted.min(frames).max(3) - 2), "{:?}", places);
            }
        }
    }

    #[test]
    fn every_frame_is_chosen_by_some_random_number() {
        let wanted = NonZero::new(10).unwrap();
        let all: BTreeSet<u64> = (0..40).flat_map(|random| choose(82, wanted, random)).collect();
        assert_eq!(all.len(), 82);
    }
}
