//! The registers of an x86 CPU, out of the device `cpu`.
//!
//! Fields as in `target/i386/machine.c` in QEMU.

use super::description::Fields;

/// A segment register with what the CPU keeps behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentRegister {
    pub(crate) selector: u32,
    pub(crate) base: u64,
    pub(crate) limit: u32,
    pub(crate) flags: u32,
}

/// The registers that a memory dump has. A register that the stream does not hold is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuState {
    /// In the order of their encoding: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15.
    pub(crate) general: [u64; 16],
    pub(crate) rip: u64,
    pub(crate) rflags: u64,
    /// In the order of their encoding: es, cs, ss, ds, fs, gs.
    pub(crate) segments: [SegmentRegister; 6],
    pub(crate) ldt: SegmentRegister,
    pub(crate) tr: SegmentRegister,
    pub(crate) gdt: SegmentRegister,
    pub(crate) idt: SegmentRegister,
    /// cr0 to cr4; there is no cr1.
    pub(crate) control: [u64; 5],
    pub(crate) kernel_gs_base: u64,
    /// The extended feature enable register.
    pub(crate) efer: u64,
}

impl CpuState {
    /// The registers, and the names of those that are not there.
    pub(super) fn new(device: Fields<'_>) -> (Self, Vec<String>) {
        let mut fields = Reader { device, missing: Vec::new() };
        let mut state = Self {
            rip: fields.number("env.eip", 0),
            rflags: fields.number("env.eflags", 0),
            ldt: fields.segment("env.ldt", 0),
            tr: fields.segment("env.tr", 0),
            gdt: fields.segment("env.gdt", 0),
            idt: fields.segment("env.idt", 0),
            kernel_gs_base: fields.number("env.kernelgsbase", 0),
            efer: fields.number("env.efer", 0),
            ..Self::default()
        };
        for (register, index) in state.general.iter_mut().zip(0..) {
            *register = fields.number("env.regs", index);
        }
        for (register, index) in state.segments.iter_mut().zip(0..) {
            *register = fields.segment("env.segs", index);
        }
        for (register, name) in state.control.iter_mut().zip([
            Some("env.cr[0]"),
            None,
            Some("env.cr[2]"),
            Some("env.cr[3]"),
            Some("env.cr[4]"),
        ]) {
            *register = name.map_or(0, |name| fields.number(name, 0));
        }
        (state, fields.missing)
    }

    /// Whether the CPU is in long mode (EFER.LMA), as a 64-bit system has it.
    pub(crate) fn is_long_mode(&self) -> bool {
        self.efer & 1 << 10 != 0
    }
}

/// Reads registers, and notes which are missing.
struct Reader<'a> {
    device: Fields<'a>,
    missing: Vec<String>,
}

impl Reader<'_> {
    fn number(&mut self, name: &str, index: u64) -> u64 {
        self.or_missing(self.device.element(name, index), name, index)
    }

    fn segment(&mut self, name: &str, index: u64) -> SegmentRegister {
        let found = self.device.structure(name, index).and_then(|segment| {
            let half = |field| u32::try_from(segment.number(field)?).ok();
            Some(SegmentRegister {
                selector: half("selector")?,
                base: segment.number("base")?,
                limit: half("limit")?,
                flags: half("flags")?,
            })
        });
        self.or_missing(found, name, index)
    }

    fn or_missing<T: Default>(&mut self, found: Option<T>, name: &str, index: u64) -> T {
        found.unwrap_or_else(|| {
            self.missing.push(if index == 0 { name.to_owned() } else { format!("{name}[{index}]") });
            T::default()
        })
    }
}
