//! The notes of the ELF core: for each CPU what debuggers read (`NT_PRSTATUS`) and QEMU's own note, then the guest's.
//!
//! Layouts as QEMU's `target/i386/arch_dump.c` writes them for a 64-bit guest: all notes of the first kind, then all
//! of the second.

use crate::receive::qevm::{CpuState, SegmentRegister};

const NT_PRSTATUS: u32 = 1;
const QEMU_CPU_STATE: u32 = 0;
const QEMU_CPU_STATE_VERSION: u32 = 1;
const QEMU_CPU_STATE_BYTES: u32 = 440;

/// The notes of these CPUs.
pub(super) fn notes(cpus: &[CpuState]) -> Vec<u8> {
    let status =
        cpus.iter().zip(1_u32..).flat_map(|(cpu, id)| note(*b"CORE\0", NT_PRSTATUS, &prstatus(cpu, id)));
    let state = cpus.iter().flat_map(|cpu| note(*b"QEMU\0", QEMU_CPU_STATE, &qemu_cpu_state(cpu)));
    status.chain(state).collect()
}

fn note(owner: [u8; 5], kind: u32, content: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut note = length(&owner).to_vec();
    note.extend(length(content));
    note.extend(kind.to_le_bytes());
    note.extend(owner);
    note.extend([0; 3]);
    note.extend_from_slice(content);
    note
}

/// `struct elf_prstatus` of x86-64. `id` takes the place of the process id.
fn prstatus(cpu: &CpuState, id: u32) -> Vec<u8> {
    let [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = cpu.general;
    let [es, cs, ss, ds, fs, gs] = cpu.segments;
    let selector = |segment: SegmentRegister| u64::from(segment.selector);
    let orig_rax = 0;
    let mut bytes = vec![0; 32];
    bytes.extend(id.to_le_bytes());
    bytes.extend([0; 76]);
    for register in [
        r15,
        r14,
        r13,
        r12,
        rbp,
        rbx,
        r11,
        r10,
        r9,
        r8,
        rax,
        rcx,
        rdx,
        rsi,
        rdi,
        orig_rax,
        cpu.rip,
        selector(cs),
        cpu.rflags,
        rsp,
        selector(ss),
        fs.base,
        gs.base,
        selector(ds),
        selector(es),
        selector(fs),
        selector(gs),
    ] {
        bytes.extend(register.to_le_bytes());
    }
    bytes.extend([0; 8]);
    bytes
}

/// `QEMUCPUState`, version 1.
fn qemu_cpu_state(cpu: &CpuState) -> Vec<u8> {
    let [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, high @ ..] = cpu.general;
    let [es, cs, ss, ds, fs, gs] = cpu.segments;
    let mut bytes = QEMU_CPU_STATE_VERSION.to_le_bytes().to_vec();
    bytes.extend(QEMU_CPU_STATE_BYTES.to_le_bytes());
    let general = [rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp].into_iter().chain(high);
    for register in general.chain([cpu.rip, cpu.rflags]) {
        bytes.extend(register.to_le_bytes());
    }
    for segment in [cs, ds, es, fs, gs, ss, cpu.ldt, cpu.tr, cpu.gdt, cpu.idt] {
        for word in [segment.selector, segment.limit, segment.flags, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(segment.base.to_le_bytes());
    }
    for register in cpu.control.into_iter().chain([cpu.kernel_gs_base]) {
        bytes.extend(register.to_le_bytes());
    }
    bytes
}

/// The note at the beginning of these bytes of guest memory, without what follows it; `None` if there is none.
/// The guest wrote it, so nothing about it is certain.
pub(super) fn guest_note(bytes: &[u8]) -> Option<&[u8]> {
    const HEADER_BYTES: usize = 12;
    let length = |at: usize| {
        let word = bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)?;
        usize::try_from(word).ok()?.checked_next_multiple_of(4)
    };
    bytes.get(..HEADER_BYTES.checked_add(length(0)?)?.checked_add(length(4)?)?)
}
