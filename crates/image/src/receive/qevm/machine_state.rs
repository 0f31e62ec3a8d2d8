//! What an image needs of the devices: the CPUs' registers, where the guest keeps its VMCOREINFO, and how its memory
//! is split.

use memdeck_model::{ByteCount, GuestPhysAddr};

use super::cpu::CpuState;
use super::description::Fields;
use super::devices::Devices;

/// A note that the guest keeps in its memory for its dump; Linux writes its VMCOREINFO there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GuestNote {
    pub(crate) address: GuestPhysAddr,
    pub(crate) bytes: u32,
}

/// How QEMU split the guest's RAM, as it wrote it to the clock's battery-backed memory for the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemorySplit {
    pub(crate) below_four_gib: ByteCount,
    pub(crate) above_four_gib: ByteCount,
}

/// What the devices contain of interest to an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MachineState {
    /// In the order of QEMU's list.
    pub(crate) cpus: Vec<CpuState>,
    pub(crate) guest_note: Option<GuestNote>,
    /// `None` if the clock does not contain it, as with less than 16 MiB.
    pub(crate) memory_split: Option<MemorySplit>,
    /// What a memory dump would contain and the stream does not, in words.
    pub(crate) missing: Vec<String>,
}

impl MachineState {
    pub(super) fn new(devices: &Devices) -> Self {
        let mut state = Self::default();
        for (device, found) in devices.walk() {
            match (device.name.as_str(), found) {
                ("cpu", Some(found)) => {
                    let (cpu, missing) = CpuState::new(found);
                    state.cpus.push(cpu);
                    let told =
                        missing.into_iter().map(|field| format!("{field} of CPU {}", device.instance_id));
                    state.missing.extend(told);
                }
                ("cpu", None) => state.missing.push(format!("the registers of CPU {}", device.instance_id)),
                ("vmcoreinfo", Some(found)) => state.guest_note(found),
                ("mc146818rtc", Some(found)) => state.memory_split = memory_split(found),
                ("vmcoreinfo", None) => state.missing.push("VMCOREINFO".to_owned()),
                _ => {}
            }
        }
        if state.cpus.is_empty() && state.missing.is_empty() {
            state.missing.push("the registers of the CPUs".to_owned());
        }
        state
    }

    /// See `hw/misc/vmcoreinfo.c` in QEMU. The guest may not have written anything yet.
    fn guest_note(&mut self, device: Fields<'_>) {
        const FORMAT_ELF: u64 = 1;
        let written = device.number("has_vmcoreinfo") == Some(1);
        if !written || device.number("vmcoreinfo.guest_format") != Some(FORMAT_ELF) {
            return;
        }
        let bytes = device.number("vmcoreinfo.size").and_then(|bytes| u32::try_from(bytes).ok());
        match (device.number("vmcoreinfo.paddr"), bytes) {
            (Some(address), Some(bytes)) => {
                self.guest_note = Some(GuestNote { address: GuestPhysAddr(address), bytes });
            }
            _ => self.missing.push("VMCOREINFO".to_owned()),
        }
    }
}

/// See `pc_cmos_init` in `hw/i386/pc.c` in QEMU: in units of 64 KiB, and below 4 GiB from 16 MiB on.
fn memory_split(clock: Fields<'_>) -> Option<MemorySplit> {
    const UNIT_KIB: u64 = 64;
    let memory = clock.bytes("cmos_data")?;
    let byte = |at: usize| memory.get(at).copied().map(u64::from);
    let below = byte(0x34)? | byte(0x35)? << 8;
    let above = byte(0x5b)? | byte(0x5c)? << 8 | byte(0x5d)? << 16;
    (below > 0).then(|| MemorySplit {
        below_four_gib: ByteCount::from_kib(16 * 1024 + below * UNIT_KIB),
        above_four_gib: ByteCount::from_kib(above * UNIT_KIB),
    })
}
