use std::io::Read;

use memdeck_model::GuestPhysAddr;
use proptest::prelude::*;

use super::*;
use crate::SegmentKind;
use crate::receive::qevm::PAGE_BYTES;
use crate::receive::qevm::synthetic::{Content, Device, StreamBuilder, clock, cpu, tiny, vmcoreinfo};
use crate::testing::{Lab, silent};

fn receive(lab: &Lab, stream: &[u8]) -> Result<Received, QevmError> {
    LiveCapture::receive(&lab.store, stream, &|| false, &mut |_| {})
}

/// The image, and where its memory begins in it.
fn image(received: Received) -> (Vec<u8>, usize) {
    let size = received.image_size();
    let memory = usize::try_from(received.ram_bytes.0).unwrap();
    let mut image = Vec::new();
    received.into_reader().read_to_end(&mut image).unwrap();
    assert_eq!(ByteCount(image.len() as u64), size);
    let start = image.len() - memory;
    (image, start)
}

fn guest(pages: u64) -> StreamBuilder {
    StreamBuilder::new("pc-q35-7.2").blocks(&[("pc.ram", pages << 12), ("pc.bios", 0x2000)])
}

#[test]
fn an_image_is_stored_like_any_other() {
    let lab = Lab::new();
    let received = receive(&lab, &tiny()).unwrap();
    assert_eq!(received.machine, "pc-q35-7.2");
    assert_eq!(received.cpus, 1);
    assert_eq!(received.ram_bytes, ByteCount(0x2000));
    assert_eq!(received.stream_bytes, ByteCount(tiny().len() as u64));
    let pages = PageCounts { total: 2, zero: 1, non_zero: 1, absent: 0, resent: 1 };
    assert_eq!(received.pages, pages);
    assert_eq!(received.omitted.len(), 1);
    assert_eq!(received.missing, Vec::<String>::new());

    let size = received.image_size();
    let captured = lab.partial().capture(received.into_reader(), &|| false, &mut silent).unwrap();
    assert_eq!(captured.raw_size, size);
    let kinds: Vec<_> = captured.segments.iter().map(|segment| (segment.kind, segment.address)).collect();
    assert_eq!(
        kinds,
        [
            (SegmentKind::Note, GuestPhysAddr(0)),
            (SegmentKind::Load, GuestPhysAddr(0)),
            (SegmentKind::Load, GuestPhysAddr(0xffff_f000)),
        ]
    );
    assert!(captured.segments.iter().all(|segment| segment.file_bytes == segment.memory_bytes));
}

#[test]
fn an_image_is_stored_the_same_whichever_way_it_came() {
    let mut stream = guest(3000).section(3);
    // Runs of zeroes longer than a frame, and content across borders of frames.
    for page in 0..3000 {
        let content =
            if page % 1000 < 300 { Content::Pattern(u32::try_from(page).unwrap()) } else { Content::Zero };
        stream = stream.page("pc.ram", page, content);
    }
    let stream = stream
        .page("pc.bios", 0, Content::Zero)
        .page("pc.bios", 1, Content::Pattern(9))
        .end_of_part()
        .devices(&[cpu(0)]);
    let lab = Lab::new();
    let mut told = 0;
    let received = receive(&lab, &stream).unwrap().into_reader();
    let live =
        lab.partial().capture(received, &|| false, &mut |progress| told = progress.bytes_done.0).unwrap();
    assert_eq!(told, live.raw_size.0);
    let (core, _) = image(receive(&lab, &stream).unwrap());
    let frozen = lab.partial().capture_core(core.as_slice()).unwrap();
    let facts = |captured: crate::Captured| {
        (
            captured.sha256,
            captured.file_sha256,
            captured.frames,
            captured.zero_frames,
            captured.frame_digests,
            captured.page_map,
        )
    };
    assert!(live.zero_frames > 3);
    assert_eq!(live.segments, frozen.segments, "what is told of the headers is what they say");
    assert_eq!(facts(live), facts(frozen));
}

#[test]
fn storing_ends_when_it_is_told_to() {
    let lab = Lab::new();
    let image = receive(&lab, &tiny()).unwrap().into_reader();
    let error = lab.partial().capture(image, &|| true, &mut silent).unwrap_err();
    assert!(matches!(error, crate::CaptureError::Stream { .. }), "{error:?}");
}

#[test]
fn nothing_is_left_in_the_directory() {
    let lab = Lab::new();
    let received = receive(&lab, &tiny()).unwrap();
    assert_eq!(lab.files(), Vec::<String>::new());
    drop(received);
    assert_eq!(lab.files(), Vec::<String>::new());
}

