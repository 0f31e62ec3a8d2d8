//! Writes an archive: nothing has its name before all of it is durable, and nothing is believed before it was read back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use memdeck_model::archive::{Archive, ArchiveFile};
use memdeck_model::{ByteCount, Problem, ProblemKind, Record, Timestamp};
use memdeck_operations::{ArchiveWriter, NewArchive};
use memdeck_signing::{KnownKeys, SigningKey};
use rustix::fs::{Advice, fadvise};
use sha2::{Digest as _, Sha256};

use super::line::{self, LineDigest};
use super::{CSV, DESCRIPTION, JSONL, PARTIAL, SIGNATURE, hex, read, unwritable};
use crate::http::records_csv;

/// A file on its way, which is counted and hashed.
struct Partial {
    /// What it is called once it is whole.
    path: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
    size: u64,
    is_named: bool,
}

impl Partial {
    fn create(dir: &Path, name: &str, suffix: &str) -> Result<Self, Problem> {
        let path = dir.join(format!("{name}{suffix}"));
        if path.symlink_metadata().is_ok() {
            return Err(unwritable(&path, &io::ErrorKind::AlreadyExists.into()));
        }
        let mut options = OpenOptions::new();
        let created = options.write(true).create_new(true).mode(0o600).open(partial(&path));
        let file = created.map_err(|error| unwritable(&partial(&path), &error))?;
        Ok(Self { path, out: BufWriter::new(file), hash: Sha256::new(), size: 0, is_named: false })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.out.write_all(bytes).map_err(|error| unwritable(&self.path, &error))?;
        self.hash.update(bytes);
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Makes it durable, so that whoever reads it next reads what is on disk.
    fn sync(&mut self) -> Result<ArchiveFile, Problem> {
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        synced.map_err(|error| unwritable(&self.path, &error))?;
        // Only advice: what is not followed is read out of memory.
        let _ = fadvise(self.out.get_ref(), 0, None, Advice::DontNeed);
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let sha256 = hex(self.hash.clone());
        Ok(ArchiveFile { name, size_bytes: ByteCount(self.size), sha256 })
    }

    /// Gives it its name.
    fn name(&mut self) -> Result<(), Problem> {
        let named = fs::rename(partial(&self.path), &self.path);
        named.map_err(|error| unwritable(&self.path, &error))?;
        self.is_named = true;
        Ok(())
    }

    /// Takes its name from it again: it is part of no archive.
    fn discard(&mut self) {
        if std::mem::take(&mut self.is_named) {
            // What is left is an archive of records that are still there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Its name says what it is; the next archive removes it.
        let _ = fs::remove_file(partial(&self.path));
    }
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PARTIAL);
    PathBuf::from(name)
}

/// The files of an archive on their way.
pub struct Writer {
    dir: PathBuf,
    new: NewArchive,
    key: SigningKey,
    jsonl: Partial,
    csv: Partial,
    digest: LineDigest,
    records: u64,
    /// When the oldest and the newest dump began.
    between: Option<(Timestamp, Timestamp)>,
}

impl Writer {
    pub fn begin(dir: &Path, new: NewArchive, key: SigningKey) -> Result<Self, Problem> {
        let mut csv = Partial::create(dir, &new.name, CSV)?;
        csv.write(&records_csv::head().map_err(|error| unusable(&error))?)?;
        Ok(Self {
            dir: dir.to_owned(),
            jsonl: Partial::create(dir, &new.name, JSONL)?,
            csv,
            new,
            key,
            digest: LineDigest::beginning(),
            records: 0,
            between: None,
        })
    }

    /// What is signed.
    fn description(&self, jsonl: ArchiveFile, csv: ArchiveFile) -> Archive {
        let NewArchive { name, made_at, made_by, choice } = self.new.clone();
        let (first, last) = self.between.unwrap_or((made_at, made_at));
        Archive {
            archive_format: Archive::FORMAT,
            name,
            made_at,
            made_by,
            memdeck_version: env!("CARGO_PKG_VERSION").to_owned(),
            choice,
            records: self.records,
            first,
            last,
            jsonl,
            csv,
            signed_by: self.key.public().id(),
        }
    }

    fn read_back(&self, archive: &Archive) -> Result<(), Problem> {
        let path = self.dir.join(&archive.jsonl.name);
        let keys = KnownKeys::demanded(vec![*self.key.public()]);
        let found = read::read(&path, &keys).map_err(|error| unwritable(&path, &error))?;
        if found.is_intact() && found.count == archive.records && found.archive.as_ref() == Some(archive) {
            return Ok(());
        }
        let findings: Vec<_> = found.findings.iter().map(ToString::to_string).collect();
        let detail = format!(
            "{} was written, and what was read back is another: {}; the volume cannot be trusted",
            path.display(),
            findings.join("; ")
        );
        Err(Problem::new(ProblemKind::Internal, detail))
    }
}

impl ArchiveWriter for Writer {
    fn add(&mut self, record: &Record) -> Result<(), Problem> {
        let (line, digest) = line::write(record, &self.digest).map_err(|error| unusable(&error))?;
        self.jsonl.write(line.as_bytes())?;
        let row = records_csv::rows(std::slice::from_ref(record)).map_err(|error| unusable(&error))?;
        self.csv.write(&row)?;
        self.digest = digest;
        self.records += 1;
        let first = self.between.map_or(record.timestamp, |(first, _)| first);
        self.between = Some((first, record.timestamp));
        Ok(())
    }

    fn seal(mut self: Box<Self>) -> Result<Archive, Problem> {
        let (jsonl, csv) = (self.jsonl.sync()?, self.csv.sync()?);
        let archive = self.description(jsonl, csv);
        let mut json = serde_json::to_vec_pretty(&archive).map_err(|error| unusable(&error))?;
        json.push(b'\n');
        let mut description = Partial::create(&self.dir, &archive.name, DESCRIPTION)?;
        description.write(&json)?;
        description.sync()?;
        let mut signature = Partial::create(&self.dir, &archive.name, SIGNATURE)?;
        signature.write(&self.key.sign(&json))?;
        signature.sync()?;
        fail::fail_point!("archive::written");
        let this = &mut *self;
        let mut files = [&mut this.jsonl, &mut this.csv, &mut signature, &mut description];
        let named = files.iter_mut().try_for_each(|file| file.name());
        let named = named.and_then(|()| {
            let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
            synced.map_err(|error| unwritable(&self.dir, &error))
        });
        let checked = named.and_then(|()| self.read_back(&archive));
        if let Err(problem) = checked {
            for file in [&mut self.jsonl, &mut self.csv, &mut signature, &mut description] {
                file.discard();
            }
            return Err(problem);
        }
        fail::fail_point!("archive::sealed");
        Ok(archive)
    }
}

fn unusable(error: &dyn std::error::Error) -> Problem {
    Problem::new(ProblemKind::Internal, format!("a record cannot be written down: {error}"))
}
