//! Time stamps of a third party (RFC 3161): what an authority is asked, and whether its answer holds.
//!
//! ```text
//! SHA-256 of the manifest ──request──► authority ──response──► <stem>.json.tsr, as `openssl ts -verify -in` takes it
//! ```
//!
//! The network is not this crate's business. A stamp is checked as of the time it tells: the certificate of an authority may have
//! expired since. Whether one was revoked since is not looked up.

mod authority;
mod message;
mod signed;

use memdeck_model::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use x509_cert::Certificate;

pub use authority::{Authorities, AuthoritiesFault};

/// A response is a few kilobytes. Longer ones are not read: sets are put in order as they are read, in time that grows with the
/// square of their length.
pub const TIME_STAMP_MOST_BYTES: usize = 16 << 10;
/// Bytes of a number that no two requests share.
const NONCE_BYTES: usize = 8;

/// What an authority says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeStamp {
    /// The bytes were there at this time.
    pub at: Timestamp,
    /// The subject of the authority's certificate.
    pub by: String,
    /// Whether somebody who is believed vouches for the authority.
    pub is_believed: bool,
    /// Whether somebody vouches for everything in the file, as far as that is believed.
    pub is_bare: bool,
}

/// Why an answer is no stamp of the bytes in question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StampFault {
    /// It cannot be read as one.
    #[error("it is no time stamp: {0}")]
    Unreadable(String),
    /// The authority stamped nothing.
    #[error("the authority refused: {0}")]
    Refused(String),
    /// It is of other bytes.
    #[error("it is of other bytes")]
    OtherBytes,
    /// It answers another request.
    #[error("it answers another request")]
    OtherRequest,
    /// It was signed in a way that is not checked here.
    #[error("it is signed in a way that is not supported: {0}")]
    Unsupported(String),
    /// It was changed, or signed by somebody else than it says.
    #[error("its signature does not hold")]
    Signature,
    /// The certificate is none for time stamps, or did not hold at that time.
    #[error("the certificate of the authority does not hold: {0}")]
    Certificate(String),
    /// Nobody who is believed vouches for the authority.
    #[error("it is by {by}, for which none of the certificates vouches that are believed")]
    NotBelieved {
        /// The subject of its certificate.
        by: String,
    },
    /// The system gives no random bytes.
    #[error("the system has no random bytes")]
    NoRandomness,
}

/// A question to an authority.
#[derive(Debug)]
pub struct StampRequest {
    sha256: [u8; 32],
    nonce: [u8; NONCE_BYTES],
    der: Vec<u8>,
}

impl StampRequest {
    /// Asks for a stamp of the bytes with this SHA-256.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn of(sha256: [u8; 32]) -> Result<Self, StampFault> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| StampFault::NoRandomness)?;
        // A positive number that is encoded with all its bytes.
        if let Some(first) = nonce.first_mut() {
            *first = *first & 0x3f | 0x40;
        }
        let der = message::request(&sha256, &nonce)?;
        Ok(Self { sha256, nonce, der })
    }

    /// The body of the request, `application/timestamp-query`.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The stamp in an answer to this very request, by an authority that is believed. Also returns what is to be kept of the answer:
    /// all of it but for what nobody vouches for, so that each flipped bit of what is kept is found.
    ///
    /// # Errors
    /// It is none, or does not hold, or nobody vouches for the authority.
    pub fn accept(
        &self,
        response: &[u8],
        believed: &Authorities,
    ) -> Result<(TimeStamp, Vec<u8>), StampFault> {
        let token = message::token(response)?;
        if token.info.nonce() != Some(&self.nonce[..]) {
            return Err(StampFault::OtherRequest);
        }
        if !token.info.is_of(&self.sha256) {
            return Err(StampFault::OtherBytes);
        }
        let at = token.info.time()?;
        let certificate = signed::check(&token.signed, &token.info_der)?;
        let Some(path) = believed.path_to(&certificate, &token.signed, at)? else {
            return Err(StampFault::NotBelieved { by: signed::subject(&certificate) });
        };
        let needed = signed::among(&token.signed, &path)?;
        let kept = message::bare(token.signed, needed)?;
        Ok((check_time_stamp(&kept, &self.sha256, believed)?, kept))
    }
}

/// The stamp that was kept, of the bytes with this SHA-256.
///
/// # Errors
/// It is none, or does not hold. That nobody vouches for its authority is no error.
pub fn check_time_stamp(
    response: &[u8],
    sha256: &[u8; 32],
    believed: &Authorities,
) -> Result<TimeStamp, StampFault> {
    let token = message::token(response)?;
    if !token.info.is_of(sha256) {
        return Err(StampFault::OtherBytes);
    }
    if !token.info.is_understood() {
        return Err(StampFault::Unsupported(
            "a stamp of another version, or one that asks for more".to_owned(),
        ));
    }
    let at = token.info.time()?;
    let certificate = signed::check(&token.signed, &token.info_der)?;
    let by = signed::subject(&certificate);
    let path = believed.path_to(&certificate, &token.signed, at)?;
    let is_vouched_for = |certificate: &Certificate| {
        let der = signed::as_der(certificate).ok();
        der.is_some_and(|der| believed.have(&der) || path.iter().flatten().any(|on_path| *on_path == der))
    };
    let is_bare = message::is_bare(&token) && signed::certificates(&token.signed).all(is_vouched_for);
    Ok(TimeStamp { at, by, is_believed: path.is_some(), is_bare })
}

#[cfg(test)]
mod tests;
