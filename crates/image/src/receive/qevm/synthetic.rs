//! Streams of small guests, laid out as QEMU lays them out, for tests.

use serde_json::{Value, json};

use super::PAGE_BYTES;
#[cfg(test)]
use super::RamBlock;

/// What a section `ram` sends of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Zero,
    /// Every word of the page holds this and the word's place.
    Pattern(u32),
}

impl Content {
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Zero => vec![0; PAGE_BYTES],
            Self::Pattern(seed) => (0..512_u32)
                .flat_map(|word| (u64::from(seed) << 32 | u64::from(word)).to_le_bytes())
                .collect(),
        }
    }
}

/// A stream under construction. Its `ram` section has the id 3.
#[derive(Clone, Debug)]
pub(crate) struct StreamBuilder {
    pub(crate) bytes: Vec<u8>,
    last_block: Option<String>,
}

pub(crate) const RAM_ID: u32 = 3;

impl StreamBuilder {
    pub(crate) fn new(machine: &str) -> Self {
        let mut bytes = b"QEVM\0\0\0\x03\x07".to_vec();
        bytes.extend(u32::try_from(machine.len()).unwrap().to_be_bytes());
        bytes.extend(machine.as_bytes());
        Self { bytes, last_block: None }
    }

    /// The section that begins `ram`: the list of blocks.
    pub(crate) fn blocks(mut self, blocks: &[(&str, u64)]) -> Self {
        self = self.raw(&[1]).raw(&RAM_ID.to_be_bytes()).raw(b"\x03ram\0\0\0\0\0\0\0\x04");
        let total: u64 = blocks.iter().map(|(_, length)| length).sum();
        self = self.raw(&(total | 0x04).to_be_bytes());
        for (name, length) in blocks {
            self = self.name(name).raw(&length.to_be_bytes());
        }
        self.end_of_part()
    }

    /// Begins a section with pages: 2 for a part, 3 for the last one.
    pub(crate) fn section(self, kind: u8) -> Self {
        self.raw(&[kind]).raw(&RAM_ID.to_be_bytes())
    }

    /// One page in a section.
    pub(crate) fn page(mut self, block: &str, page: u64, content: Content) -> Self {
        let same = self.last_block.as_deref() == Some(block);
        let flags = if same { 0x20 } else { 0 } | if content == Content::Zero { 0x02 } else { 0x08 };
        self = self.raw(&(page << 12 | flags).to_be_bytes());
        if !same {
            self = self.name(block);
            self.last_block = Some(block.to_owned());
        }
        match content {
            Content::Zero => self.raw(&[0]),
            Content::Pattern(_) => self.raw(&content.bytes()),
        }
    }

    /// Ends a section of `ram`.
    pub(crate) fn end_of_part(self) -> Self {
        self.raw(&0x10_u64.to_be_bytes()).raw(&[0x7e]).raw(&RAM_ID.to_be_bytes())
    }

    /// The devices, the end mark and the description.
    pub(crate) fn devices(mut self, devices: &[Device]) -> Vec<u8> {
        for (id, device) in (10_u32..).zip(devices) {
            self = self.raw(&[4]).raw(&id.to_be_bytes()).name(device.name);
            self = self.raw(&device.instance.to_be_bytes()).raw(&1_u32.to_be_bytes()).raw(&device.state);
            self = self.raw(&[0x7e]).raw(&id.to_be_bytes());
        }
        let described: Vec<Value> = devices.iter().map(Device::description).collect();
        let json = json!({ "page_size": 4096, "devices": described }).to_string();
        let length = u32::try_from(json.len()).unwrap().to_be_bytes();
        self.raw(&[0, 6]).raw(&length).raw(json.as_bytes()).bytes
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    fn name(self, name: &str) -> Self {
        self.raw(&[u8::try_from(name.len()).unwrap()]).raw(name.as_bytes())
    }
}

/// A device under construction: its state, and what the description says of it.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    name: &'static str,
    instance: u32,
    state: Vec<u8>,
    fields: Vec<Value>,
    subsections: Vec<Value>,
}

impl Device {
    pub(crate) fn new(name: &'static str, instance: u32) -> Self {
        Self { name, instance, state: Vec::new(), fields: Vec::new(), subsections: Vec::new() }
    }

    pub(crate) fn field(mut self, name: &str, state: &[u8]) -> Self {
        self.fields.push(json!({ "name": name, "type": "uint", "size": state.len() }));
        self.state.extend(state);
        self
    }

    pub(crate) fn array(mut self, name: &str, elements: &[u64]) -> Self {
        self.fields.push(json!({ "name": name, "array_len": elements.len(), "type": "uint64", "size": 8 }));
        self.state.extend(elements.iter().flat_map(|element| element.to_be_bytes()));
        self
    }

