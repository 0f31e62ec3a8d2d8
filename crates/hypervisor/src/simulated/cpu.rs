//! The state of a processor as QEMU's device `cpu` saves it, and the description that says what lies where.
//!
//! The fields are the first ones of QEMU 7.2, in its order and sizes, as far as memory analysis needs registers.

/// Of the device's layout.
pub(super) const VERSION: u32 = 12;

/// In a kernel's text.
pub(super) const INSTRUCTION_POINTER: u64 = 0xffff_ffff_8100_1000;

const PAGE_TABLE: u64 = 0x0010_0000;

enum Field {
    U16(&'static str, u16),
    U32(&'static str, u32),
    U64(&'static str, u64),
    U64s(&'static str, &'static [u64]),
    FloatingPoint(&'static str),
    Vector(&'static str),
    Segment(&'static str, Segment),
    Segments(&'static str, [Segment; 6]),
}

#[derive(Clone, Copy)]
struct Segment {
    selector: u32,
    base: u64,
    limit: u32,
    flags: u32,
}

const fn segment(selector: u32, base: u64, limit: u32, flags: u32) -> Segment {
    Segment { selector, base, limit, flags }
}

const CODE: Segment = segment(0x10, 0, u32::MAX, 0x00af_9b00);
const DATA: Segment = segment(0x18, 0, u32::MAX, 0x00cf_9300);
const NONE: Segment = segment(0, 0, 0, 0);

/// Of a Linux kernel in 64-bit mode.
const FIELDS: [Field; 31] = [
    // rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15
    Field::U64s("env.regs", &[1, 2, 3, 4, 0xffff_c900_0000_3f00, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
    Field::U64("env.eip", INSTRUCTION_POINTER),
    Field::U64("env.eflags", 0x246),
    Field::U32("env.hflags", 0x0040_c2b0),
    Field::U16("env.fpuc", 0x37f),
    Field::U16("env.fpus_vmstate", 0),
    Field::U16("env.fptag_vmstate", 0),
    Field::U16("env.fpregs_format_vmstate", 0),
    Field::FloatingPoint("env.fpregs"),
    // es, cs, ss, ds, fs, gs
    Field::Segments("env.segs", [NONE, CODE, DATA, NONE, NONE, segment(0, 0xffff_8880_0f80_0000, 0, 0)]),
    Field::Segment("env.ldt", segment(0, 0, 0, 0x8200)),
    Field::Segment("env.tr", segment(0x40, 0xffff_fe00_0000_3000, 0x4087, 0x8900)),
    Field::Segment("env.gdt", segment(0, 0xffff_fe00_0000_1000, 0x7f, 0)),
    Field::Segment("env.idt", segment(0, 0xffff_fe00_0000_0000, 0xfff, 0)),
    Field::U32("env.sysenter_cs", 0x10),
    Field::U64("env.sysenter_esp", 0xffff_fe00_0000_3000),
    Field::U64("env.sysenter_eip", 0xffff_ffff_81a0_17b0),
    Field::U64("env.cr[0]", 0x8005_0033),
    Field::U64("env.cr[2]", 0x0057_94a9),
    Field::U64("env.cr[3]", PAGE_TABLE),
    Field::U64("env.cr[4]", 0x6f0),
    Field::U64s("env.dr", &[0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400]),
    Field::U32("env.a20_mask", u32::MAX),
    Field::U32("env.mxcsr", 0x1f80),
    Field::Vector("env.xmm_regs[0]"),
    Field::U64("env.efer", 0xd01),
    Field::U64("env.star", 0x0023_0010_0000_0000),
    Field::U64("env.lstar", 0xffff_ffff_81a0_0080),
    Field::U64("env.cstar", 0),
    Field::U64("env.fmask", 0x0025_7fd5),
    Field::U64("env.kernelgsbase", 0),
];

/// The bytes of the section.
pub(super) fn state() -> Vec<u8> {
    FIELDS.iter().flat_map(Field::bytes).collect()
}

/// The device in the stream's description.
pub(super) fn description() -> String {
    let fields: Vec<String> = FIELDS.iter().map(Field::description).collect();
    let fields = fields.join(", ");
    format!(
        r#"{{"name": "cpu", "instance_id": 0, "vmsd_name": "cpu", "version": {VERSION}, "fields": [{fields}]}}"#
    )
}

impl Field {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::U16(_, value) => value.to_be_bytes().to_vec(),
            Self::U32(_, value) => value.to_be_bytes().to_vec(),
            Self::U64(_, value) => value.to_be_bytes().to_vec(),
            Self::U64s(_, values) => values.iter().copied().flat_map(u64::to_be_bytes).collect(),
            Self::FloatingPoint(_) => vec![0; 8 * 10],
            Self::Vector(_) => vec![0; 16 * 16],
            Self::Segment(_, segment) => segment.bytes(),
            Self::Segments(_, segments) => segments.iter().flat_map(Segment::bytes).collect(),
        }
    }

    fn description(&self) -> String {
        match self {
            // The one signed field is described as such.
            Self::U32(name @ "env.a20_mask", _) => plain(name, "int32", 4),
            Self::U16(name, _) => plain(name, "uint16", 2),
            Self::U32(name, _) => plain(name, "uint32", 4),
            Self::U64(name, _) => plain(name, "uint64", 8),
            Self::U64s(name, values) => {
                format!(r#"{{"name": "{name}", "array_len": {}, "type": "uint64", "size": 8}}"#, values.len())
            }
            Self::FloatingPoint(name) => {
                let halves = [plain("tmp_mant", "uint64", 8), plain("tmp_exp", "uint16", 2)].join(", ");
                let tmp = format!(
                    r#"{{"name": "tmp", "type": "tmp", {}, "size": 10}}"#,
                    fields("fpreg_tmp", 0, &halves)
                );
                structs(name, Some(8), &fields("fpreg", 0, &tmp), 10)
            }
            Self::Vector(name) => {
                let halves =
                    [plain("_q_ZMMReg[0]", "uint64", 8), plain("_q_ZMMReg[1]", "uint64", 8)].join(", ");
                structs(name, Some(16), &fields("xmm_reg", 1, &halves), 16)
            }
            Self::Segment(name, _) => structs(name, None, &Segment::description(), 20),
            Self::Segments(name, _) => structs(name, Some(6), &Segment::description(), 20),
        }
    }
}

fn plain(name: &str, kind: &str, size: usize) -> String {
    format!(r#"{{"name": "{name}", "type": "{kind}", "size": {size}}}"#)
}

/// What a structure is made of, without its braces.
fn fields(name: &str, version: u32, fields: &str) -> String {
    format!(r#""vmsd_name": "{name}", "version": {version}, "fields": [{fields}]"#)
}

fn structs(name: &str, count: Option<usize>, fields: &str, size: usize) -> String {
    let count = count.map(|count| format!(r#""array_len": {count}, "#)).unwrap_or_default();
    format!(r#"{{"name": "{name}", {count}"type": "struct", "struct": {{{fields}}}, "size": {size}}}"#)
}

impl Segment {
    fn bytes(&self) -> Vec<u8> {
        let selector = self.selector.to_be_bytes();
        let (limit, flags) = (self.limit.to_be_bytes(), self.flags.to_be_bytes());
        [selector.as_slice(), &self.base.to_be_bytes(), &limit, &flags].concat()
    }

    fn description() -> String {
        let parts = [
            plain("selector", "uint32", 4),
            plain("base", "uint64", 8),
            plain("limit", "uint32", 4),
            plain("flags", "uint32", 4),
        ];
        fields("segment", 1, &parts.join(", "))
    }
}
