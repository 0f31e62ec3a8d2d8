//! The notes of an ELF core: who wrote which, how many CPUs they describe, and what the guest's kernel says of itself.
//!
//! Layout: System V ABI, "Note Section", with the 4-byte alignment that QEMU uses. Guests write the note `VMCOREINFO`
//! themselves, so nothing about it is certain.

use std::io::{self, Read, Seek, SeekFrom};

use memdeck_model::{ByteCount, NoteFacts, Segment, SegmentKind};

const HEADER_BYTES: u64 = 12;
/// The longest owner that is read; those of real notes have a dozen characters.
const MAX_OWNER_BYTES: u64 = 64;
/// The kernel's note is a page at most.
const MAX_VMCOREINFO_BYTES: u64 = 64 << 10;
/// How many notes are listed: two for each of 500 CPUs.
const MAX_LISTED: usize = 1000;
/// How many notes are looked at; bounds the work on a hostile image.
const MAX_SEEN: u64 = 1 << 20;
const NT_PRSTATUS: u32 = 1;
const QEMU_CPU_STATE: u32 = 0;

#[derive(Default)]
pub(super) struct Notes {
    pub(super) listed: Vec<NoteFacts>,
    pub(super) cpus: u64,
    pub(super) vmcoreinfo: Option<String>,
}

/// Reads the notes of every note segment. A note that cannot be whole ends its segment.
pub(super) fn read_notes(image: &mut (impl Read + Seek), segments: &[Segment]) -> io::Result<Notes> {
    let mut notes = Notes::default();
    let mut seen = 0_u64;
    for segment in segments.iter().filter(|segment| segment.kind == SegmentKind::Note) {
        let mut at = segment.offset_bytes.0;
        let end = at.saturating_add(segment.file_bytes.0);
        while at.saturating_add(HEADER_BYTES) <= end && seen < MAX_SEEN {
            let Some(next) = read_note(image, at, end, &mut notes)? else { break };
            at = next;
            seen = seen.saturating_add(1);
        }
    }
    Ok(notes)
}

/// Reads the note at `at`, and returns where the next one is; `None` if this one is not whole.
fn read_note(
    image: &mut (impl Read + Seek),
    at: u64,
    end: u64,
    notes: &mut Notes,
) -> io::Result<Option<u64>> {
    let mut header = [0; 12];
    image.seek(SeekFrom::Start(at))?;
    match image.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let [n0, n1, n2, n3, d0, d1, d2, d3, t0, t1, t2, t3] = header;
    let owner_bytes = u64::from(u32::from_le_bytes([n0, n1, n2, n3]));
    let content_bytes = u64::from(u32::from_le_bytes([d0, d1, d2, d3]));
    let kind = u32::from_le_bytes([t0, t1, t2, t3]);
    let owner_at = at.saturating_add(HEADER_BYTES);
    let content_at = owner_at.saturating_add(owner_bytes.next_multiple_of(4));
    if content_at.saturating_add(content_bytes) > end {
        return Ok(None);
    }
    let owner = text(image, owner_at, owner_bytes.min(MAX_OWNER_BYTES))?;
    let name = name_of(&owner, kind);
    if name == Some("NT_PRSTATUS") {
        notes.cpus = notes.cpus.saturating_add(1);
    }
    if owner == "VMCOREINFO" && notes.vmcoreinfo.is_none() {
        notes.vmcoreinfo =
            Some(description(&text(image, content_at, content_bytes.min(MAX_VMCOREINFO_BYTES))?));
    }
    if notes.listed.len() < MAX_LISTED {
        notes.listed.push(NoteFacts {
            owner,
            kind,
            name: name.map(Into::into),
            size_bytes: ByteCount(content_bytes),
        });
    }
    Ok(Some(content_at.saturating_add(content_bytes.next_multiple_of(4))))
}

fn name_of(owner: &str, kind: u32) -> Option<&'static str> {
    match (owner, kind) {
        ("CORE", NT_PRSTATUS) => Some("NT_PRSTATUS"),
        ("QEMU", QEMU_CPU_STATE) => Some("QEMU CPU state"),
        ("VMCOREINFO", _) => Some("VMCOREINFO"),
        _ => None,
    }
}

/// The printable ASCII, and the line ends, at the beginning of these bytes.
fn text(image: &mut (impl Read + Seek), at: u64, length: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    image.seek(SeekFrom::Start(at))?;
    image.take(length).read_to_end(&mut bytes)?;
    let printable = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n');
    Ok(bytes.into_iter().take_while(printable).map(char::from).collect())
}

/// The lines of the form `NAME=VALUE` up to the first that is something else: what follows is not the kernel's note.
fn description(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '(' | ')' | '.' | '-');
    let is_line = |line: &&str| {
        line.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name.chars().all(is_name))
    };
    text.lines().take_while(is_line).fold(String::new(), |mut lines, line| {
        lines.push_str(line);
        lines.push('\n');
        lines
    })
}
