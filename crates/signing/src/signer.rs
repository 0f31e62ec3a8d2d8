//! One dump of a host after the other gets its signature and its place, however many are sealed at once.

use std::path::{Path, PathBuf};

use memdeck_model::{HostChainPlace, KeyId, Message, with_causes};
use parking_lot::{Mutex, MutexGuard};

use crate::chain::{Ahead, ChainError, HostChain};
use crate::key::{SIGNATURE_BYTES, SigningKey};
use crate::key_files::KeyFiles;

/// Signs what a host seals. The process that has it holds the state directory.
#[derive(Debug)]
pub struct HostSigner {
    state_dir: PathBuf,
    keys: KeyFiles,
    turn: Mutex<()>,
}

/// The turn of one dump: no other gets a place before this is dropped. Its guest runs.
///
/// Nothing of it fails: what cannot be signed or placed is sealed without, and says why.
pub struct Turn<'a> {
    state_dir: &'a Path,
    key: Option<SigningKey>,
    chain: Option<(HostChain, HostChainPlace)>,
    problems: Vec<String>,
    _alone: MutexGuard<'a, ()>,
}

impl HostSigner {
    /// Signs with the key of a state directory, whichever it is when a dump is sealed.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned(), keys: KeyFiles::of(state_dir), turn: Mutex::default() }
    }

    /// Waits until no other dump is being sealed, and gives the next place to the one whose files will lie there.
    pub fn turn(&self, ahead: Ahead) -> Turn<'_> {
        let alone = self.turn.lock();
        let mut problems = Vec::new();
        let key = self.keys.read().unwrap_or_else(|error| {
            problems.push(format!("not signed: {}", with_causes(&error)));
            None
        });
        if key.is_none() && problems.is_empty() {
            let path = self.keys.path();
            problems.push(format!("not signed: there is no key {}, which a start makes", path.display()));
        }
        let chain = self.place(ahead).map_err(|error| {
            problems.push(format!("not in the chain of this host's dumps: {}", with_causes(&error)));
        });
        Turn { state_dir: &self.state_dir, key, chain: chain.ok(), problems, _alone: alone }
    }

    fn place(&self, ahead: Ahead) -> Result<(HostChain, HostChainPlace), ChainError> {
        let mut chain = match HostChain::read(&self.state_dir)? {
            Some(chain) => chain,
            None => HostChain::begin()?,
        };
        let place = chain.give(&self.state_dir, ahead)?;
        Ok((chain, place))
    }
}

