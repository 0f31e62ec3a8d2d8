//! Reads an archive, wherever its files are, and says what is not as it was written.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use memdeck_model::archive::{Archive, ArchiveFile};
use memdeck_model::{Record, SignatureCheck};
use memdeck_signing::{KnownKeys, SIGNATURE_BYTES};
use sha2::{Digest as _, Sha256};

use super::line::{self, LineDigest};
use super::{CSV, DESCRIPTION, JSONL, SIGNATURE, hex};

/// No record comes near.
const LONGEST_LINE: u64 = 1 << 20;
const LONGEST_DESCRIPTION: u64 = 1 << 20;
/// More lines than this are not named one by one.
const MOST_NAMED: usize = 100;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveFinding {
    /// There is no description, or none that can be read.
    Description { path: PathBuf, why: String },
    /// A line, the first of which is 1, is not the one that was written there.
    Line { line: u64, has_record: bool },
    /// More lines are wrong than are named.
    MoreLines,
    /// There are fewer or more lines than records were archived.
    Count { said: u64, found: u64 },
    /// A file is another than is described.
    File { path: PathBuf },
    /// A file cannot be read.
    Unreadable { path: PathBuf, why: String },
    /// The description is not signed as it says.
    Signature(SignatureCheck),
}

impl fmt::Display for ArchiveFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Description { path, why } => write!(f, "{} describes nothing: {why}", path.display()),
            Self::Line { line, has_record: true } => {
                write!(f, "line {line} was changed, or is not behind the line that it was written behind")
            }
            Self::Line { line, has_record: false } => write!(f, "line {line} is no record"),
            Self::MoreLines => f.write_str("and more lines"),
            Self::Count { said, found } if found < said => {
                write!(f, "it ends after line {found}: {said} records were archived")
            }
            Self::Count { said, found } => write!(f, "it has {found} lines: {said} records were archived"),
            Self::File { path } => write!(f, "{} is not the file that is described", path.display()),
            Self::Unreadable { path, why } => write!(f, "{} cannot be read: {why}", path.display()),
            Self::Signature(check) => write!(f, "the signature of the description: {check}"),
        }
    }
}

/// An archive as its files are now.
#[derive(Clone, Debug)]
pub struct ReadArchive {
    /// What it says of itself.
    pub archive: Option<Archive>,
    pub signature: SignatureCheck,
    /// How many lines it has.
    pub count: u64,
    /// What can be read, in the order of the file.
    pub records: Vec<Record>,
    pub findings: Vec<ArchiveFinding>,
}

impl ReadArchive {
    /// Whether everything is as it was written.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Reads the archive with this file of records. The other files are looked for beside it.
///
/// # Errors
/// The file of records cannot be read.
pub fn read(path: &Path, keys: &KnownKeys) -> io::Result<ReadArchive> {
    let lines = Lines::read(BufReader::new(Hashing::new(File::open(path)?)))?;
    let Lines { records, count, mut findings, sha256, size } = lines;
    let (archive, signature) = match description(path, keys) {
        Ok((archive, signature)) => (Some(archive), signature),
        Err(finding) => {
            findings.push(finding);
            (None, SignatureCheck::NotChecked)
        }
    };
    if let Some(archive) = &archive {
        if count != archive.records {
            findings.push(ArchiveFinding::Count { said: archive.records, found: count });
        }
        // A line that is wrong has been named.
        let is_named = findings.iter().any(|finding| !matches!(finding, ArchiveFinding::Count { .. }));
        if !is_named && (sha256, size) != (archive.jsonl.sha256.clone(), archive.jsonl.size_bytes.0) {
            findings.push(ArchiveFinding::File { path: path.to_owned() });
        }
        findings.extend(csv(path, &archive.csv));
        if keys.is_doubtful(&signature) {
            findings.push(ArchiveFinding::Signature(signature.clone()));
        }
    }
    Ok(ReadArchive { archive, signature, count, records, findings })
}

/// The file beside the file of records.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.strip_suffix(JSONL).unwrap_or(&name);
    path.with_file_name(format!("{stem}{suffix}"))
}

