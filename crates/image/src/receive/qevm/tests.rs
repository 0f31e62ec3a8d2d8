use std::io::{self, Read};

use memdeck_model::{ByteCount, GuestPhysAddr};

use super::synthetic::{Content, Device, RAM_ID, StreamBuilder, block, clock, cpu, tiny, vmcoreinfo};
use super::*;

/// Keeps what it is told.
#[derive(Default)]
struct Notebook {
    machine: String,
    blocks: Vec<RamBlock>,
    /// Block, page, first eight bytes.
    pages: Vec<(usize, u64, u64)>,
    abandoned: Vec<String>,
}

impl PageSink for Notebook {
    fn blocks(&mut self, machine: &str, blocks: &[RamBlock]) -> Result<(), QevmError> {
        self.machine = machine.to_owned();
        self.blocks = blocks.to_vec();
        Ok(())
    }

    fn zero(&mut self, block: usize, page: u64) -> Result<(), QevmError> {
        self.pages.push((block, page, 0));
        Ok(())
    }

    fn page(&mut self, block: usize, page: u64, bytes: &[u8]) -> Result<(), QevmError> {
        assert_eq!(bytes.len(), PAGE_BYTES);
        self.pages.push((block, page, u64::from_le_bytes(bytes[8..16].try_into().unwrap())));
        Ok(())
    }

    fn progress(&mut self, _: ByteCount) {}

    fn abandoned(&mut self, error: &QevmError) {
        self.abandoned.push(error.to_string());
    }
}

fn parsed(stream: &[u8]) -> Result<(Stream, Notebook), QevmError> {
    let mut notebook = Notebook::default();
    read_stream(stream, &mut notebook).map(|stream| (stream, notebook))
}

/// Why a stream is refused.
fn refusal(stream: &[u8]) -> String {
    parsed(stream).map(|(stream, _)| stream).unwrap_err().to_string()
}

fn guest() -> StreamBuilder {
    StreamBuilder::new("pc-q35-7.2").blocks(&[("pc.ram", 0x4000)])
}

#[test]
fn a_stream_is_its_pages_in_the_order_they_came() {
    let stream = StreamBuilder::new("pc-i440fx-8.1")
        .blocks(&[("pc.ram", 0x3000), ("pc.bios", 0x1000)])
        .section(2)
        .page("pc.ram", 2, Content::Pattern(7))
        .page("pc.ram", 0, Content::Zero)
        .page("pc.bios", 0, Content::Pattern(8))
        .end_of_part()
        .section(3)
        .page("pc.ram", 2, Content::Zero)
        .end_of_part()
        .devices(&[cpu(0), cpu(1)]);
    let (read, told) = parsed(&stream).unwrap();
    assert_eq!(read.machine, "pc-i440fx-8.1");
    assert_eq!(read.bytes, ByteCount(stream.len() as u64));
    assert_eq!(read.state.cpus.len(), 2);
    assert_eq!(read.state.missing, Vec::<String>::new());
    assert_eq!(told.machine, "pc-i440fx-8.1");
    assert_eq!(told.blocks, [block("pc.ram", 0x3000), block("pc.bios", 0x1000)]);
    let word = |seed: u64| seed << 32 | 1;
    assert_eq!(told.pages, [(0, 2, word(7)), (0, 0, 0), (1, 0, word(8)), (0, 2, 0)]);
    assert_eq!(told.abandoned, Vec::<String>::new());
}

#[test]
fn numbers_are_big_endian() {
    // Written out by hand: a page at 0x3000 of a block of 0x4000 bytes, which the name of 6 letters names.
    let start = b"QEVM\0\0\0\x03\x07\0\0\0\x0apc-q35-7.2\x01\0\0\0\x03\x03ram\0\0\0\0\0\0\0\x04";
    let list = b"\0\0\0\0\0\0\x40\x04\x06pc.ram\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\x10\x7e\0\0\0\x03";
    let part = b"\x03\0\0\0\x03\0\0\0\0\0\0\x30\x02\x06pc.ram\0\0\0\0\0\0\0\0\x10\x7e\0\0\0\x03";
    let mut stream = [start.as_slice(), list, part].concat();
    stream.extend(b"\0\x06\0\0\0\x1f{\"page_size\":4096,\"devices\":[]}");
    let (_, told) = parsed(&stream).unwrap();
    assert_eq!(told.blocks, [block("pc.ram", 0x4000)]);
    assert_eq!(told.pages, [(0, 3, 0)]);
}

#[test]
fn a_stream_that_ends_early_is_never_accepted() {
    let stream = tiny();
    parsed(&stream).unwrap();
    for length in 0..stream.len() {
        match parsed(&stream[..length]) {
            Err(QevmError::Truncated { received }) => assert_eq!(received, ByteCount(length as u64)),
            other => panic!("{length} of {} bytes: {:?}", stream.len(), other.map(|(stream, _)| stream)),
        }
    }
}

