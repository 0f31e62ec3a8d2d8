use memdeck_model::ByteCount;

use super::super::machine_state::MemorySplit;
use super::super::synthetic::block;
use super::super::{QevmError, RamBlock, check_split, place};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// (address, first page of the block, bytes) of each part.
fn places(machine: &str, blocks: &[RamBlock]) -> Vec<(u64, u64, u64)> {
    let (parts, _) = place(machine, blocks).unwrap();
    parts.iter().map(|part| (part.address.0, part.block_page, part.bytes())).collect()
}

fn ram(machine: &str, bytes: u64) -> Vec<(u64, u64, u64)> {
    places(machine, &[block("pc.ram", bytes)])
}

#[test]
fn ram_is_split_where_the_machine_splits_it() {
    let below_q35 = 0xb000_0000;
    assert_eq!(ram("pc-q35-7.2", below_q35 - 4096), [(0, 0, below_q35 - 4096)]);
    assert_eq!(
        ram("pc-q35-7.2", below_q35),
        [(0, 0, 2 * GIB), (4 * GIB, 2 * GIB / 4096, below_q35 - 2 * GIB)]
    );
    let below_i440fx = 0xe000_0000;
    assert_eq!(ram("pc-i440fx-9.0", below_i440fx - 4096), [(0, 0, below_i440fx - 4096)]);
    assert_eq!(
        ram("pc-i440fx-9.0", below_i440fx),
        [(0, 0, 3 * GIB), (4 * GIB, 3 * GIB / 4096, below_i440fx - 3 * GIB)]
    );
}

#[test]
fn firmware_ends_at_four_gib_between_the_parts_of_ram() {
    let blocks = [block("pc.bios", 256 << 10), block("pc.ram", 3584 * MIB)];
    let expected = [(0, 0, 2 * GIB), (0xfffc_0000, 0, 256 << 10), (4 * GIB, 2 * GIB / 4096, 1536 * MIB)];
    assert_eq!(places("pc-q35-7.2", &blocks), expected);
}

#[test]
fn machines_of_distributions_are_known() {
    for machine in ["pc-q35-rhel9.4.0", "pc-q35-rhel7.6.0", "pc-i440fx-jammy", "pc-q35-8.1+pve0"] {
        assert_eq!(ram(machine, GIB), [(0, 0, GIB)], "{machine}");
    }
}

#[test]
fn memory_that_is_no_ram_of_the_guest_is_left_out_and_told() {
    let names = [
        "pc.rom",
        "/rom@etc/acpi/tables",
        "/rom@genroms/kvmvapic.bin",
        "system.flash0",
        "0000:00:02.0/vga.vram",
        "0000:00:02.0/qxl.vrom",
        "0000:00:01.0:00.0/virtio-net-pci.rom",
    ];
    let mut blocks: Vec<_> = names.iter().map(|name| block(name, 0x2000)).collect();
    blocks.push(block("pc.ram", MIB));
    let (parts, omitted) = place("pc-q35-7.2", &blocks).unwrap();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].block, names.len());
    assert_eq!(omitted.iter().map(|block| block.name.as_str()).collect::<Vec<_>>(), names);
    assert!(omitted.iter().all(|block| block.bytes == ByteCount(0x2000)));
}

#[test]
fn what_is_not_known_is_refused() {
    let refused = |machine: &str, name: &str, length: u64| {
        let blocks = [block("/rom@etc/acpi/rsdp", 0x1000), block(name, length)];
        match place(machine, &blocks).map(|(parts, _)| parts) {
            Err(QevmError::UnknownPlace { block, machine: told }) => {
                assert_eq!((block.as_str(), told.as_str()), (name, machine));
            }
            other => panic!("{machine} {name}: {other:?}"),
        }
    };
    for name in ["ram-node0", "mem0", "memdimm0", "/objects/dimm1", "ivshmem", "0000:00:05.0/shared", ".rom"]
    {
        refused("pc-q35-7.2", name, GIB);
    }
    for machine in ["microvm", "pc-i440fx-1.7", "pc-q35-rhel7.0.0", "pc-1.0", "virt-7.2", "q35"] {
        refused(machine, "pc.ram", GIB);
        refused(machine, "pc.bios", 0x4_0000);
    }
    refused("pc-q35-7.2", "pc.ram", 1024 * GIB);
    refused("pc-q35-7.2", "pc.bios", 8 * GIB);
}

#[test]
fn a_guest_without_ram_is_refused() {
    let error = place("pc-q35-7.2", &[block("pc.bios", 0x4_0000)]).unwrap_err();
    assert!(matches!(error, QevmError::Unsupported { .. }), "{error}");
}

#[test]
fn a_machine_that_was_told_to_split_elsewhere_is_refused() {
    let (parts, _) = place("pc-q35-7.2", &[block("pc.ram", 3584 * MIB)]).unwrap();
    let split = |below, above| MemorySplit {
        below_four_gib: ByteCount::from_mib(below),
        above_four_gib: ByteCount::from_mib(above),
    };
    check_split("pc-q35-7.2", &parts, split(2048, 1536)).unwrap();
    for (below, above) in [(1024, 2560), (2048, 0), (3584, 0)] {
        let error = check_split("pc-q35-7.2", &parts, split(below, above)).unwrap_err();
        assert!(matches!(error, QevmError::UnknownPlace { .. }), "{error}");
    }
}