fn description(path: &Path, keys: &KnownKeys) -> Result<(Archive, SignatureCheck), ArchiveFinding> {
    let path_of = beside(path, DESCRIPTION);
    let useless = |why: String| ArchiveFinding::Description { path: path_of.clone(), why };
    let json = bounded(&path_of, LONGEST_DESCRIPTION).map_err(|error| useless(error.to_string()))?;
    let archive: Archive = serde_json::from_slice(&json).map_err(|error| useless(error.to_string()))?;
    if archive.archive_format > Archive::FORMAT {
        return Err(useless("a newer version of memdeck wrote it".to_owned()));
    }
    let key = archive.signed_by.clone();
    let longest = u64::try_from(SIGNATURE_BYTES).unwrap_or(u64::MAX);
    let signature = match bounded(&beside(path, SIGNATURE), longest) {
        Ok(signature) => signature,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((archive, SignatureCheck::Missing { key }));
        }
        Err(_) => return Ok((archive, SignatureCheck::Wrong)),
    };
    let named: Vec<_> = keys.named(&key).collect();
    let check = if named.is_empty() {
        SignatureCheck::UnknownKey { key }
    } else if named.iter().any(|key| key.verifies(&json, &signature)) {
        SignatureCheck::Valid { key }
    } else {
        SignatureCheck::Wrong
    };
    Ok((archive, check))
}

/// A small file; one that is longer is none of ours.
fn bounded(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > longest {
        return Err(io::Error::other("it is too long"));
    }
    Ok(bytes)
}

/// What is wrong with the spreadsheet beside the file of records.
fn csv(path: &Path, described: &ArchiveFile) -> Option<ArchiveFinding> {
    let path = beside(path, CSV);
    let mut file = Hashing::new(match File::open(&path) {
        Ok(file) => file,
        Err(error) => return Some(ArchiveFinding::Unreadable { path, why: error.to_string() }),
    });
    if let Err(error) = io::copy(&mut file, &mut io::sink()) {
        return Some(ArchiveFinding::Unreadable { path, why: error.to_string() });
    }
    let (sha256, size) = file.end();
    ((sha256, size) != (described.sha256.clone(), described.size_bytes.0))
        .then_some(ArchiveFinding::File { path })
}

/// Hashes what is read.
struct Hashing {
    file: File,
    hash: Sha256,
    size: u64,
}

impl Hashing {
    fn new(file: File) -> Self {
        Self { file, hash: Sha256::new(), size: 0 }
    }

    fn end(self) -> (String, u64) {
        (hex(self.hash), self.size)
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size = self.size.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

/// The lines of a file of records.
struct Lines {
    records: Vec<Record>,
    count: u64,
    findings: Vec<ArchiveFinding>,
    sha256: String,
    size: u64,
}

impl Lines {
    fn read(mut file: BufReader<Hashing>) -> io::Result<Self> {
        let (mut records, mut count, mut wrong) = (Vec::new(), 0_u64, Vec::new());
        let mut before = LineDigest::beginning();
        loop {
            let mut bytes = Vec::new();
            if file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            count += 1;
            // The last line, too, has an end: one without was cut off.
            let is_whole = bytes.pop_if(|byte| *byte == b'\n').is_some();
            let read = line::read(&String::from_utf8_lossy(&bytes), &before);
            let has_record = read.record.is_some();
            if !(read.is_right && is_whole) {
                wrong.push(ArchiveFinding::Line { line: count, has_record });
            }
            records.extend(read.record);
            before = read.digest.unwrap_or(before);
        }
        if wrong.len() > MOST_NAMED {
            wrong.truncate(MOST_NAMED);
            wrong.push(ArchiveFinding::MoreLines);
        }
        let (sha256, size) = file.into_inner().end();
        Ok(Self { records, count, findings: wrong, sha256, size })
    }
}