#[test]
fn a_stream_with_a_wrong_byte_is_refused_or_read_but_never_panics() {
    let stream = tiny();
    let mut refused = 0;
    for at in 0..stream.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut damaged = stream.clone();
            damaged[at] ^= mask;
            refused += usize::from(parsed(&damaged).is_err());
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn pieces_of_any_size_are_the_same_stream() {
    struct Trickle<'a>(&'a [u8]);
    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(7);
            self.0.read(&mut buffer[..length])
        }
    }
    let mut notebook = Notebook::default();
    read_stream(Trickle(&tiny()), &mut notebook).unwrap();
    assert_eq!(notebook.pages, parsed(&tiny()).unwrap().1.pages);
}

#[test]
fn what_follows_the_end_is_told() {
    let mut stream = tiny();
    stream.extend([0; 512]);
    assert_eq!(refusal(&stream), "the live dump goes on for 512 bytes after its end");
}

#[test]
fn a_compressed_dump_names_the_setting() {
    for (magic, name) in [
        (b"\x1f\x8b\x08\0\0\0\0\0".as_slice(), "gzip data"),
        (b"BZh91AY&", "bzip2 data"),
        (b"\xfd7zXZ\0\0\x04", "xz data"),
        (b"\x89LZO\0\r\n\x1a", "lzop data"),
        (b"\x28\xb5\x2f\xfd\x04\x58\0\0", "zstd data"),
        (b"\x7fELF\x02\x01\x01\0", "the bytes [7f, 45, 4c, 46, 02, 01, 01, 00]"),
    ] {
        let told = refusal(magic);
        assert!(told.starts_with(&format!("the live dump begins with {name} instead of")), "{told}");
        assert!(told.contains("dump_image_format"), "{told}");
    }
}

#[test]
fn what_is_not_converted_is_named() {
    let other_section = |kind: u8| {
        StreamBuilder::new("pc-q35-7.2").raw(&[kind, 0, 0, 0, 9, 5]).raw(b"block\0\0\0\0\0\0\0\x01")
    };
    let item = |word: u64| guest().section(2).raw(&word.to_be_bytes()).bytes;
    for (stream, reason) in [
        (
            StreamBuilder::new("pc-q35-7.2").raw(b"\x05\x1aconfiguration/capabilities\0\0\0\x01").bytes,
            "the section configuration/capabilities",
        ),
        (b"QEVM\0\0\0\x03\x01\0\0\0\x03".to_vec(), "a machine that sends no configuration section"),
        (other_section(1).bytes, "the section block among the memory"),
        (guest().raw(&[1, 0, 0, 0, 9, 5]).raw(b"block").bytes, "the section block among the memory"),
        (other_section(4).bytes, "the section block among the memory"),
        (item(0x1040), "a page as a difference (capability xbzrle)"),
        (item(0x80), "a message of RDMA migration"),
        (item(0x1100), "a compressed page (capability compress)"),
        (item(0x1000 | 0x04), "a second list of RAM blocks"),
        (
            guest().section(2).raw(b"\0\0\0\0\0\0\0\x02\x06pc.ram\x55").bytes,
            "a page filled with one byte that is not zero",
        ),
        (guest().raw(b"\x08\0\x07\0\x04").bytes, "the migration command 7"),
        (guest().section(3).end_of_part().raw(&vec![1; 65 << 20]).bytes, "more than 64.0 MiB of devices"),
    ] {
        assert_eq!(refusal(&stream), format!("the live dump cannot be converted: {reason} is not supported"));
    }
}

#[test]
fn damage_is_told_with_its_place() {
    let at = guest().bytes.len();
    let item = |rest: &[u8]| guest().section(2).raw(rest).bytes;
    for (stream, what, place) in [
        (guest().raw(&[9]).bytes, "a section of the unknown kind 0x09", at),
        (guest().raw(&[2, 0, 0, 0, 9]).bytes, "a part of the unknown section 9", at),
        (item(&0x28_u64.to_be_bytes()), "a page without a block", at + 5),
        (item(b"\0\0\0\0\0\0\0\x08\x03vga"), "a page of an unknown block vga", at + 5),
        (item(b"\0\0\0\0\0\0\x40\x08\x06pc.ram"), "a page beyond the end of pc.ram", at + 5),
        (item(&0x400_u64.to_be_bytes()), "an item with the flags 0x400", at + 5),
        (item(b"\0\0\0\0\0\0\0\x10\x7e\0\0\0\x09"), "no footer of section 3", at + 13),
        (item(b"\0\0\0\0\0\0\0\x10\0\0\0\0\0"), "no footer of section 3", at + 13),
    ] {
        assert_eq!(refusal(&stream), format!("the live dump is damaged: {what} at byte {place}"));
    }
}

#[test]
fn a_list_of_blocks_with_more_than_names_and_lengths_is_not_taken_for_one_without() {
    // The capability x-ignore-shared adds an address to each entry.
    let stream = StreamBuilder::new("pc-q35-7.2")
        .raw(&[1])
        .raw(&RAM_ID.to_be_bytes())
        .raw(b"\x03ram\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\x20\x04")
        .raw(b"\x06pc.ram\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\x06pc.bio\0\0\0\0\0\0\x10\0\0\0\0\0\xff\xfc\0\0");
    assert!(refusal(&stream.bytes).starts_with("the live dump is damaged: "));
}

