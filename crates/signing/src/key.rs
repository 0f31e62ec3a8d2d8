//! Keys in memory and as PEM. Signing and checking is `ring`'s.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use memdeck_model::{KeyId, SignatureCheck};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest as _, Sha256};

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
const KEY_BYTES: usize = 32;
/// DER before the 32 bytes of an Ed25519 key, which is all that its encodings have (RFC 8410, sections 4 and 7).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Why bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No PEM, or one of something else.
    #[error("it holds no Ed25519 public key in PEM (BEGIN PUBLIC KEY)")]
    NoPublicKey,
    /// No PEM, or one of something else.
    #[error("it holds no Ed25519 private key in PEM (BEGIN PRIVATE KEY)")]
    NoPrivateKey,
    /// The system gives no random bytes.
    #[error("the system has no random bytes")]
    NoRandomness,
}

/// A key that signs. It is shown to nobody: its `Debug` is ring's, which has the public half alone.
#[derive(Debug)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a key. Returns it with its PEM, which is the only way to keep it.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn make() -> Result<(Self, String), KeyFault> {
        let mut seed = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut seed).map_err(|_| KeyFault::NoRandomness)?;
        let pem = pem("PRIVATE KEY", &[&PKCS8_PREFIX[..], &seed].concat());
        Ok((Self::from_pem(pem.as_bytes())?, pem))
    }

    /// The key in a PEM file.
    ///
    /// # Errors
    /// There is none, or it is of another kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyFault> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyFault::NoPrivateKey)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map_err(|_| KeyFault::NoPrivateKey)?;
        let bytes: &[u8] = pair.public_key().as_ref();
        let bytes = bytes.try_into().map_err(|_| KeyFault::NoPrivateKey)?;
        Ok(Self { pair, public: PublicKey(bytes) })
    }

    /// The key that checks what this one signs.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let signed = self.pair.sign(bytes);
        let signed: &[u8] = signed.as_ref();
        // As long as every signature of this kind.
        signed.first_chunk().copied().unwrap_or([0; SIGNATURE_BYTES])
    }
}

/// A key that checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// The key in a PEM file; text around it is passed over.
    ///
    /// # Errors
    /// There is none, or it is of another kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyFault> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyFault::NoPublicKey)?;
        let key = der.strip_prefix(&SPKI_PREFIX).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(KeyFault::NoPublicKey)
    }

    /// As PEM, which `openssl pkeyutl -pubin` takes.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.to_der())
    }

    /// What manifests and commands call it by.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of_digest(Sha256::digest(self.to_der()).into())
    }

    /// Whether a signature is of these bytes, by this key.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(bytes, signature).is_ok()
    }

    fn to_der(self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }
}

/// The keys whose signatures are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownKeys {
    keys: Vec<PublicKey>,
    /// Whether a signature by one of them is asked for.
    is_demanded: bool,
}

impl KnownKeys {
    /// Keys that are believed where there is a signature.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self { keys, is_demanded: false }
    }

    /// Keys of which one must have signed.
    #[must_use]
    pub fn demanded(keys: Vec<PublicKey>) -> Self {
        Self { keys, is_demanded: true }
    }

    /// Whether a manifest with such a signature is not vouched for as it should be.
    #[must_use]
    pub fn is_doubtful(&self, found: &SignatureCheck) -> bool {
        match found {
            SignatureCheck::Valid { .. } => false,
            SignatureCheck::Wrong | SignatureCheck::Missing { .. } => true,
            // Without any key nobody expects to know whose it is.
            SignatureCheck::UnknownKey { .. } => self.is_demanded || !self.keys.is_empty(),
            SignatureCheck::Unsigned { .. } | SignatureCheck::NotChecked => self.is_demanded,
        }
    }

    /// Those of that name.
    pub fn named(&self, id: &KeyId) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().filter(move |key| key.id() == *id)
    }
}

/// One line of Base64 is enough for any of these keys.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first key of RFC 8410, section 10.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn the_keys_of_the_standard_are_read_and_written_as_they_stand_there() {
        let key = SigningKey::from_pem(PRIVATE.as_bytes()).unwrap();
        assert_eq!(key.public().to_pem(), PUBLIC);
        assert_eq!(PublicKey::from_pem(PUBLIC.as_bytes()), Ok(*key.public()));
        assert!(key.public().verifies(b"memory", &key.sign(b"memory")));
    }

    #[test]
    fn a_key_that_was_made_is_read_back_and_no_two_are_the_same() {
        let (key, pem) = SigningKey::make().unwrap();
        assert_eq!(SigningKey::from_pem(pem.as_bytes()).unwrap().public(), key.public());
        let (other, _) = SigningKey::make().unwrap();
        assert_ne!(other.public().id(), key.public().id());
        assert!(!other.public().verifies(b"memory", &key.sign(b"memory")));
    }

    #[test]
    fn text_before_a_key_is_passed_over_and_what_is_no_key_is_refused() {
        let told = format!("memdeck signing key, made today\n{PUBLIC}");
        assert!(PublicKey::from_pem(told.as_bytes()).is_ok());
        let of_rsa = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        for no_key in ["", "key", PRIVATE, of_rsa, &PUBLIC.replace("ZuE=", "")] {
            assert_eq!(PublicKey::from_pem(no_key.as_bytes()), Err(KeyFault::NoPublicKey), "{no_key}");
        }
        assert!(matches!(SigningKey::from_pem(PUBLIC.as_bytes()), Err(KeyFault::NoPrivateKey)));
    }

    #[test]
    fn what_shows_a_key_in_a_log_does_not_show_its_secret() {
        let shown = format!("{:?}", SigningKey::from_pem(PRIVATE.as_bytes()).unwrap());
        assert!(!shown.to_lowercase().contains("d4ee72db"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_other_bytes_and_no_other_signature_pass(
            bytes in proptest::collection::vec(any::<u8>(), 1..200), at: usize, bit in 0_u32..8,
        ) {
            let key = SigningKey::from_pem(PRIVATE.as_bytes()).unwrap();
            let signature = key.sign(&bytes);
            prop_assert!(key.public().verifies(&bytes, &signature));
            let flipped = |bytes: &[u8]| {
                let mut flipped = bytes.to_vec();
                let at = at % flipped.len();
                flipped[at] ^= 1_u8 << bit;
                flipped
            };
            prop_assert!(!key.public().verifies(&flipped(&bytes), &signature));
            prop_assert!(!key.public().verifies(&bytes, &flipped(&signature)));
        }
    }
}
