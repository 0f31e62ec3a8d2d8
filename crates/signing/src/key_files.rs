//! The key of a host in its state directory, and the public keys that are believed there.
//!
//! The public half of a key has its file before the key itself has one, so what a key signed can be checked for as long as its
//! state directory is there. Keys of other hosts are believed as soon as somebody puts them beside it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use memdeck_model::{HostKey, RotatedKey, Timestamp};

use crate::files::{self, FileError, Kept, Put, failed};
use crate::key::{KeyFault, KnownKeys, PublicKey, SigningKey};

const KEY: &str = "signing-key.pem";
const PUBLIC_KEYS: &str = "signing-keys";
const PUBLIC_SUFFIX: &str = ".pem";
/// What stands before a public key: `made` and when.
const MADE: &str = "made ";

/// Why the keys of a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read, written or believed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file holds no key.
    #[error("{} is of no use", path.display())]
    Fault {
        path: PathBuf,
        #[source]
        source: KeyFault,
    },
    /// No key can be made.
    #[error("no key can be made")]
    Make(#[source] KeyFault),
}

/// Where the keys of a host are.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    state_dir: PathBuf,
}

impl KeyFiles {
    /// Those of a state directory, which nobody else can change.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned() }
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The file of the key that signs.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.state_dir.join(KEY)
    }

    /// The directory of the public keys.
    #[must_use]
    pub fn public_keys(&self) -> PathBuf {
        self.state_dir.join(PUBLIC_KEYS)
    }

    /// The key that signs; `None` if none was made yet.
    ///
    /// # Errors
    /// The file cannot be read, others can read it, or it holds no key.
    pub fn read(&self) -> Result<Option<SigningKey>, KeyError> {
        let path = self.path();
        let Some(pem) = files::read(&path, Kept::Secret)? else { return Ok(None) };
        SigningKey::from_pem(&pem).map(Some).map_err(|source| KeyError::Fault { path, source })
    }

    /// The key that signs, made now if there is none, and whether it was. Of two processes that make one at once, both get
    /// the same.
    ///
    /// # Errors
    /// As [`Self::read`], or a file cannot be written.
    pub fn read_or_make(&self, now: Timestamp) -> Result<(SigningKey, bool), KeyError> {
        if let Some(key) = self.read()? {
            // Somebody may have tidied up.
            if !self.public_path(key.public()).exists() {
                self.publish(key.public(), None)?;
            }
            return Ok((key, false));
        }
        let (key, pem) = SigningKey::make().map_err(KeyError::Make)?;
        self.publish(key.public(), Some(now))?;
        if files::write(&self.path(), &self.aside(key.public()), pem.as_bytes(), Put::New)? {
            return Ok((key, true));
        }
        // Another was first, and this one never signed anything.
        let _ = std::fs::remove_file(self.public_path(key.public()));
        let path = self.path();
        self.read()?.map(|key| (key, false)).ok_or(KeyError::Fault { path, source: KeyFault::NoPrivateKey })
    }

    /// Makes a key in the place of the one that signs, which is gone then; its public half stays. Returns both.
    ///
    /// # Errors
    /// A file cannot be written. A key before that is of no use is no hindrance.
    pub fn rotate(&self, now: Timestamp) -> Result<RotatedKey, KeyError> {
        let before = self.read().ok().flatten();
        if let Some(before) = &before
            && !self.public_path(before.public()).exists()
        {
            self.publish(before.public(), None)?;
        }
        let (key, pem) = SigningKey::make().map_err(KeyError::Make)?;
        self.publish(key.public(), Some(now))?;
        files::write(&self.path(), &self.aside(key.public()), pem.as_bytes(), Put::Instead)?;
        let before = before.map(|before| before.public().id());
        Ok(RotatedKey { before, key: facts(key.public(), Some(now), true) })
    }

    /// Every public key that is believed here: the present one, earlier ones, and what somebody put beside them.
    ///
    /// # Errors
    /// The directory or a file cannot be read or believed.
    pub fn known(&self) -> Result<KnownKeys, KeyError> {
        Ok(KnownKeys::new(self.public()?.into_iter().map(|(key, ..)| key).collect()))
    }

    /// The same with what there is to know of them, and the file of each: the one that signs first, then the newest first.
    ///
    /// # Errors
    /// As [`Self::known`], and if the key that signs cannot be read.
    pub fn facts(&self) -> Result<Vec<(HostKey, PathBuf)>, KeyError> {
        let present = self.read()?.map(|key| *key.public());
        let public = self.public()?.into_iter();
        let mut found: Vec<_> =
            public.map(|(key, made_at, path)| (facts(&key, made_at, present == Some(key)), path)).collect();
        found.sort_by_key(|(key, _)| std::cmp::Reverse((key.signs, key.made_at)));
        Ok(found)
    }

    fn public(&self) -> Result<Vec<(PublicKey, Option<Timestamp>, PathBuf)>, KeyError> {
        let dir = self.public_keys();
        let metadata = match dir.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &dir)(error).into()),
        };
        files::check(&dir, &metadata, Kept::Public)?;
        let mut found = Vec::new();
        for entry in dir.read_dir().map_err(failed("read", &dir))? {
            let path = entry.map_err(failed("read", &dir))?.path();
            if !path.to_string_lossy().ends_with(PUBLIC_SUFFIX) {
                continue;
            }
            // It may have gone since.
            let Some(pem) = files::read(&path, Kept::Public)? else { continue };
            let key =
                PublicKey::from_pem(&pem).map_err(|source| KeyError::Fault { path: path.clone(), source })?;
            found.push((key, made_at(&pem), path));
        }
        found.sort_by(|one, other| one.2.cmp(&other.2));
        Ok(found)
    }

    fn publish(&self, key: &PublicKey, made_at: Option<Timestamp>) -> Result<(), KeyError> {
        let (dir, path) = (self.public_keys(), self.public_path(key));
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed("made", &dir))?;
        let made = made_at.map_or_else(String::new, |at| format!(", {MADE}{at}"));
        let text = format!("memdeck signing key {}{made}\n{}", key.id(), key.to_pem());
        files::write(&path, &path.with_extension("new"), text.as_bytes(), Put::Instead)?;
        Ok(())
    }

    fn public_path(&self, key: &PublicKey) -> PathBuf {
        self.public_keys().join(format!("{}{PUBLIC_SUFFIX}", key.id()))
    }

    fn aside(&self, key: &PublicKey) -> PathBuf {
        self.state_dir.join(format!("{KEY}.{}.new", key.id()))
    }
}

