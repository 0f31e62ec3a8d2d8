//! Which operating system runs in a guest, as its kernel says it of itself somewhere in memory.
//!
//! - Linux: the kernel's banner, `Linux version 6.1.0 (who@where) (compiler) #1 SMP …`.
//! - Windows: the debug record (`RSDS`) of the kernel image, which names its symbol file and that file's identifier:
//!   what analysis tools choose symbols by.
//!
//! It is a hint: any program of the guest may have such text in its memory.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use uuid::Uuid;

/// Longer text is none. A piece of this length from either side of a border is enough to find what straddles it.
pub(crate) const MAX_BANNER_BYTES: usize = 512;
const LINUX: &[u8] = b"Linux version ";
const WINDOWS_KERNEL: &[u8] = b"ntkrnlmp.pdb\0";
/// Signature, identifier, age; the name follows.
const RSDS_BYTES: usize = 4 + 16 + 4;

static FIND_LINUX: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(LINUX));
static FIND_WINDOWS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(WINDOWS_KERNEL));

/// The first banner that lies whole in these bytes.
pub(crate) fn find(bytes: &[u8]) -> Option<String> {
    let linux = FIND_LINUX.find_iter(bytes).find_map(|at| Some((at, linux(bytes.get(at..)?)?)));
    let windows = FIND_WINDOWS.find_iter(bytes).find_map(|at| Some((at, windows(bytes.get(..at)?)?)));
    [linux, windows].into_iter().flatten().min_by_key(|(at, _)| *at).map(|(_, banner)| banner)
}

/// Text that begins here, up to a newline or NUL, if it is what a kernel prints.
fn linux(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.get(..MAX_BANNER_BYTES).unwrap_or(bytes);
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | 0))?;
    let text = str::from_utf8(bytes.get(..end)?).ok()?;
    let (release, rest) = text.get(LINUX.len()..)?.split_once(" (")?;
    let is_release = release.split_once('.').is_some_and(|(major, minor)| {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number(major) && minor.starts_with(|c: char| c.is_ascii_digit()) && !minor.contains(' ')
    });
    let has_build = rest.split_once(") ").is_some_and(|(_, rest)| {
        rest.split('#').skip(1).any(|build| build.starts_with(|c: char| c.is_ascii_digit()))
    });
    let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (is_release && has_build && is_printable).then(|| text.to_owned())
}

/// The debug record before the name of the kernel's symbol file.
fn windows(before: &[u8]) -> Option<String> {
    let record = before.last_chunk::<RSDS_BYTES>()?;
    let (signature, rest) = record.split_first_chunk::<4>()?;
    let (identifier, age) = rest.split_first_chunk::<16>()?;
    let age = u32::from_le_bytes(*age.first_chunk()?);
    let identifier = Uuid::from_bytes_le(*identifier);
    // Every build so far has a small age; more is a coincidence of bytes.
    (signature == b"RSDS" && (1..=64).contains(&age))
        .then(|| format!("Windows kernel, symbols ntkrnlmp.pdb {:X}-{age}", identifier.simple()))
}

/// Finds a banner that straddles the border of two frames.
#[derive(Default)]
pub(crate) struct Border {
    /// The end of the frame before, and the beginning of the next one.
    bytes: Vec<u8>,
}

impl Border {
    /// Takes the next frame, and returns what begins before it and ends in it.
    pub(crate) fn push(&mut self, frame: &[u8]) -> Option<String> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(frame.get(..MAX_BANNER_BYTES).unwrap_or(frame));
        let found = if before == 0 { None } else { find(&self.bytes) };
        let end = frame.len().saturating_sub(MAX_BANNER_BYTES);
        self.bytes.clear();
        self.bytes.extend_from_slice(frame.get(end..).unwrap_or_default());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) \
                          12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1";

    fn in_memory(text: &str) -> Option<String> {
        find(format!("\0\0junk {text}\n\0more").as_bytes())
    }

    #[test]
    fn a_linux_kernel_says_what_it_is() {
        assert_eq!(in_memory(DEBIAN).as_deref(), Some(DEBIAN));
        let with_nul = [b"\xff", DEBIAN.as_bytes(), b"\0"].concat();
        assert_eq!(find(&with_nul).as_deref(), Some(DEBIAN));
    }

    #[test]
    fn what_only_looks_like_it_is_passed_over() {
        let too_long = format!("Linux version 6.1.0 (a@b) ({}) #1 SMP", "x".repeat(500));
        for other in [
            "Linux version %s (%s)",
            "Linux version 6.1.0",
            "Linux version six (a@b) (gcc) #1 SMP",
            "Linux version 6.1.0 (a@b) (gcc) without a build",
            "Linux version 6.1.0 (a@b) (gcc) #1 S\u{7f}P",
            "Linux version 6.1.0 (a@b) (gcc) #1 SMÜ",
            &too_long,
        ] {
            assert_eq!(in_memory(other), None, "{other}");
            assert_eq!(in_memory(&format!("{other}\n{DEBIAN}")).as_deref(), Some(DEBIAN), "{other}");
        }
        let endless = DEBIAN.as_bytes();
        assert_eq!(find(endless), None, "nothing says that it ends here");
    }

    #[test]
    fn a_windows_kernel_is_known_by_its_symbols() {
        let mut memory = b"....RSDS".to_vec();
        memory.extend([0x37, 0xb1, 0xa2, 0x8e, 0x4c, 0x2f, 0x9a, 0x01, 0xb5, 0x7d, 1, 2, 3, 4, 5, 6]);
        memory.extend(1_u32.to_le_bytes());
        memory.extend(WINDOWS_KERNEL);
        let expected = "Windows kernel, symbols ntkrnlmp.pdb 8EA2B1372F4C019AB57D010203040506-1";
        assert_eq!(find(&memory).as_deref(), Some(expected));
        memory[4] = b'X';
        assert_eq!(find(&memory), None);
    }

    #[test]
    fn a_banner_across_a_border_is_found_wherever_the_border_is() {
        let memory = format!("\0\0\0{DEBIAN}\n\0\0\0");
        for at in 1..memory.len() {
            let (first, second) = memory.as_bytes().split_at(at);
            let mut border = Border::default();
            assert_eq!(border.push(first), None);
            let across = border.push(second);
            let found = find(first).or(across).or_else(|| find(second));
            assert_eq!(found.as_deref(), Some(DEBIAN), "border at {at}");
        }
    }
}
