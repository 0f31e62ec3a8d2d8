//! A guest's memory as a live dump streams it: a QEMU migration stream, big-endian.
//!
//! ```text
//! "QEVM" version · configuration · ram: blocks │ ram: first pass, in parts │ ram: last pass · cpu · end · description
//! ```
//!
//! Every section but the configuration and what follows the end is closed by a footer with its id. Memory travels as
//! `address | flags` and a page. Some pages of the first pass are out of date; the last pass has them again, as they are
//! when the guest is stopped. So a reader that keeps the first of two pages gets other memory than a frozen dump has.

use super::core::{FIRMWARE_BYTES, PAGE_BYTES, pages};
use super::cpu;

const MAGIC: &[u8] = b"QEVM";
const VERSION: u32 = 3;
const MACHINE: &str = "pc-q35-7.2";

const SECTION_END_OF_STREAM: u8 = 0x00;
const SECTION_START: u8 = 0x01;
const SECTION_PART: u8 = 0x02;
const SECTION_END: u8 = 0x03;
const SECTION_FULL: u8 = 0x04;
const SECTION_DESCRIPTION: u8 = 0x06;
const SECTION_CONFIGURATION: u8 = 0x07;
const SECTION_FOOTER: u8 = 0x7e;

const RAM_ZERO: u64 = 0x02;
const RAM_SIZES: u64 = 0x04;
const RAM_PAGE: u64 = 0x08;
const RAM_END_OF_PART: u64 = 0x10;
const RAM_SAME_BLOCK: u64 = 0x20;

const RAM_SECTION: u32 = 3;
const CPU_SECTION: u32 = 6;

/// What the first pass says of a page that had other content then.
const OUTDATED: [u8; PAGE_BYTES] = [0xa5; PAGE_BYTES];

/// A live dump.
#[derive(Default)]
pub(super) struct LiveStream {
    pub(super) bytes: Vec<u8>,
    /// From here on the guest is stopped.
    pub(super) last_pass_at: usize,
}

