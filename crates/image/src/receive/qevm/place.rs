//! Where a RAM block lies in the guest's physical memory.
//!
//! The stream names a page by its offset in a block. Places come from QEMU's `hw/i386/pc_q35.c`, `pc_piix.c` and
//! `x86.c`: `pc.ram` is split around the hole below 4 GiB that belongs to PCI, and the firmware ends at 4 GiB. What
//! is not known here is refused, never guessed.
//!
//! The image holds `pc.ram` whole: also the RAM behind a window in which the guest sees a device instead, such as
//! VGA's at 0xa0000.

use memdeck_model::{ByteCount, GuestPhysAddr, OmittedBlock};

use super::QevmError;
use super::machine_state::MemorySplit;
use super::ram::{PAGE_BYTES_U64, RamBlock};

/// The RAM of a machine without NUMA nodes.
const RAM: &str = "pc.ram";
const GIB: u64 = 1 << 30;
const FOUR_GIB: u64 = 4 * GIB;
/// From about 1 TiB on, QEMU moves the RAM above 4 GiB out of the way of an AMD IOMMU's reserved range; whether it
/// did is not in the stream.
const MAX_KNOWN_RAM: u64 = 960 * GIB;

/// A contiguous part of a block, as the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The block's place in the stream's list, from 0.
    pub(crate) block: usize,
    /// Pages from the beginning of the block.
    pub(crate) block_page: u64,
    pub(crate) address: GuestPhysAddr,
    pub(crate) pages: u64,
}

impl Placed {
    pub(crate) fn bytes(&self) -> u64 {
        self.pages.saturating_mul(PAGE_BYTES_U64)
    }
}

/// Places every block: the parts of guest memory in ascending order of address, and what is left out.
pub(crate) fn place(
    machine: &str,
    blocks: &[RamBlock],
) -> Result<(Vec<Placed>, Vec<OmittedBlock>), QevmError> {
    let unknown =
        |block: &RamBlock| QevmError::UnknownPlace { block: block.name.clone(), machine: machine.to_owned() };
    let mut placed = Vec::new();
    let mut omitted = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let part = |start: u64, address: u64, length: u64| Placed {
            block: index,
            block_page: start / PAGE_BYTES_U64,
            address: GuestPhysAddr(address),
            pages: length / PAGE_BYTES_U64,
        };
        match block.name.as_str() {
            RAM => {
                let below = Machine::named(machine)
                    .filter(|_| block.length <= MAX_KNOWN_RAM)
                    .ok_or_else(|| unknown(block))?
                    .below_four_gib(block.length);
                placed.push(part(0, 0, below));
                if block.length > below {
                    placed.push(part(below, FOUR_GIB, block.length - below));
                }
            }
            "pc.bios" => {
                let known = Machine::named(machine).and_then(|_| FOUR_GIB.checked_sub(block.length));
                placed.push(part(0, known.ok_or_else(|| unknown(block))?, block.length));
            }
            name if is_outside(name) => {
                omitted.push(OmittedBlock { name: name.to_owned(), bytes: ByteCount(block.length) });
            }
            _ => return Err(unknown(block)),
        }
    }
    placed.sort_by_key(|part| part.address);
    let overlap = placed.windows(2).any(|pair| match pair {
        [first, second] => first.address.0.saturating_add(first.bytes()) > second.address.0,
        _ => false,
    });
    if overlap || !placed.iter().any(|part| part.address == GuestPhysAddr(0)) {
        return Err(QevmError::unsupported("this list of RAM blocks"));
    }
    Ok((placed, omitted))
}

/// Checks that the machine split its RAM as [`place`] thinks: an option of QEMU can move the border.
pub(crate) fn check_split(machine: &str, parts: &[Placed], split: MemorySplit) -> Result<(), QevmError> {
    let bytes_at = |address| {
        let part = parts.iter().find(|part| part.address == GuestPhysAddr(address));
        part.map_or(ByteCount(0), |part| ByteCount(part.bytes()))
    };
    if bytes_at(0) == split.below_four_gib && bytes_at(FOUR_GIB) == split.above_four_gib {
        return Ok(());
    }
    Err(QevmError::UnknownPlace { block: RAM.to_owned(), machine: machine.to_owned() })
}

/// The two families of PC whose memory map is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Machine {
    Q35,
    I440fx,
}

impl Machine {
    /// Versions before 2.0 split their memory elsewhere; so may distributions' machines of that time.
    fn named(machine: &str) -> Option<Self> {
        let (family, version) = match machine.strip_prefix("pc-q35-") {
            Some(version) => (Self::Q35, version),
            None => (Self::I440fx, machine.strip_prefix("pc-i440fx-")?),
        };
        let is_old = ["0.", "1.", "rhel6", "rhel7."].iter().any(|old| version.starts_with(old));
        (!is_old || version.starts_with("rhel7.6")).then_some(family)
    }

    /// How much of `ram` bytes of RAM lies below 4 GiB.
    fn below_four_gib(self, ram: u64) -> u64 {
        let (limit, kept) = match self {
            Self::Q35 => (0xb000_0000, 2 * GIB),
            Self::I440fx => (0xe000_0000, 3 * GIB),
        };
        if ram >= limit { kept } else { ram }
    }
}

/// Blocks that are known to be no RAM of the guest.
fn is_outside(name: &str) -> bool {
    const NAMES: [&str; 4] = ["pc.rom", "system.flash0", "system.flash1", "vga.vram"];
    const DEVICE_MEMORY: [&str; 5] =
        ["vga.vram", "qxl.vgavram", "qxl.vram", "qxl.vrom", "bochs-display-vram"];
    // Where a device has memory, its path comes first: `0000:00:02.0/vga.vram`.
    let of_device = name.rsplit_once('/').map(|(_, last)| last);
    NAMES.contains(&name)
        || name.starts_with("/rom@")
        || of_device.is_some_and(|last| DEVICE_MEMORY.contains(&last) || is_rom(last))
}

fn is_rom(name: &str) -> bool {
    name.strip_suffix(".rom").is_some_and(|device| !device.is_empty())
}