fn facts(key: &PublicKey, made_at: Option<Timestamp>, signs: bool) -> HostKey {
    HostKey { id: key.id(), made_at, signs, public_key: key.to_pem() }
}

/// When a key was made, as the text before it says.
fn made_at(pem: &[u8]) -> Option<Timestamp> {
    let line = pem.split(|byte| *byte == b'\n').next()?;
    let (_, at) = std::str::from_utf8(line).ok()?.rsplit_once(MADE)?;
    at.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Barrier;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-27T08:00:00Z".parse().unwrap()
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let state = tempfile::tempdir().unwrap();
        let files = KeyFiles::of(state.path());
        assert!(files.read().unwrap().is_none());
        let (key, is_new) = files.read_or_make(now()).unwrap();
        assert!(is_new);
        let (again, is_new) = files.read_or_make(now()).unwrap();
        assert!(!is_new && again.public() == key.public());
        for path in [files.path(), files.public_path(key.public())] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        }
        assert_ne!(files.known().unwrap(), KnownKeys::default());
        let (found, path) = files.facts().unwrap().remove(0);
        assert_eq!((found.id, found.made_at, found.signs), (key.public().id(), Some(now()), true));
        assert_eq!(found.public_key, key.public().to_pem());
        assert_eq!(path, files.public_path(key.public()));
        assert_eq!(state.path().read_dir().unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn of_many_who_make_a_key_at_once_all_have_the_same() {
        let state = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(8);
        let keys: Vec<PublicKey> = std::thread::scope(|scope| {
            let make = || {
                barrier.wait();
                *KeyFiles::of(state.path()).read_or_make(now()).unwrap().0.public()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        let facts = KeyFiles::of(state.path()).facts().unwrap();
        assert_eq!(facts.len(), 1, "keys that never signed anything are not believed: {facts:?}");
    }

    #[test]
    fn after_a_rotation_another_key_signs_and_both_are_believed() {
        let state = tempfile::tempdir().unwrap();
        let files = KeyFiles::of(state.path());
        let first = files.read_or_make(now()).unwrap().0;
        let signature = first.sign(b"memory");
        let RotatedKey { before, key: made } = files.rotate(now()).unwrap();
        assert_eq!(before, Some(first.public().id()));
        let second = files.read().unwrap().unwrap();
        assert_eq!(second.public().id(), made.id);
        let known = files.known().unwrap();
        let first = known.named(&first.public().id()).next().unwrap();
        assert!(first.verifies(b"memory", &signature));
        assert!(known.named(&made.id).next().is_some());
        let signing: Vec<bool> = files.facts().unwrap().into_iter().map(|(key, _)| key.signs).collect();
        assert_eq!(signing, [true, false]);
    }

    #[test]
    fn a_key_that_others_could_read_and_what_leads_elsewhere_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let files = KeyFiles::of(state.path());
        files.read_or_make(now()).unwrap();
        set_mode(&files.path(), 0o640);
        assert!(matches!(files.read(), Err(KeyError::File(FileError::Readable { mode: 0o640, .. }))));
        set_mode(&files.path(), 0o620);
        assert!(matches!(files.read(), Err(KeyError::File(FileError::Writable { .. }))));
        fs::rename(files.path(), state.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", files.path()).unwrap();
        assert!(matches!(files.read(), Err(KeyError::File(FileError::Io { .. }))));
        fs::remove_file(files.path()).unwrap();
        fs::write(files.path(), "no key").unwrap();
        set_mode(&files.path(), 0o600);
        assert!(matches!(files.read_or_make(now()), Err(KeyError::Fault { .. })));
        // A new key is the way out.
        assert_eq!(files.rotate(now()).unwrap().before, None);
        assert!(files.read().unwrap().is_some());
    }

    #[test]
    fn a_public_key_that_others_could_exchange_is_not_believed() {
        let state = tempfile::tempdir().unwrap();
        let files = KeyFiles::of(state.path());
        let key = files.read_or_make(now()).unwrap().0;
        set_mode(&files.public_path(key.public()), 0o666);
        assert!(matches!(files.known(), Err(KeyError::File(FileError::Writable { .. }))));
        set_mode(&files.public_path(key.public()), 0o644);
        set_mode(&files.public_keys(), 0o777);
        assert!(matches!(files.known(), Err(KeyError::File(FileError::Writable { .. }))));
    }

    #[test]
    fn the_public_half_is_written_again_where_somebody_removed_it() {
        let state = tempfile::tempdir().unwrap();
        let files = KeyFiles::of(state.path());
        let key = files.read_or_make(now()).unwrap().0;
        fs::remove_dir_all(files.public_keys()).unwrap();
        assert_eq!(files.known().unwrap(), KnownKeys::default());
        files.read_or_make(now()).unwrap();
        assert!(files.known().unwrap().named(&key.public().id()).next().is_some());
    }
}