/// The live dump of a guest with `memory_bytes` of RAM, whose memory is that of `elf_core(seed, memory_bytes)`.
pub(super) fn live_stream(seed: &str, memory_bytes: usize) -> LiveStream {
    let (ram, firmware) = (pages(seed, memory_bytes), pages("firmware", FIRMWARE_BYTES));
    let blocks = [("pc.ram", ram.as_slice()), ("pc.bios", firmware.as_slice())];
    let mut stream = Writer::default();
    stream.bytes.extend(MAGIC);
    stream.bytes.extend(VERSION.to_be_bytes());
    stream.bytes.push(SECTION_CONFIGURATION);
    stream.long_text(MACHINE);

    stream.open_named(SECTION_START, RAM_SECTION, "ram", 4);
    let total = blocks.iter().map(|(_, memory)| count(memory)).sum::<u64>();
    stream.word(total | RAM_SIZES);
    for (name, memory) in blocks {
        stream.short_text(name);
        stream.word(count(memory));
    }
    stream.close_ram();

    for (name, memory) in blocks {
        // As QEMU does, pass in parts that begin and end anywhere.
        let (head, tail) = memory.as_chunks::<PAGE_BYTES>().0.split_at(memory.len() / PAGE_BYTES / 3);
        for (first, part) in [(0, head), (head.len(), tail)] {
            stream.open(SECTION_PART, RAM_SECTION);
            for (number, page) in (first..).zip(part) {
                stream.page(name, number, before(number, page));
            }
            stream.close_ram();
        }
    }

    let last_pass_at = stream.bytes.len();
    stream.open(SECTION_END, RAM_SECTION);
    for (name, memory) in blocks {
        for (number, page) in memory.as_chunks().0.iter().enumerate() {
            if before(number, page) != page {
                stream.page(name, number, page);
            }
        }
    }
    stream.close_ram();

    stream.open_named(SECTION_FULL, CPU_SECTION, "cpu", cpu::VERSION);
    stream.bytes.extend(cpu::state());
    stream.close(CPU_SECTION);

    stream.bytes.extend([SECTION_END_OF_STREAM, SECTION_DESCRIPTION]);
    stream.long_text(&format!(r#"{{"page_size": {PAGE_BYTES}, "devices": [{}]}}"#, cpu::description()));
    LiveStream { bytes: stream.bytes, last_pass_at }
}

/// A page as the first pass met it: used pages that were unused or other, unused pages that were used.
fn before(number: usize, page: &[u8; PAGE_BYTES]) -> &[u8; PAGE_BYTES] {
    match number % 16 {
        4 | 5 => &OUTDATED,
        8 => &[0; PAGE_BYTES],
        _ => page,
    }
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Of the page before; it holds beyond the end of a part.
    block: Option<&'static str>,
}

impl Writer {
    fn word(&mut self, word: u64) {
        self.bytes.extend(word.to_be_bytes());
    }

    /// With its length in one byte.
    fn short_text(&mut self, text: &str) {
        self.bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes.extend(text.bytes());
    }

    /// With its length in four bytes.
    fn long_text(&mut self, text: &str) {
        self.bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.bytes.extend(text.bytes());
    }

    fn open(&mut self, kind: u8, id: u32) {
        self.bytes.push(kind);
        self.bytes.extend(id.to_be_bytes());
    }

    fn open_named(&mut self, kind: u8, id: u32, name: &str, version: u32) {
        const INSTANCE: u32 = 0;
        self.open(kind, id);
        self.short_text(name);
        self.bytes.extend([INSTANCE, version].into_iter().flat_map(u32::to_be_bytes));
    }

    fn close(&mut self, id: u32) {
        self.open(SECTION_FOOTER, id);
    }

    fn close_ram(&mut self) {
        self.word(RAM_END_OF_PART);
        self.close(RAM_SECTION);
    }

    fn page(&mut self, block: &'static str, number: usize, page: &[u8; PAGE_BYTES]) {
        let address = u64::try_from(number.saturating_mul(PAGE_BYTES)).unwrap_or(u64::MAX);
        let is_zero = page.iter().all(|byte| *byte == 0);
        let same_block = if self.block == Some(block) { RAM_SAME_BLOCK } else { 0 };
        self.word(address | if is_zero { RAM_ZERO } else { RAM_PAGE } | same_block);
        if same_block == 0 {
            self.short_text(block);
            self.block = Some(block);
        }
        if is_zero { self.bytes.push(0) } else { self.bytes.extend(page) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::core::elf_core;
    use super::*;

    /// Reads the stream as its format says. Gives the memory of each block, and the pages that came again.
    fn read(stream: &[u8]) -> (BTreeMap<String, Vec<u8>>, usize, Vec<u8>, String) {
        let mut rest = Reader(stream);
        assert_eq!(rest.take(8), b"QEVM\0\0\0\x03");
        assert_eq!(rest.take(1), [SECTION_CONFIGURATION]);
        assert_eq!(rest.long_text(), "pc-q35-7.2");
        let (mut memory, mut again, mut cpu) = (BTreeMap::<String, Vec<u8>>::new(), 0, Vec::new());
        let (mut seen, mut block) = (BTreeSet::new(), String::new());
        loop {
            let kind = rest.u8();
            if kind == SECTION_END_OF_STREAM {
                assert_eq!(rest.take(1), [SECTION_DESCRIPTION]);
                let description = rest.long_text();
                assert!(rest.0.is_empty());
                return (memory, again, cpu, description);
            }
            let id = rest.u32();
            if matches!(kind, SECTION_START | SECTION_FULL) {
                let name = rest.short_text();
                rest.take(8);
                assert_eq!(id, if name == "ram" { RAM_SECTION } else { CPU_SECTION });
            }
            if id == CPU_SECTION {
                cpu = rest.take(cpu::state().len()).to_vec();
            } else {
                again += read_pages(&mut rest, &mut memory, &mut block, &mut seen);
            }
            assert_eq!((rest.take(1), rest.u32()), ([SECTION_FOOTER].as_slice(), id));
        }
    }

    /// Reads to the end of a part. Gives how many pages came again.
    fn read_pages(
        rest: &mut Reader<'_>,
        memory: &mut BTreeMap<String, Vec<u8>>,
        block: &mut String,
        seen: &mut BTreeSet<(String, usize)>,
    ) -> usize {
        let mut again = 0;
        loop {
            let word = rest.u64();
            let (address, flags) = (word & !0xfff, word & 0xfff);
            if flags == RAM_END_OF_PART {
                return again;
            }
            if flags == RAM_SIZES {
                let mut left = address;
                while left > 0 {
                    let (name, length) = (rest.short_text(), rest.u64());
                    memory.insert(name, vec![0xff; usize::try_from(length).unwrap()]);
                    left -= length;
                }
                continue;
            }
            if flags & RAM_SAME_BLOCK == 0 {
                *block = rest.short_text();
            }
            let page = match flags & !RAM_SAME_BLOCK {
                RAM_ZERO => vec![rest.u8(); PAGE_BYTES],
                RAM_PAGE => rest.take(PAGE_BYTES).to_vec(),
                other => panic!("{other:x}"),
            };
            let at = usize::try_from(address).unwrap();
            memory.get_mut(block).unwrap()[at..at + PAGE_BYTES].copy_from_slice(&page);
            again += usize::from(!seen.insert((block.clone(), at)));
        }
    }

    struct Reader<'a>(&'a [u8]);

    impl<'a> Reader<'a> {
        fn take(&mut self, count: usize) -> &'a [u8] {
            let (taken, rest) = self.0.split_at(count);
            self.0 = rest;
            taken
        }

        fn u8(&mut self) -> u8 {
            self.take(1)[0]
        }

        fn u32(&mut self) -> u32 {
            u32::from_be_bytes(self.take(4).try_into().unwrap())
        }

        fn u64(&mut self) -> u64 {
            u64::from_be_bytes(self.take(8).try_into().unwrap())
        }

        fn short_text(&mut self) -> String {
            let length = self.u8().into();
            String::from_utf8(self.take(length).to_vec()).unwrap()
        }

        fn long_text(&mut self) -> String {
            let length = self.u32();
            String::from_utf8(self.take(length.try_into().unwrap()).to_vec()).unwrap()
        }
    }

    #[test]
    fn the_last_of_every_page_is_what_a_frozen_dump_has() {
        let stream = live_stream("db-01", 1 << 20);
        let (memory, again, _, _) = read(&stream.bytes);
        let core = elf_core("db-01", 1 << 20);
        let loadable = [memory["pc.ram"].as_slice(), &memory["pc.bios"]].concat();
        assert!(core.ends_with(&loadable), "notes, then RAM, then firmware");
        assert_eq!(memory["pc.ram"].len(), 1 << 20);
        // Three of sixteen pages, of 256 and 64.
        assert_eq!(again, 60);
    }

    #[test]
    fn the_first_pass_alone_is_other_memory() {
        let stream = live_stream("db-01", 1 << 20);
        let last_pass = &stream.bytes[stream.last_pass_at..];
        assert_eq!(last_pass[..5], [SECTION_END, 0, 0, 0, 3]);
        let page_of = |number: usize| (number as u64 * 4096).to_be_bytes();
        assert!(last_pass[..64].windows(6).any(|bytes| bytes == &page_of(4)[..6]), "page 4 comes first");
    }

    #[test]
    fn the_description_says_where_the_registers_are() {
        let (_, _, cpu, description) = read(&live_stream("db-01", 1 << 16).bytes);
        assert!(
            description.starts_with(r#"{"page_size": 4096, "devices": [{"name": "cpu", "instance_id": 0, "#)
        );
        assert!(
            description.contains(r#"{"name": "env.regs", "array_len": 16, "type": "uint64", "size": 8}"#)
        );
        let eip = u64::from_be_bytes(cpu[16 * 8..17 * 8].try_into().unwrap());
        assert_eq!(eip, cpu::INSTRUCTION_POINTER, "after sixteen registers");
    }
}
