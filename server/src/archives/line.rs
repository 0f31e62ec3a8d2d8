//! A line of an archive: a record, and a digest over it and the digest of the line before, so that a line that was changed,
//! removed or put elsewhere is found.

use memdeck_model::Record;
use sha2::{Digest as _, Sha256};

use super::hex;

const BEGIN: &str = "{\"digest\":\"";
const MIDDLE: &str = "\",\"record\":";
const END: &str = "}";
/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;

/// The digest of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineDigest(String);

impl LineDigest {
    /// What the first line has before it.
    pub fn beginning() -> Self {
        Self("0".repeat(DIGITS))
    }

    /// That of a record behind this one.
    fn next(&self, record: &str) -> Self {
        Self(hex(Sha256::new().chain_update(&self.0).chain_update(record)))
    }
}

/// The line of a record behind `before`, with its end, and its digest.
pub fn write(record: &Record, before: &LineDigest) -> Result<(String, LineDigest), serde_json::Error> {
    let json = serde_json::to_string(record)?;
    let digest = before.next(&json);
    Ok((format!("{BEGIN}{}{MIDDLE}{json}{END}\n", digest.0), digest))
}

/// What is read of a line.
pub struct ReadLine {
    /// `None` where it has none that can be read.
    pub record: Option<Record>,
    /// As it says itself, whatever is right: the next line was written behind that.
    pub digest: Option<LineDigest>,
    /// Whether it is as it was written, behind the line that was before it.
    pub is_right: bool,
}

/// Reads a line without its end, which should come behind `before`.
pub fn read(line: &str, before: &LineDigest) -> ReadLine {
    let inner = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    let parts = inner.and_then(|inner| inner.split_once(MIDDLE));
    let Some((digest, json)) = parts.filter(|(digest, _)| digest.len() == DIGITS) else {
        return ReadLine { record: None, digest: None, is_right: false };
    };
    let digest = LineDigest(digest.to_owned());
    let record = serde_json::from_str(json).ok();
    ReadLine { is_right: record.is_some() && before.next(json) == digest, record, digest: Some(digest) }
}
