//! What follows the last page: a section for each device, an end mark, and the description of them all.
//!
//! A device's section has no length. The description comes last and fills the stream to its end, so it is looked for
//! from its own length; then the devices are walked with the sizes in it.

use memdeck_model::ByteCount;

use super::QevmError;
use super::description::{Description, Device, Fields};
use super::ram::PAGE_BYTES_U64;
use crate::format::hash::byte_len;

const END_MARK: u8 = 0x00;
const DESCRIPTION: u8 = 0x06;
const SECTION_FULL: u8 = 0x04;
const SECTION_FOOTER: u8 = 0x7e;
/// End mark, kind, and length: what lies between the last device and the JSON.
const DESCRIPTION_HEADER_BYTES: usize = 6;

/// The devices of a stream.
#[derive(Debug)]
pub(super) struct Devices {
    tail: Vec<u8>,
    description: Description,
    /// Where the end mark lies in the tail.
    end: usize,
}

impl Devices {
    /// Looks for the description, and checks that it ends where the stream ends.
    pub(super) fn find(tail: Vec<u8>, received: ByteCount) -> Result<Self, QevmError> {
        let mut trailing = None;
        for end in 0..tail.len() {
            let Some((json, beyond)) = candidate(&tail, end) else { continue };
            // The JSON holds no zero byte, so nothing that lies in it or before it can be taken for it.
            let Ok(description) = serde_json::from_slice::<Description>(json) else { continue };
            if beyond > 0 {
                trailing = Some(ByteCount(beyond));
                continue;
            }
            if description.page_size != PAGE_BYTES_U64 {
                return Err(QevmError::unsupported("a page size other than 4096 bytes"));
            }
            return Ok(Self { tail, description, end });
        }
        Err(trailing.map_or(QevmError::Truncated { received }, |bytes| QevmError::Trailing { bytes }))
    }

    /// Every described device in the order of the stream. From the first whose section is not as described, none
    /// has a state.
    pub(super) fn walk(&self) -> impl Iterator<Item = (&Device, Option<Fields<'_>>)> {
        let mut rest = self.tail.get(..self.end);
        self.description.devices.iter().map(move |device| {
            let section = rest.and_then(|bytes| Section::split(bytes, device.layout.bytes()?));
            let described = section.filter(|(section, _)| {
                section.name == device.name.as_bytes() && section.instance == device.instance_id
            });
            rest = described.as_ref().map(|(_, after)| *after);
            (device, described.map(|(section, _)| Fields::new(&device.layout, section.state)))
        })
    }
}

/// What would be the JSON if the end mark were at `end`, and how many bytes follow it.
fn candidate(tail: &[u8], end: usize) -> Option<(&[u8], u64)> {
    let (header, rest) = tail.get(end..)?.split_at_checked(DESCRIPTION_HEADER_BYTES)?;
    let [END_MARK, DESCRIPTION, length @ ..] = header else { return None };
    let length = u32::from_be_bytes(*length.first_chunk()?);
    let (json, beyond) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    json.starts_with(b"{").then_some((json, byte_len(beyond)))
}

struct Section<'a> {
    name: &'a [u8],
    instance: u32,
    state: &'a [u8],
}

impl<'a> Section<'a> {
    /// The section at the beginning of `bytes` whose state has that many bytes, and what follows it.
    fn split(bytes: &'a [u8], state_bytes: u64) -> Option<(Self, &'a [u8])> {
        let ([kind, id @ .., name_bytes], rest) = bytes.split_first_chunk::<6>()?;
        let (name, rest) = rest.split_at_checked(usize::from(*name_bytes))?;
        let (instance, rest) = rest.split_first_chunk::<4>()?;
        let (_version, rest) = rest.split_first_chunk::<4>()?;
        let (state, rest) = rest.split_at_checked(usize::try_from(state_bytes).ok()?)?;
        let ([footer, footer_id @ ..], rest) = rest.split_first_chunk::<5>()?;
        let is_whole = *kind == SECTION_FULL && *footer == SECTION_FOOTER && id == footer_id;
        let section = Self { name, instance: u32::from_be_bytes(*instance), state };
        is_whole.then_some((section, rest))
    }
}
