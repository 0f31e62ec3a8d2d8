//! The devices at the end of a migration stream, and the description that tells their sizes: a description may claim
//! anything about them.
#![no_main]

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::damaged;
use memdeck_image::fuzzing::{devices, migration_stream, migration_stream_head};
use serde_json::{Value, json};

/// Fields and devices that memdeck looks for.
const NAMES: [&str; 20] = [
    "env.regs",
    "env.segs",
    "env.eip",
    "env.efer",
    "env.cr[3]",
    "env.gdt",
    "selector",
    "base",
    "limit",
    "flags",
    "cmos_data",
    "has_vmcoreinfo",
    "vmcoreinfo.guest_format",
    "vmcoreinfo.size",
    "vmcoreinfo.paddr",
    "cpu",
    "vmcoreinfo",
    "mc146818rtc",
    "timer",
    "",
];

static HEAD: LazyLock<Vec<u8>> = LazyLock::new(migration_stream_head);
static DEVICES: LazyLock<Vec<u8>> = LazyLock::new(devices);

#[derive(Arbitrary, Debug)]
struct Device {
    name: u8,
    instance: u32,
    layout: Layout,
    /// Whether the section has as many bytes as the description says.
    is_honest: bool,
    state: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Layout {
    fields: Vec<Field>,
    subsections: Vec<Layout>,
}

#[derive(Arbitrary, Debug)]
struct Field {
    name: u8,
    size: Size,
    array_len: Option<Size>,
    structure: Option<Layout>,
}

#[derive(Arbitrary, Debug)]
enum Size {
    Small(u8),
    Any(u64),
}

impl Size {
    fn bytes(&self) -> u64 {
        match self {
            Self::Small(size) => (size % 33).into(),
            Self::Any(size) => *size,
        }
    }
}

fn name(index: u8) -> &'static str {
    NAMES[usize::from(index) % NAMES.len()]
}

impl Layout {
    fn describe(&self, into: &mut Value) {
        let field = |field: &Field| {
            let mut value = json!({ "name": name(field.name), "size": field.size.bytes() });
            if let Some(count) = &field.array_len {
                value["array_len"] = count.bytes().into();
            }
            if let Some(structure) = &field.structure {
                value["struct"] = json!({});
                structure.describe(&mut value["struct"]);
            }
            value
        };
        let part = |layout: &Layout| {
            let mut value = json!({ "vmsd_name": "cpu/part" });
            layout.describe(&mut value);
            value
        };
        into["fields"] = self.fields.iter().map(field).collect();
        into["subsections"] = self.subsections.iter().map(part).collect();
    }

    fn bytes(&self) -> Option<u64> {
        let fields = self.fields.iter().try_fold(0_u64, |sum, field| {
            let count = field.array_len.as_ref().map_or(1, Size::bytes);
            sum.checked_add(field.size.bytes().checked_mul(count)?)
        })?;
        self.subsections.iter().try_fold(fields, |sum, part| {
            sum.checked_add(6 + "cpu/part".len() as u64)?.checked_add(part.bytes()?)
        })
    }
}

fn tail(devices: &[Device]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut described = Vec::new();
    for (device, id) in devices.iter().zip(1_u32..) {
        let mut state = device.state.clone();
        if device.is_honest
            && let Some(length) = device.layout.bytes().filter(|length| *length < 10_000)
        {
            state.resize(usize::try_from(length).unwrap_or_default(), 0xa5);
        }
        let name = name(device.name);
        bytes.push(4);
        bytes.extend(id.to_be_bytes());
        bytes.push(u8::try_from(name.len()).unwrap_or_default());
        bytes.extend(name.bytes());
        bytes.extend(device.instance.to_be_bytes());
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(state);
        bytes.push(0x7e);
        bytes.extend(id.to_be_bytes());
        let mut value = json!({ "name": name, "instance_id": device.instance });
        device.layout.describe(&mut value);
        described.push(value);
    }
    let json = json!({ "page_size": 4096, "devices": described }).to_string();
    bytes.extend([0, 6]);
    bytes.extend(u32::try_from(json.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(json.bytes());
    bytes
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let tail = match data.arbitrary::<bool>() {
        Ok(true) => match data.arbitrary::<Vec<Device>>() {
            Ok(devices) => tail(&devices),
            Err(_) => return,
        },
        _ => damaged(&mut data, &[&DEVICES]),
    };
    let stream = [HEAD.as_slice(), &tail].concat();
    if let Ok(told) = migration_stream(stream.as_slice()) {
        assert_eq!(told.pages, 1, "the devices hold no pages");
        // What a stream makes memdeck keep is bounded by its length.
        assert!(told.stream.len() <= 100_000 + 100 * tail.len(), "{} bytes told", told.stream.len());
    }
});
