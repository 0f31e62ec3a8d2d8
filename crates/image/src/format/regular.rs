//! Opens files that somebody else may have put there: what is no regular file would keep the reader waiting, or never end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file for reading. Anything else is [`io::ErrorKind::InvalidInput`].
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let is_regular = |metadata: std::fs::Metadata| {
        let refused = || io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
        metadata.is_file().then_some(()).ok_or_else(refused)
    };
    // Asked before opening, which a device may take for more than a look, and again of what was opened.
    is_regular(path.metadata()?)?;
    let without_waiting = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?;
    is_regular(file.metadata()?)?;
    Ok(file)
}
