//! The digests of the frames, beside an image.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memdeck_model::{Companion, Finding, FrameSpan, with_causes};

use super::MAX_LISTED_FRAMES;
use crate::format::companions::{DIGESTS_SUFFIX, companion};
use crate::format::digests::{DIGEST_BYTES, DIGEST_BYTES_U64, Root};
use crate::format::regular::open_regular;

/// What is known of them in the end.
pub(super) struct Checked {
    pub(super) path: PathBuf,
    /// What the file alone shows; the manifest may know better.
    pub(super) state: Companion,
    /// BLAKE3 hash of the file, if there is one.
    pub(super) file_root: Option<String>,
    /// The root over the digests of the frames as they are, if all were read.
    pub(super) image_root: Option<String>,
    pub(super) findings: Vec<Finding>,
}

/// Compares digests with frames that come in order.
pub(super) struct Check {
    path: PathBuf,
    recorded: io::Result<BufReader<File>>,
    file_root: Root,
    image_root: Option<Root>,
    different: u64,
    findings: Vec<Finding>,
}

impl Check {
    pub(super) fn open(image: &Path) -> Self {
        let path = companion(image, DIGESTS_SUFFIX);
        let recorded = open_regular(&path).map(BufReader::new);
        Self {
            recorded,
            path,
            file_root: Root::default(),
            image_root: Some(Root::default()),
            different: 0,
            findings: Vec::new(),
        }
    }

    /// Takes the next frame; `None` if it is damaged.
    pub(super) fn push(&mut self, span: &FrameSpan, digest: Option<&blake3::Hash>) {
        match (&mut self.image_root, digest) {
            (Some(root), Some(digest)) => root.push(digest),
            _ => self.image_root = None,
        }
        let Ok(file) = &mut self.recorded else { return };
        let mut recorded = [0; DIGEST_BYTES];
        if let Err(error) = file.read_exact(&mut recorded) {
            let reason = match error.kind() {
                io::ErrorKind::UnexpectedEof => format!("it ends before the digest of frame {}", span.frame),
                _ => with_causes(&error),
            };
            self.unusable(reason);
            return;
        }
        let recorded = blake3::Hash::from_bytes(recorded);
        self.file_root.push(&recorded);
        if digest.is_some_and(|digest| *digest != recorded) {
            self.different += 1;
            if self.different <= MAX_LISTED_FRAMES {
                self.findings.push(Finding::FrameDigest { span: span.clone() });
            }
        }
    }

    fn unusable(&mut self, reason: String) {
        self.findings.push(Finding::DigestsUnusable { path: self.path.clone(), reason: reason.clone() });
        self.recorded = Err(io::Error::other(reason));
    }

    /// What the file holds after the last frame is too much.
    pub(super) fn finish(mut self) -> Checked {
        let mut file_root = None;
        match &mut self.recorded {
            Ok(file) => {
                let mut rest = [0];
                match file.read(&mut rest) {
                    Ok(0) => file_root = Some(self.file_root.finish().to_hex().to_string()),
                    Ok(_) => self.unusable("it goes on after the digest of the last frame".to_owned()),
                    Err(error) => {
                        let reason = with_causes(&error);
                        self.unusable(reason);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound || !self.findings.is_empty() => {}
            Err(error) => {
                let reason = with_causes(error);
                self.unusable(reason);
            }
        }
        if let Some(frames @ 1..) = self.different.checked_sub(MAX_LISTED_FRAMES) {
            self.findings.push(Finding::FurtherFrameDigests { frames });
        }
        let is_missing = matches!(&self.recorded, Err(error) if error.kind() == io::ErrorKind::NotFound);
        Checked {
            path: self.path,
            state: if is_missing { Companion::None } else { Companion::Intact },
            file_root,
            image_root: self.image_root.map(|root| root.finish().to_hex().to_string()),
            findings: self.findings,
        }
    }
}

/// Digests that are asked for by the number of the frame.
pub(super) struct Lookup {
    file: Option<File>,
    checked: Checked,
}

impl Lookup {
    /// Reads the file once, for its root, where it has a digest for each of so many frames. Without a number of frames
    /// any will do.
    pub(super) fn open(image: &Path, frames: Option<u64>) -> Self {
        let path = companion(image, DIGESTS_SUFFIX);
        let mut checked = Checked {
            path,
            state: Companion::Intact,
            file_root: None,
            image_root: None,
            findings: Vec::new(),
        };
        let file = match read_root(&checked.path, frames) {
            Ok((file, root)) => {
                checked.file_root = Some(root);
                Some(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                checked.state = Companion::None;
                None
            }
            Err(error) => {
                let (path, reason) = (checked.path.clone(), with_causes(&error));
                checked.findings.push(Finding::DigestsUnusable { path, reason });
                None
            }
        };
        Self { file, checked }
    }

    /// Compares a frame's digest; `false` if there is none to compare with.
    pub(super) fn compare(&mut self, span: &FrameSpan, digest: &blake3::Hash) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let mut recorded = [0; DIGEST_BYTES];
        file.read_exact_at(&mut recorded, span.frame.saturating_mul(DIGEST_BYTES_U64))?;
        if blake3::Hash::from_bytes(recorded) != *digest {
            self.checked.findings.push(Finding::FrameDigest { span: span.clone() });
        }
        Ok(true)
    }

    pub(super) fn finish(self) -> Checked {
        self.checked
    }
}

fn read_root(path: &Path, frames: Option<u64>) -> io::Result<(File, String)> {
    let mut file = open_regular(path)?;
    let found = file.metadata()?.len();
    if let Some(frames) = frames.filter(|frames| frames.checked_mul(DIGEST_BYTES_U64) != Some(found)) {
        let reason = format!("it has {found} bytes, which is not {DIGEST_BYTES} for each of {frames} frames");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let mut root = blake3::Hasher::new();
    io::copy(&mut file, &mut root)?;
    Ok((file, root.finalize().to_hex().to_string()))
}
