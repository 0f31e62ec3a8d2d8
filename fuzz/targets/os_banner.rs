//! What a guest's kernel says of itself, somewhere in its memory: a short line, the same wherever frames end.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::damaged;
use memdeck_image::fuzzing::os_banners;

const LINUX: &[u8] =
    b"\0\0junk Linux version 6.1.0-18-amd64 (kernel@example.org) (gcc-12 (Debian 12.2.0-14) 12.2.0) \
    #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1\n\0";
const WINDOWS: &[u8] =
    b"RSDS\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x01\0\0\0ntkrnlmp.pdb\0";
/// Longer ones are none.
const MAX_BYTES: usize = 512;

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let (before, frame_bytes) = data.arbitrary::<(u16, u16)>().unwrap_or_default();
    let frame_bytes = MAX_BYTES + usize::from(frame_bytes % 2048);
    let mut memory = vec![b'L'; usize::from(before % 4096)];
    memory.extend(damaged(&mut data, &[LINUX, WINDOWS, &[LINUX, WINDOWS].concat()]));
    let [whole, in_frames] = os_banners(&memory, frame_bytes);
    for banner in [&whole, &in_frames].into_iter().flatten() {
        assert!(
            banner.len() < MAX_BYTES && banner.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{banner:?}"
        );
        let text = banner.as_bytes();
        let is_there = memory.windows(text.len()).any(|part| part == text);
        assert!(is_there || banner.starts_with("Windows kernel, symbols "), "{banner:?}");
    }
    assert_eq!(whole.is_some(), in_frames.is_some(), "{whole:?} {in_frames:?}");
});
