//! The description at the end of a stream: JSON that names every device's fields in order, with their sizes.
//!
//! See `migration/vmstate.c` in QEMU. An array whose elements are alike is described once, with `array_len`.

use serde::Deserialize;

use crate::format::hash::byte_len;

#[derive(Debug, Deserialize)]
pub(super) struct Description {
    pub(super) page_size: u64,
    pub(super) devices: Vec<Device>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) instance_id: u32,
    #[serde(flatten)]
    pub(super) layout: Layout,
}

/// What a device or a structure consists of, in the order of the stream.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Layout {
    #[serde(default)]
    fields: Vec<Field>,
    /// Parts that are only there when needed, each with a name of its own in the stream.
    #[serde(default)]
    subsections: Vec<Subsection>,
}

#[derive(Debug, Deserialize)]
struct Field {
    name: String,
    size: u64,
    #[serde(default)]
    array_len: Option<u64>,
    #[serde(default, rename = "struct")]
    structure: Option<Layout>,
}

#[derive(Debug, Deserialize)]
struct Subsection {
    vmsd_name: String,
    #[serde(flatten)]
    layout: Layout,
}

impl Field {
    /// All of its bytes.
    fn bytes(&self) -> Option<u64> {
        self.size.checked_mul(self.array_len.unwrap_or(1))
    }
}

impl Layout {
    /// All of its bytes; `None` if the sum is not a number of this world.
    pub(super) fn bytes(&self) -> Option<u64> {
        let fields = self.fields.iter().try_fold(0_u64, |sum, field| sum.checked_add(field.bytes()?))?;
        self.subsections.iter().try_fold(fields, |sum, part| {
            // Its mark, the length of its name, the name, its version.
            let header = byte_len(part.vmsd_name.as_bytes()).checked_add(1 + 1 + 4)?;
            sum.checked_add(header)?.checked_add(part.layout.bytes()?)
        })
    }
}

/// A device or a structure in it: its description, and its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    layout: &'a Layout,
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(layout: &'a Layout, bytes: &'a [u8]) -> Self {
        Self { layout, bytes }
    }

    /// A number; `None` if there is no such field, or it is no number.
    pub(super) fn number(self, name: &str) -> Option<u64> {
        self.element(name, 0)
    }

    /// A number in an array.
    pub(super) fn element(self, name: &str, index: u64) -> Option<u64> {
        let (_, bytes) = self.find(name, index)?;
        if !matches!(bytes.len(), 1 | 2 | 4 | 8) {
            return None;
        }
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The bytes of a field that is not an array of several.
    pub(super) fn bytes(self, name: &str) -> Option<&'a [u8]> {
        self.find(name, 0).map(|(_, bytes)| bytes)
    }

    /// A structure, alone or in an array.
    pub(super) fn structure(self, name: &str, index: u64) -> Option<Self> {
        let (field, bytes) = self.find(name, index)?;
        Some(Self { layout: field.structure.as_ref()?, bytes })
    }

    /// The field and the bytes of its element.
    fn find(self, name: &str, index: u64) -> Option<(&'a Field, &'a [u8])> {
        let mut at = 0_u64;
        for field in &self.layout.fields {
            if field.name == name {
                if index >= field.array_len.unwrap_or(1) {
                    return None;
                }
                let start = at.checked_add(field.size.checked_mul(index)?)?;
                let range =
                    usize::try_from(start).ok()?..usize::try_from(start.checked_add(field.size)?).ok()?;
                return Some((field, self.bytes.get(range)?));
            }
            at = at.checked_add(field.bytes()?)?;
        }
        None
    }
}