    /// Segment registers as (selector, base, limit, flags).
    fn segments(mut self, name: &str, segments: &[(u32, u64, u32, u32)]) -> Self {
        let part = |name, size| json!({ "name": name, "type": "uint", "size": size });
        let parts = [part("selector", 4), part("base", 8), part("limit", 4), part("flags", 4)];
        let mut field = json!({ "name": name, "type": "struct", "size": 20, "struct": {
            "vmsd_name": "segment", "version": 1, "fields": parts,
        }});
        if segments.len() > 1 {
            field["array_len"] = segments.len().into();
        }
        self.fields.push(field);
        for (selector, base, limit, flags) in segments {
            self.state.extend(selector.to_be_bytes());
            self.state.extend(base.to_be_bytes());
            self.state.extend(limit.to_be_bytes());
            self.state.extend(flags.to_be_bytes());
        }
        self
    }

    pub(crate) fn subsection(mut self, name: &str, field: &str, state: &[u8]) -> Self {
        self.state.push(5);
        self.state.push(u8::try_from(name.len()).unwrap());
        self.state.extend(name.as_bytes());
        self.state.extend(1_u32.to_be_bytes());
        self.state.extend(state);
        self.subsections.push(json!({ "vmsd_name": name, "version": 1, "fields": [
            { "name": field, "type": "uint64", "size": state.len() },
        ]}));
        self
    }

    fn description(&self) -> Value {
        let mut value = json!({
            "name": self.name, "instance_id": self.instance, "vmsd_name": self.name, "version": 1,
            "fields": self.fields,
        });
        if !self.subsections.is_empty() {
            value["subsections"] = self.subsections.clone().into();
        }
        value
    }
}

/// A CPU in long mode whose registers all differ: rax is 0x1000 × (instance + 1), rcx one more, ...
pub(crate) fn cpu(instance: u32) -> Device {
    let base = u64::from(instance + 1) * 0x1000;
    let general: Vec<u64> = (0..16).map(|register| base + register).collect();
    let low = (instance + 1) * 0x1000;
    let segment =
        |place: u32| (low + 0x100 + place, base + 0x200 + u64::from(place), low + 0x300 + place, place);
    Device::new("cpu", instance)
        .array("env.regs", &general)
        .field("env.eip", &(base + 0x10).to_be_bytes())
        .field("env.eflags", &(base + 0x11).to_be_bytes())
        .field("env.hflags", &[0xff; 4])
        .segments("env.segs", &[0, 1, 2, 3, 4, 5].map(segment))
        .segments("env.ldt", &[segment(6)])
        .segments("env.tr", &[segment(7)])
        .segments("env.gdt", &[segment(8)])
        .segments("env.idt", &[segment(9)])
        .field("env.cr[0]", &(base + 0x20).to_be_bytes())
        .field("env.cr[2]", &(base + 0x22).to_be_bytes())
        .field("env.cr[3]", &(base + 0x23).to_be_bytes())
        .field("env.cr[4]", &(base + 0x24).to_be_bytes())
        .field("env.efer", &0xd01_u64.to_be_bytes())
        .field("env.kernelgsbase", &(base + 0x30).to_be_bytes())
        .subsection("cpu/poll_control_msr", "env.poll_control_msr", &[0xee; 8])
}

/// Where the guest says that its note is.
pub(crate) fn vmcoreinfo(address: u64, bytes: u32) -> Device {
    Device::new("vmcoreinfo", 0)
        .field("has_vmcoreinfo", &[1])
        .field("vmcoreinfo.host_format", &1_u16.to_be_bytes())
        .field("vmcoreinfo.guest_format", &1_u16.to_be_bytes())
        .field("vmcoreinfo.size", &bytes.to_be_bytes())
        .field("vmcoreinfo.paddr", &address.to_be_bytes())
}

/// The clock, whose memory shows how RAM is split: 64 KiB units, from 16 MiB on below 4 GiB.
pub(crate) fn clock(below: u16, above: u32) -> Device {
    let mut memory = [0; 128];
    memory[0x34..0x36].copy_from_slice(&below.to_le_bytes());
    memory[0x5b..0x5e].copy_from_slice(&above.to_le_bytes()[..3]);
    Device::new("mc146818rtc", 0).field("cmos_data", &memory)
}

/// A guest of one page of RAM, a page of firmware and a ROM, with one CPU: every kind of section, and short.
pub(crate) fn tiny() -> Vec<u8> {
    StreamBuilder::new("pc-q35-7.2")
        .blocks(&[("pc.ram", 0x1000), ("/rom@etc/acpi/rsdp", 0x1000), ("pc.bios", 0x1000)])
        .section(2)
        .page("pc.ram", 0, Content::Zero)
        .end_of_part()
        .section(3)
        .page("pc.ram", 0, Content::Pattern(1))
        .page("/rom@etc/acpi/rsdp", 0, Content::Zero)
        .page("pc.bios", 0, Content::Zero)
        .end_of_part()
        .devices(&[Device::new("timer", 0).field("unused", &[0; 24]), cpu(0)])
}

/// A block as the parser reports it.
#[cfg(test)]
pub(crate) fn block(name: &str, length: u64) -> RamBlock {
    RamBlock { name: name.to_owned(), length }
}