impl Turn<'_> {
    /// The key that signs, if it can.
    #[must_use]
    pub fn signed_by(&self) -> Option<KeyId> {
        self.key.as_ref().map(|key| key.public().id())
    }

    /// The place of the dump, if it has one.
    #[must_use]
    pub fn place(&self) -> Option<HostChainPlace> {
        self.chain.as_ref().map(|(_, place)| place.clone())
    }

    /// Why there is no signature or no place.
    #[must_use]
    pub fn unsigned_because(&self) -> Option<Message> {
        (!self.problems.is_empty()).then(|| Message::new(self.problems.join("; ")))
    }

    /// The signature of the manifest.
    #[must_use]
    pub fn sign(&self, manifest: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
        self.key.as_ref().map(|key| key.sign(manifest))
    }

    /// The signature cannot be kept: the dump is sealed without one.
    pub fn give_up_signing(&mut self, why: impl std::fmt::Display) {
        self.key = None;
        self.problems.push(format!("not signed: {why}"));
    }

    /// The dump is sealed, with this SHA-256 of its manifest.
    pub fn sealed(self, manifest_sha256: &str) {
        if let Some((mut chain, _)) = self.chain {
            // What was written ahead tells the same: the next turn finds the manifest.
            let _ = chain.advance(self.state_dir, manifest_sha256.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use memdeck_model::{SignatureCheck, Timestamp};

    use super::*;
    use crate::chain::sha256_hex;
    use crate::links::{ChainedDump, check_links};

    struct Host {
        dir: tempfile::TempDir,
        signer: HostSigner,
    }

    fn now() -> Timestamp {
        "2026-11-27T08:00:00Z".parse().unwrap()
    }

    impl Host {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            KeyFiles::of(dir.path()).read_or_make(now()).unwrap();
            Self { signer: HostSigner::of(dir.path()), dir }
        }

        fn ahead(&self, name: &str) -> Ahead {
            let beside = |suffix: &str| self.dir.path().join(format!("{name}{suffix}"));
            Ahead { manifest: beside(".json"), partial: beside(".partial") }
        }

        /// Seals a dump as an image is sealed: the manifest is written, then the partial image is gone.
        fn seal(&self, name: &str) -> ChainedDump {
            let turn = self.signer.turn(self.ahead(name));
            let (dump, sha256) = self.write(name, &turn);
            turn.sealed(&sha256);
            dump
        }

        fn write(&self, name: &str, turn: &Turn<'_>) -> (ChainedDump, String) {
            let place = turn.place().unwrap();
            let json = serde_json::json!({"name": name, "host_chain": place}).to_string();
            let manifest = self.ahead(name).manifest;
            fs::write(&manifest, &json).unwrap();
            let sha256 = sha256_hex(json.as_bytes());
            let place = Some(place);
            let signature = SignatureCheck::NotChecked;
            (ChainedDump { manifest, sha256: sha256.clone(), place, signature }, sha256)
        }

        fn check(&self, dumps: &[ChainedDump]) -> Vec<String> {
            let end = HostChain::read(self.dir.path()).unwrap();
            let report = check_links(dumps, end.as_ref(), &crate::KnownKeys::default());
            report.findings.iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn dumps_that_are_sealed_at_once_make_one_chain() {
        let host = Host::new();
        let dumps: Vec<ChainedDump> = std::thread::scope(|scope| {
            let host = &host;
            let seal = |thread: u32| -> Vec<ChainedDump> {
                (0..5).map(|number| host.seal(&format!("{thread}-{number}"))).collect()
            };
            let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || seal(thread))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(host.check(&dumps), [""; 0]);
        assert_eq!(HostChain::read(host.dir.path()).unwrap().unwrap().number, 20);
    }

    #[test]
    fn a_seal_that_fails_leaves_no_hole() {
        let host = Host::new();
        let first = host.seal("first");
        let turn = host.signer.turn(host.ahead("failed"));
        host.write("failed", &turn);
        fs::remove_file(host.ahead("failed").manifest).unwrap();
        drop(turn);
        let second = host.seal("second");
        assert_eq!(host.check(&[first, second]), [""; 0]);
    }

    #[test]
    fn whenever_memdeck_ends_in_a_seal_the_chain_goes_on_behind_what_was_sealed() {
        let host = Host::new();
        let first = host.seal("first");
        // It ends before the image has its name: the next start removes what there is.
        let turn = host.signer.turn(host.ahead("cut-off"));
        host.write("cut-off", &turn);
        fs::write(host.ahead("cut-off").partial, "half").unwrap();
        drop(turn);
        assert_eq!(HostChain::read(host.dir.path()).unwrap().unwrap().number, 1);
        // It ends when the image has its name: the next start records it.
        let turn = host.signer.turn(host.ahead("second"));
        let second = host.write("second", &turn).0;
        drop(turn);
        assert_eq!(HostChain::read(host.dir.path()).unwrap().unwrap().number, 2);
        let third = host.seal("third");
        assert_eq!(host.check(&[first, second, third]), [""; 0]);
    }

    #[test]
    fn a_manifest_that_is_removed_later_is_missing() {
        let host = Host::new();
        let dumps = [host.seal("first"), host.seal("second")];
        fs::remove_file(&dumps[1].manifest).unwrap();
        let third = host.seal("third");
        assert_eq!(third.place.as_ref().unwrap().number, 3);
        let told = host.check(&[dumps[0].clone(), third]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("number 2 of chain "), "{told:?}");
    }

    #[test]
    fn without_a_key_or_a_chain_a_dump_is_sealed_all_the_same_and_says_why() {
        let host = Host::new();
        fs::write(host.dir.path().join("host-chain.json"), "{").unwrap();
        let turn = host.signer.turn(host.ahead("first"));
        assert!(turn.place().is_none() && turn.sign(b"memory").is_some());
        let why = turn.unsigned_because().unwrap().to_string();
        assert!(
            why.starts_with("not in the chain of this host's dumps: ") && why.contains("is damaged"),
            "{why}"
        );
        turn.sealed("0");
        fs::remove_file(host.dir.path().join("host-chain.json")).unwrap();
        fs::remove_file(host.dir.path().join("signing-key.pem")).unwrap();
        let turn = host.signer.turn(host.ahead("second"));
        assert!(turn.signed_by().is_none() && turn.sign(b"memory").is_none());
        assert_eq!(turn.place().unwrap().number, 1);
        let why = turn.unsigned_because().unwrap().to_string();
        assert!(why.starts_with("not signed: there is no key "), "{why}");
    }
}
