//! The sections of a stream, up to the devices at its end.
//!
//! ```text
//! magic, version, configuration ──► ram start ──► ram part ... ──► ram end ──► devices, end mark, description
//! ```
//!
//! See `migration/savevm.c` in QEMU. A section of a device has no length; only the description at the very end, JSON,
//! contains how long its fields are. So everything after the last page is kept and looked at as a whole.

use std::io::Read;

use memdeck_model::ByteCount;

use super::QevmError;
use super::ram::{PageSink, Ram};
use super::source::Source;

const MAGIC: [u8; 4] = *b"QEVM";
const VERSION: u32 = 3;
const SECTION_START: u8 = 0x01;
const SECTION_PART: u8 = 0x02;
const SECTION_END: u8 = 0x03;
const SECTION_FULL: u8 = 0x04;
const SUBSECTION: u8 = 0x05;
const CONFIGURATION: u8 = 0x07;
const COMMAND: u8 = 0x08;
const SECTION_FOOTER: u8 = 0x7e;
const RAM_VERSION: u32 = 4;
/// A page of an x86 guest has 2^12 bytes.
const PAGE_BITS: u32 = 12;
const MAX_MACHINE_NAME_BYTES: u32 = 255;
/// Devices of a large guest come to a few MiB; a graphics card with its surfaces to some tens.
const MAX_DEVICES_BYTES: u64 = 64 << 20;

/// What a stream holds besides its pages.
pub(super) struct Parsed {
    pub(super) machine: String,
    /// Everything after the last page: devices, end mark, description.
    pub(super) tail: Vec<u8>,
    /// Pages may have travelled beside this stream.
    pub(super) is_multifd: bool,
}

/// Reads a stream to its end and passes its pages to `sink`.
pub(super) fn parse<R: Read>(source: &mut Source<R>, sink: &mut impl PageSink) -> Result<Parsed, QevmError> {
    header(source)?;
    let machine = configuration(source)?;
    let mut ram = Ram::default();
    let mut ram_section = None;
    loop {
        let at = source.taken();
        match source.u8()? {
            SECTION_START if ram_section.is_none() => {
                let id = start(source)?;
                ram_section = Some(id);
                ram.section(source, &machine, sink)?;
                footer(source, id)?;
            }
            kind @ (SECTION_PART | SECTION_END) => {
                let id = source.be_u32()?;
                if ram_section != Some(id) {
                    return Err(malformed(format!("a part of the unknown section {id}"), at));
                }
                ram.section(source, &machine, sink)?;
                footer(source, id)?;
                if kind == SECTION_END {
                    break;
                }
            }
            COMMAND => command(source)?,
            SECTION_START | SECTION_FULL => {
                let _id = source.be_u32()?;
                let name = source.name()?;
                return Err(QevmError::unsupported(format!("the section {name} among the memory")));
            }
            other => return Err(malformed(format!("a section of the unknown kind {other:#04x}"), at)),
        }
    }
    let tail = source.rest(MAX_DEVICES_BYTES)?;
    let too_long =
        || QevmError::unsupported(format!("more than {} of devices", ByteCount(MAX_DEVICES_BYTES)));
    Ok(Parsed { machine, tail: tail.ok_or_else(too_long)?, is_multifd: ram.is_multifd() })
}

fn header<R: Read>(source: &mut Source<R>) -> Result<(), QevmError> {
    let magic = source.take(8)?;
    if !magic.starts_with(&MAGIC) {
        return Err(QevmError::NotQevm { found: magic.to_vec() });
    }
    let version = magic.get(4..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_be_bytes);
    if version == VERSION { Ok(()) } else { Err(QevmError::Version(version)) }
}

/// The name of the machine, and what may follow it.
fn configuration<R: Read>(source: &mut Source<R>) -> Result<String, QevmError> {
    let at = source.taken();
    if source.u8()? != CONFIGURATION {
        return Err(QevmError::unsupported("a machine that sends no configuration section"));
    }
    let length = source.be_u32()?;
    if length > MAX_MACHINE_NAME_BYTES {
        return Err(malformed("a machine name that is too long".to_owned(), at));
    }
    let machine = source.text(usize::try_from(length).unwrap_or(usize::MAX))?;
    while source.peek_u8()? == SUBSECTION {
        source.u8()?;
        let name = source.name()?;
        let _version = source.be_u32()?;
        if name != "configuration/target-page-bits" {
            return Err(QevmError::unsupported(format!("the section {name}")));
        }
        if source.be_u32()? != PAGE_BITS {
            return Err(QevmError::unsupported("a page size other than 4096 bytes"));
        }
    }
    Ok(machine)
}

/// Reads the header of the section `ram`; returns its id.
fn start<R: Read>(source: &mut Source<R>) -> Result<u32, QevmError> {
    let id = source.be_u32()?;
    let name = source.name()?;
    let _instance = source.be_u32()?;
    let version = source.be_u32()?;
    if name != "ram" {
        return Err(QevmError::unsupported(format!("the section {name} among the memory")));
    }
    if version == RAM_VERSION {
        Ok(id)
    } else {
        Err(QevmError::unsupported(format!("version {version} of the section ram")))
    }
}

fn footer<R: Read>(source: &mut Source<R>, id: u32) -> Result<(), QevmError> {
    let at = source.taken();
    if source.u8()? == SECTION_FOOTER && source.be_u32()? == id {
        Ok(())
    } else {
        Err(malformed(format!("no footer of section {id}"), at))
    }
}

/// A command to the receiver: only those that ask nothing of it.
fn command<R: Read>(source: &mut Source<R>) -> Result<(), QevmError> {
    const OPEN_RETURN_PATH: u16 = 1;
    const PING: u16 = 2;
    const SWITCHOVER_START: u16 = 11;
    let at = source.taken();
    let (command, length) = (source.be_u16()?, source.be_u16()?);
    match (command, length) {
        (OPEN_RETURN_PATH | SWITCHOVER_START, 0) => Ok(()),
        (PING, 4) => source.be_u32().map(|_| ()),
        (OPEN_RETURN_PATH | PING | SWITCHOVER_START, _) => {
            Err(malformed(format!("command {command} with {length} bytes"), at))
        }
        _ => Err(QevmError::unsupported(format!("the migration command {command}"))),
    }
}

fn malformed(what: String, at: ByteCount) -> QevmError {
    QevmError::Malformed { what, at }
}