#[test]
fn each_cpu_has_both_notes() {
    const STATUS: usize = 20 + 336;
    const STATE: usize = 20 + 440;
    let lab = Lab::new();
    let stream = guest(1)
        .section(3)
        .page("pc.ram", 0, Content::Zero)
        .page("pc.bios", 0, Content::Zero)
        .page("pc.bios", 1, Content::Zero)
        .end_of_part()
        .devices(&[cpu(0), cpu(1)]);
    let (image, memory) = image(receive(&lab, &stream).unwrap());
    let notes = &image[64 + 3 * 56..memory];
    assert_eq!(notes.len(), 2 * STATUS + 2 * STATE);
    let word = |at: usize| u32::from_le_bytes(notes[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(notes[at..at + 8].try_into().unwrap());

    // The second CPU's NT_PRSTATUS: header, owner, process id, r15, rax, rip, cs, fs_base.
    let at = STATUS;
    assert_eq!(
        (word(at), word(at + 4), word(at + 8), &notes[at + 12..at + 20]),
        (5, 336, 1, b"CORE\0\0\0\0".as_slice())
    );
    let registers = at + 20 + 112;
    assert_eq!(word(at + 20 + 32), 2);
    assert_eq!((long(registers), long(registers + 80)), (0x200f, 0x2000));
    assert_eq!((long(registers + 128), long(registers + 136)), (0x2010, 0x2101));
    assert_eq!(long(registers + 168), 0x2204);

    // Its QEMU note: version, size, rax, rbx, cs, cr3, kernel_gs_base.
    let at = 2 * STATUS + STATE;
    assert_eq!(
        (word(at), word(at + 4), word(at + 8), &notes[at + 12..at + 20]),
        (5, 440, 0, b"QEMU\0\0\0\0".as_slice())
    );
    let state = at + 20;
    assert_eq!((word(state), word(state + 4)), (1, 440));
    assert_eq!((long(state + 8), long(state + 16)), (0x2000, 0x2003));
    let cs = state + 8 + 18 * 8;
    assert_eq!(
        (word(cs), word(cs + 4), word(cs + 8), word(cs + 12), long(cs + 16)),
        (0x2101, 0x2301, 1, 0, 0x2201)
    );
    let control = cs + 10 * 24;
    assert_eq!((long(control), long(control + 24), long(control + 40)), (0x2020, 0x2023, 0x2030));
}

/// A guest of two pages whose note is at byte 0x800, as long as it says.
fn with_note(said: u32, note: &[u8]) -> (Received, Lab) {
    let lab = Lab::new();
    let mut page = vec![0; PAGE_BYTES];
    page[0x800..0x800 + note.len()].copy_from_slice(note);
    let stream = guest(1)
        .section(3)
        .page("pc.bios", 0, Content::Zero)
        .page("pc.bios", 1, Content::Zero)
        .raw(b"\0\0\0\0\0\0\0\x08\x06pc.ram")
        .raw(&page)
        .end_of_part()
        .devices(&[cpu(0), vmcoreinfo(0x800, said)]);
    (receive(&lab, &stream).unwrap(), lab)
}

#[test]
fn the_guests_own_note_is_the_last_one() {
    let note = b"\x0b\0\0\0\x06\0\0\0\0\0\0\0VMCOREINFO\0\0abcdef\0\0";
    let (received, _lab) = with_note(0x100, note);
    assert_eq!(received.missing, Vec::<String>::new());
    let (image, memory) = image(received);
    assert!(image[..memory].ends_with(note));
}

#[test]
fn a_note_that_cannot_be_one_is_missing() {
    let long_name = b"\xff\xff\xff\xff\x06\0\0\0\0\0\0\0VMCOREINFO";
    for (said, note) in [(0x100, long_name.as_slice()), (8, b""), (0x1000, b""), (u32::MAX, b"")] {
        let (received, _lab) = with_note(said, note);
        assert_eq!(received.missing, ["VMCOREINFO"], "{said}");
    }
}

#[test]
fn pages_that_never_came_are_zeroes_and_told() {
    let lab = Lab::new();
    let stream = guest(4).section(3).page("pc.ram", 3, Content::Pattern(1)).end_of_part().devices(&[cpu(0)]);
    let received = receive(&lab, &stream).unwrap();
    assert_eq!(received.pages.absent, 5);
    assert_eq!(received.missing, ["20.0 KiB of memory that the hypervisor did not send; it reads as zeroes"]);
    let (image, memory) = image(received);
    assert!(image[memory..memory + 3 * PAGE_BYTES].iter().all(|byte| *byte == 0));
}

#[test]
fn a_dump_over_several_connections_is_refused() {
    let flush = 0x200_u64.to_be_bytes();
    let stream = guest(1).section(3).raw(&flush).end_of_part().devices(&[cpu(0)]);
    let error = receive(&Lab::new(), &stream).unwrap_err();
    assert!(error.to_string().contains("multifd"), "{error}");
    // QEMU 8.0 sends the marker always.
    let whole = guest(1)
        .section(3)
        .raw(&flush)
        .page("pc.ram", 0, Content::Zero)
        .page("pc.bios", 0, Content::Zero)
        .page("pc.bios", 1, Content::Zero)
        .end_of_part()
        .devices(&[cpu(0)]);
    receive(&Lab::new(), &whole).unwrap();
}

#[test]
fn a_split_of_memory_that_was_moved_is_refused() {
    // 32 MiB below 4 GiB and 64 KiB above it, where all 32 MiB and 64 KiB are below it by default.
    let stream = guest((32 << 8) + 16).section(3).end_of_part().devices(&[cpu(0), clock(0x100, 1)]);
    let error = receive(&Lab::new(), &stream).unwrap_err();
    assert!(matches!(error, QevmError::UnknownPlace { .. }), "{error}");
}

#[test]
fn registers_of_a_guest_without_64_bit_code_are_labelled() {
    let stream = guest(1).section(3).end_of_part().devices(&[Device::new("cpu", 0)]);
    let received = receive(&Lab::new(), &stream).unwrap();
    assert!(received.missing.iter().any(|told| told.contains("32-bit")), "{:?}", received.missing);
}

#[test]
fn a_failure_is_told_before_the_rest_is_read() {
    let stream =
        StreamBuilder::new("microvm").blocks(&[("microvm.ram", 0x1000)]).raw(&vec![1; 4 << 20]).bytes;
    let mut told = Vec::new();
    let error = LiveCapture::receive(&Lab::new().store, stream.as_slice(), &|| false, &mut |event| {
        if let LiveEvent::Failed(error) = event {
            told.push(error.to_string());
        }
    })
    .unwrap_err();
    assert_eq!(told, [error.to_string()]);
    assert!(matches!(error, QevmError::UnknownPlace { .. }), "{error}");
}

#[test]
fn progress_grows_to_all_of_the_guests_memory() {
    let mut stream = guest(1024).section(3);
    for page in 0..1024 {
        stream = stream.page("pc.ram", page, Content::Pattern(5));
    }
    stream = stream.page("pc.bios", 0, Content::Zero).page("pc.bios", 1, Content::Zero);
    let stream = stream.end_of_part().devices(&[cpu(0)]);
    let mut told = Vec::new();
    LiveCapture::receive(&Lab::new().store, stream.as_slice(), &|| false, &mut |event| match event {
        LiveEvent::Progress { progress, stream_bytes, .. } => told.push((progress, stream_bytes)),
        LiveEvent::Failed(error) => panic!("{error}"),
    })
    .unwrap();
    assert!(told.len() >= 4, "{told:?}");
    assert!(told.is_sorted_by_key(|(progress, stream)| (progress.bytes_done, *stream)), "{told:?}");
    assert!(told.iter().all(|(progress, _)| progress.bytes_expected == ByteCount(1026 << 12)), "{told:?}");
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![Just(Content::Zero), any::<u32>().prop_map(Content::Pattern)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever came, in whatever order: the image holds what came last, and the counts say so.
    #[test]
    fn the_last_content_of_a_page_counts(
        sent in proptest::collection::vec((0..40_u64, content(), any::<bool>()), 0..300),
        piece in 1..9000_usize,
    ) {
        const RAM_PAGES: u64 = 38;
        let mut model = vec![None; 40];
        let mut resent = 0;
        let mut stream = guest(RAM_PAGES).section(2);
        for (page, content, new_section) in sent {
            let (block, in_block) = if page < RAM_PAGES { ("pc.ram", page) } else { ("pc.bios", page - RAM_PAGES) };
            stream = stream.page(block, in_block, content);
            let known = model[usize::try_from(page).unwrap()].replace(content);
            resent += u64::from(known.is_some());
            if new_section {
                stream = stream.end_of_part().section(2);
            }
        }
        let stream = stream.end_of_part().section(3).end_of_part().devices(&[cpu(0)]);
        let lab = Lab::new();
        let received = receive(&lab, &stream).unwrap();
        let count = |wanted: fn(&Option<Content>) -> bool| model.iter().filter(|page| wanted(page)).count() as u64;
        prop_assert_eq!(received.pages, PageCounts {
            total: 40,
            zero: count(|page| *page == Some(Content::Zero)),
            non_zero: count(|page| matches!(page, Some(Content::Pattern(_)))),
            absent: count(Option::is_none),
            resent,
        });

        let head = received.image_size().0 - received.ram_bytes.0;
        let mut reader = received.into_reader();
        let mut image = Vec::new();
        let mut buffer = vec![0xaa; piece];
        loop {
            let count = reader.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            image.extend_from_slice(&buffer[..count]);
        }
        let memory = &image[usize::try_from(head).unwrap()..];
        prop_assert_eq!(memory.len(), 40 * PAGE_BYTES);
        for (page, (bytes, content)) in memory.chunks(PAGE_BYTES).zip(&model).enumerate() {
            prop_assert!(bytes == content.unwrap_or(Content::Zero).bytes(), "page {}", page);
        }
    }

    /// Damage is refused, or gives an image of the promised length; it never panics.
    #[test]
    fn damage_anywhere_is_survived(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut stream = tiny();
        for (at, byte) in damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        let lab = Lab::new();
        if let Ok(received) = receive(&lab, &stream) {
            image(received);
        }
    }
}