#[test]
fn commands_that_ask_nothing_are_passed_over() {
    let stream = StreamBuilder::new("pc-q35-10.0")
        .raw(b"\x08\0\x01\0\0")
        .raw(b"\x08\0\x02\0\x04\0\0\0\x01")
        .blocks(&[("pc.ram", 0x1000)])
        .raw(b"\x08\0\x0b\0\0")
        .section(3)
        .end_of_part()
        .devices(&[cpu(0)]);
    parsed(&stream).unwrap();
}

#[test]
fn a_failed_stream_is_read_to_its_end_and_the_reason_told_first() {
    struct Counted<'a>(&'a [u8], &'a mut usize);
    impl Read for Counted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            *self.1 += count;
            Ok(count)
        }
    }
    let stream = guest().section(2).raw(&0x80_u64.to_be_bytes()).raw(&vec![7; 5 << 20]).bytes;
    let mut came = 0;
    let mut notebook = Notebook::default();
    let error = read_stream(Counted(&stream, &mut came), &mut notebook).unwrap_err();
    assert_eq!(came, stream.len());
    assert_eq!(notebook.abandoned, [error.to_string()]);
}

#[test]
fn a_stream_that_fails_is_left_at_once() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("stopped")),
                count => Ok(count),
            }
        }
    }
    let stream = guest().bytes;
    let mut notebook = Notebook::default();
    match read_stream(Failing(&stream), &mut notebook) {
        Err(QevmError::Stream { received, source }) => {
            assert_eq!(
                (received, source.to_string()),
                (ByteCount(stream.len() as u64), "stopped".to_owned())
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(notebook.abandoned, Vec::<String>::new());
}

fn state_of(devices: &[Device]) -> MachineState {
    parsed(&guest().section(3).end_of_part().devices(devices)).unwrap().0.state
}

#[test]
fn registers_are_found_by_the_description() {
    let state = state_of(&[Device::new("timer", 0).field("ticks", &[9; 24]), cpu(0), cpu(1)]);
    let [first, second] = state.cpus.as_slice() else { panic!("{state:?}") };
    assert_eq!(first.general[0], 0x1000);
    assert_eq!(second.general[15], 0x200f);
    assert_eq!((second.rip, second.rflags), (0x2010, 0x2011));
    let cs = SegmentRegister { selector: 0x2101, base: 0x2201, limit: 0x2301, flags: 1 };
    let idt = SegmentRegister { selector: 0x2109, base: 0x2209, limit: 0x2309, flags: 9 };
    assert_eq!((second.segments[1], second.idt), (cs, idt));
    assert_eq!(second.control, [0x2020, 0, 0x2022, 0x2023, 0x2024]);
    assert_eq!(second.kernel_gs_base, 0x2030);
    assert!(second.is_long_mode());
}

#[test]
fn registers_that_are_not_there_are_told() {
    let state = state_of(&[Device::new("cpu", 2).array("env.regs", &[5; 15]).field("env.eip", &[1; 3])]);
    assert_eq!(state.cpus.len(), 1);
    assert_eq!(state.cpus[0].general[14], 5);
    for missing in ["env.eip of CPU 2", "env.regs[15] of CPU 2", "env.segs of CPU 2", "env.cr[3] of CPU 2"] {
        assert!(state.missing.iter().any(|told| told == missing), "{missing}: {:?}", state.missing);
    }
    assert_eq!(state_of(&[]).missing, ["the registers of the CPUs"]);
}

#[test]
fn devices_after_one_that_is_not_as_described_are_not_trusted() {
    let stream = guest().section(3).end_of_part().devices(&[cpu(0), cpu(1), cpu(2), vmcoreinfo(0, 64)]);
    // The instance of the second CPU, in its section.
    let header = b"\x04\0\0\0\x0b\x03cpu\0\0\0\x01";
    let at = stream.windows(header.len()).position(|bytes| bytes == header).unwrap();
    let mut damaged = stream;
    damaged[at + header.len() - 1] = 7;
    let state = parsed(&damaged).unwrap().0.state;
    assert_eq!(state.cpus.len(), 1);
    assert_eq!(state.missing, ["the registers of CPU 1", "the registers of CPU 2", "VMCOREINFO"]);
}

#[test]
fn the_guests_note_and_the_split_of_memory_are_told() {
    let state = state_of(&[cpu(0), vmcoreinfo(0x1234_5000, 3280), clock(0xbf00, 0x2800)]);
    let note = GuestNote { address: GuestPhysAddr(0x1234_5000), bytes: 3280 };
    assert_eq!(state.guest_note, Some(note));
    let split = state.memory_split.unwrap();
    assert_eq!(split.below_four_gib, ByteCount::from_mib(3072));
    assert_eq!(split.above_four_gib, ByteCount::from_mib(640));
    assert_eq!(state_of(&[cpu(0), clock(0, 0)]).memory_split, None);
}

mod places;
