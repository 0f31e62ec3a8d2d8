//! ELF cores laid out as QEMU lays them out, and memory to fill them with, for tests and examples.

/// The headers and the note of a core whose memory, in this order, follows at once: (guest-physical address, bytes).
pub fn headers(segments: &[(u64, u64)]) -> Vec<u8> {
    const NOTE: &[u8] = b"\x05\0\0\0\x04\0\0\0\0\0\0\0QEMU\0\0\0\0note";
    let note_offset = 64 + 56 * (segments.len() as u64 + 1);
    let mut bytes = file_header(u16::try_from(segments.len() + 1).unwrap());
    bytes.extend(program_header(4, note_offset, 0, NOTE.len() as u64));
    let mut offset = note_offset + NOTE.len() as u64;
    for &(address, length) in segments {
        bytes.extend(program_header(1, offset, address, length));
        offset += length;
    }
    bytes.extend(NOTE);
    bytes
}

fn file_header(program_headers: u16) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(4_u16.to_le_bytes()); // e_type: core
    bytes.extend(62_u16.to_le_bytes()); // e_machine: x86-64
    bytes.extend(1_u32.to_le_bytes()); // e_version
    bytes.extend(0_u64.to_le_bytes()); // e_entry
    bytes.extend(64_u64.to_le_bytes()); // e_phoff
    bytes.extend(0_u64.to_le_bytes()); // e_shoff
    bytes.extend(0_u32.to_le_bytes()); // e_flags
    for half in [64, 56, program_headers, 64, 0, 0] {
        bytes.extend(half.to_le_bytes()); // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
    }
    bytes
}

fn program_header(kind: u32, offset: u64, address: u64, length: u64) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(0_u32.to_le_bytes()); // p_flags
    for long in [offset, 0, address, length, length, 0] {
        bytes.extend(long.to_le_bytes()); // p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
    }
    bytes
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(length.div_ceil(8)).flatten().collect();
    bytes.truncate(length);
    bytes
}
