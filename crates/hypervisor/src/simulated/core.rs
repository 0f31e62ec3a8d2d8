//! A guest's memory as QEMU would write it: an ELF64 core with notes and one loadable segment per range of memory.
//!
//! The layout is that of QEMU's q35 machine: the notes, RAM from address 0, and a 256 KiB firmware below 4 GiB.

pub(super) const PAGE_BYTES: usize = 4096;
const FIRMWARE_ADDR: u64 = 0xfffc_0000;
pub(super) const FIRMWARE_BYTES: usize = 256 << 10;

const EHDR_BYTES: u64 = 64;
const PHDR_BYTES: u64 = 56;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// Where RAM begins in a core: after the headers and both notes.
pub(super) const RAM_AT: usize = 64 + 3 * 56 + (12 + 8 + 336) + (12 + 8 + 440);

/// The dump of a guest with `memory_bytes` of RAM. The content depends on `seed` alone; three pages of four are zero.
pub(super) fn elf_core(seed: &str, memory_bytes: usize) -> Vec<u8> {
    let notes = [note("CORE", 1, &[0; 336]), note("QEMU", 0, &[0; 440])].concat();
    let (ram, firmware) = (pages(seed, memory_bytes), pages("firmware", FIRMWARE_BYTES));

    let notes_at = EHDR_BYTES + 3 * PHDR_BYTES;
    let ram_at = notes_at + length(&notes);
    let firmware_at = ram_at + length(&ram);
    [
        ehdr(3),
        phdr(PT_NOTE, notes_at, 0, length(&notes)),
        phdr(PT_LOAD, ram_at, 0, length(&ram)),
        phdr(PT_LOAD, firmware_at, FIRMWARE_ADDR, length(&firmware)),
        notes,
        ram,
        firmware,
    ]
    .concat()
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn ehdr(segments: u16) -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    header.extend(4_u16.to_le_bytes()); // e_type: ET_CORE
    header.extend(62_u16.to_le_bytes()); // e_machine: EM_X86_64
    header.extend(1_u32.to_le_bytes()); // e_version
    header.extend(0_u64.to_le_bytes()); // e_entry
    header.extend(EHDR_BYTES.to_le_bytes()); // e_phoff
    header.extend(0_u64.to_le_bytes()); // e_shoff
    header.extend(0_u32.to_le_bytes()); // e_flags
    // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
    header.extend([64, 56, segments, 0, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    header
}

fn phdr(kind: u32, offset: u64, paddr: u64, size: u64) -> Vec<u8> {
    let mut header = [kind, 0].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
    // p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
    header.extend([offset, 0, paddr, size, size, 0].into_iter().flat_map(u64::to_le_bytes));
    header
}

/// A note; `name` is padded with its terminator to a multiple of four.
fn note(name: &str, kind: u32, content: &[u8]) -> Vec<u8> {
    let sizes = [name.len() + 1, content.len()].map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    let mut note: Vec<u8> = sizes.into_iter().chain([kind]).flat_map(u32::to_le_bytes).collect();
    note.extend(name.bytes());
    note.resize((note.len() + 1).next_multiple_of(4), 0);
    note.extend(content);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// Memory of a guest that uses every fourth page.
pub(super) fn pages(seed: &str, bytes: usize) -> Vec<u8> {
    // FNV-1a, then xorshift64*: the same memory on every machine and in every version.
    let seed = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut memory = vec![0; bytes];
    let mut state = seed | 1;
    for page in memory.chunks_mut(PAGE_BYTES).step_by(4) {
        for word in page.chunks_exact_mut(8) {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            word.copy_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn the_headers_promise_exactly_the_bytes_that_follow() {
        let core = elf_core("db-01", 1 << 20);
        assert_eq!(&core[..7], b"\x7fELF\x02\x01\x01");
        let segments: Vec<(u64, u64, u64)> = (0..3)
            .map(|n| 64 + n * 56)
            .map(|at| (u64_at(&core, at + 8), u64_at(&core, at + 24), u64_at(&core, at + 32)))
            .collect();
        let [(note_at, _, note), (ram_at, 0, ram), (firmware_at, FIRMWARE_ADDR, firmware)] = segments[..]
        else {
            panic!("{segments:x?}");
        };
        assert_eq!((note_at, ram, firmware), (64 + 3 * 56, 1 << 20, 256 << 10));
        assert_eq!((ram_at, firmware_at), (note_at + note, ram_at + ram));
        assert_eq!(ram_at, RAM_AT as u64);
        assert_eq!(length(&core), firmware_at + firmware);
    }

    #[test]
    fn each_guest_has_its_own_memory_and_keeps_it() {
        assert_eq!(elf_core("db-01", 64 << 10), elf_core("db-01", 64 << 10));
        assert_ne!(elf_core("db-01", 64 << 10), elf_core("web-01", 64 << 10));
    }
}
