//! Who vouches for a manifest: the key of a host, signatures by it, and the chain of the host's dumps.
//!
//! ```text
//! STATE_DIR/signing-key.pem ──sign──► <stem>.json.sig      a signature over the exact bytes of the manifest
//! STATE_DIR/signing-keys/   ──check─┘                      public keys: the present one, earlier ones, those of others
//! STATE_DIR/host-chain.json ──place──► manifest            number, and the hash of the manifest before
//! authority of time stamps  ──stamp──► <stem>.json.tsr     that the manifest was there at a time
//! ```
//!
//! Signatures are Ed25519 (RFC 8032), keys PKCS#8 and `SubjectPublicKeyInfo` in PEM (RFC 8410, RFC 7468): `openssl` reads both.
//!
//! This crate knows no images and no catalog: it signs bytes, and it is told which manifests there are. Whoever can write the
//! state directory can sign; what a signature says is in `SECURITY.md`.
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod chain;
mod files;
mod key;
mod key_files;
mod links;
mod signer;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(not(test), expect(clippy::unwrap_used, reason = "tests alone call it"))]
pub mod testing;
mod time_stamp;

pub use chain::{Ahead, ChainError, HostChain};
pub use files::FileError;
pub use key::{KeyFault, KnownKeys, PublicKey, SIGNATURE_BYTES, SigningKey};
pub use key_files::{KeyError, KeyFiles};
pub use links::{ChainFinding, ChainReport, ChainedDump, CheckedChain, check_links};
pub use signer::{HostSigner, Turn};
pub use time_stamp::{
    Authorities, AuthoritiesFault, StampFault, StampRequest, TIME_STAMP_MOST_BYTES, TimeStamp,
    check_time_stamp,
};
