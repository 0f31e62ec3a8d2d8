//! The messages of RFC 3161. Not those of the crate `x509-tsp`: it reads no time with fractions of a second.

use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{CertificateSet, DigestAlgorithmIdentifiers, SignedData, SignerInfo, SignerInfos};
use der::asn1::{Any, BitString, Int, ObjectIdentifier, OctetString};
use der::{Decode as _, Encode as _, Sequence, Tag, Tagged};
use memdeck_model::Timestamp;
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extensions;

use super::{StampFault, TIME_STAMP_MOST_BYTES};

pub const ID_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// `id-ct-TSTInfo`.
pub const ID_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// `granted` and `grantedWithMods`: there is a stamp, and what is in it is looked at.
const GRANTED: [u8; 2] = [0, 1];
/// As much of an authority's words as is repeated.
const MOST_CHARS: usize = 200;

#[derive(Sequence)]
struct Imprint {
    hash_algorithm: AlgorithmIdentifierOwned,
    hashed_message: OctetString,
}

#[derive(Sequence)]
struct Request {
    version: u8,
    message_imprint: Imprint,
    nonce: Int,
    cert_req: bool,
}

#[derive(Sequence)]
struct Status {
    code: u8,
    #[asn1(optional = "true")]
    words: Option<Vec<String>>,
    #[asn1(optional = "true")]
    failures: Option<BitString>,
}

#[derive(Sequence)]
struct Response {
    status: Status,
    #[asn1(optional = "true")]
    time_stamp_token: Option<ContentInfo>,
}

/// How exact a time is. It is not repeated; the time is.
#[derive(Sequence)]
struct Accuracy {
    #[asn1(optional = "true")]
    seconds: Option<u64>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    micros: Option<u16>,
}

/// What is signed: `TSTInfo`.
#[derive(Sequence)]
pub struct Info {
    version: u8,
    /// What the authority promises. Nothing is asked for, and nothing made of it.
    policy: ObjectIdentifier,
    message_imprint: Imprint,
    serial_number: Int,
    /// A `GeneralizedTime`, with or without fractions.
    gen_time: Any,
    #[asn1(optional = "true")]
    accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    tsa: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true", constructed = "true")]
    extensions: Option<Extensions>,
}

impl Info {
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_ref().map(Int::as_bytes)
    }

    pub fn is_of(&self, sha256: &[u8; 32]) -> bool {
        let Imprint { hash_algorithm, hashed_message } = &self.message_imprint;
        hash_algorithm.oid == ID_SHA_256 && hashed_message.as_bytes() == sha256
    }

    /// Whether it is of the version that is read here, and asks for nothing that is not known here.
    pub fn is_understood(&self) -> bool {
        self.version == 1 && self.extensions.iter().flatten().all(|extension| !extension.critical)
    }

    /// The time that is told, in UTC.
    pub fn time(&self) -> Result<Timestamp, StampFault> {
        let text = std::str::from_utf8(self.gen_time.value()).ok();
        let written =
            text.filter(|_| Tagged::tag(&self.gen_time) == Tag::GeneralizedTime).and_then(as_rfc_3339);
        let time = written.and_then(|written| written.parse().ok());
        time.ok_or_else(|| StampFault::Unreadable("it tells no time".to_owned()))
    }
}

/// `20261127080000.25Z` as `2026-11-27T08:00:00.25Z`.
fn as_rfc_3339(text: &str) -> Option<String> {
    let digits = text.strip_suffix('Z')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() != 14 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| whole.get(range);
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!(
        "{}-{}-{}T{}:{}:{}{point}{fraction}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?
    ))
}

/// A stamp as it was signed.
pub struct Token {
    pub signed: SignedData,
    /// The bytes of `info`.
    pub info_der: Vec<u8>,
    pub info: Info,
    /// Whether the response says nothing beside it.
    is_bare: bool,
}

/// The DER of a request.
pub fn request(sha256: &[u8; 32], nonce: &[u8]) -> Result<Vec<u8>, StampFault> {
    let imprint = Imprint {
        hash_algorithm: AlgorithmIdentifierOwned { oid: ID_SHA_256, parameters: Some(Any::null()) },
        hashed_message: OctetString::new(&sha256[..]).map_err(|error| unreadable(&error))?,
    };
    let nonce = Int::new(nonce).map_err(|error| unreadable(&error))?;
    let request = Request { version: 1, message_imprint: imprint, nonce, cert_req: true };
    request.to_der().map_err(|error| unreadable(&error))
}

/// The stamp in a response.
pub fn token(response: &[u8]) -> Result<Token, StampFault> {
    if response.len() > TIME_STAMP_MOST_BYTES {
        return Err(StampFault::Unreadable("it is longer than any that memdeck takes".to_owned()));
    }
    let Response { status, time_stamp_token } =
        Response::from_der(response).map_err(|error| unreadable(&error))?;
    if !GRANTED.contains(&status.code) {
        return Err(StampFault::Refused(refusal(&status)));
    }
    let content = time_stamp_token.ok_or_else(|| StampFault::Unreadable("it is empty".to_owned()))?;
    if content.content_type != ID_SIGNED_DATA {
        return Err(StampFault::Unreadable("it is not signed".to_owned()));
    }
    let signed: SignedData = content.content.decode_as().map_err(|error| unreadable(&error))?;
    let content = signed.encap_content_info.econtent.as_ref();
    let content = content.filter(|_| signed.encap_content_info.econtent_type == ID_INFO);
    let content = content.ok_or_else(|| StampFault::Unreadable("what is signed is no stamp".to_owned()))?;
    let info_der: OctetString = content.decode_as().map_err(|error| unreadable(&error))?;
    let info = Info::from_der(info_der.as_bytes()).map_err(|error| unreadable(&error))?;
    let [granted, _] = GRANTED;
    let is_bare = status.code == granted && status.words.is_none() && status.failures.is_none();
    Ok(Token { signed, info_der: info_der.into_bytes(), info, is_bare })
}

/// The response with nothing in it that nobody vouches for: of its certificates those that are needed, and no words.
pub fn bare(signed: SignedData, needed: CertificateSet) -> Result<Vec<u8>, StampFault> {
    let without = |signer: &SignerInfo| SignerInfo { unsigned_attrs: None, ..signer.clone() };
    let signers: Vec<SignerInfo> = signed.signer_infos.0.iter().map(without).collect();
    let digests: Vec<_> = signers.iter().map(|signer| signer.digest_alg.clone()).collect();
    let digest_algorithms =
        DigestAlgorithmIdentifiers::try_from(digests).map_err(|error| unreadable(&error))?;
    let signed = SignedData {
        version: CmsVersion::V3,
        digest_algorithms,
        certificates: Some(needed),
        crls: None,
        signer_infos: SignerInfos::try_from(signers).map_err(|error| unreadable(&error))?,
        ..signed
    };
    let content = Any::encode_from(&signed).map_err(|error| unreadable(&error))?;
    let token = ContentInfo { content_type: ID_SIGNED_DATA, content };
    let [granted, _] = GRANTED;
    let status = Status { code: granted, words: None, failures: None };
    Response { status, time_stamp_token: Some(token) }.to_der().map_err(|error| unreadable(&error))
}

/// Whether everything in a response is vouched for, or can be nothing else, but for its certificates: each flipped bit is seen.
pub fn is_bare(token: &Token) -> bool {
    let SignedData { version, digest_algorithms, crls, signer_infos, .. } = &token.signed;
    let [signer] = signer_infos.0.as_slice() else { return false };
    let [digest] = digest_algorithms.as_slice() else { return false };
    token.is_bare
        && *version == CmsVersion::V3
        && signer.version == CmsVersion::V1
        && *digest == signer.digest_alg
        && [digest, &signer.signature_algorithm].into_iter().all(has_no_parameters)
        && signer.unsigned_attrs.is_none()
        && crls.is_none()
}

fn has_no_parameters(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.parameters.as_ref().is_none_or(|parameters| *parameters == Any::null())
}

fn refusal(Status { code, words, failures }: &Status) -> String {
    let said = words.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    let said: String = said.chars().filter(|c| !c.is_control()).take(MOST_CHARS).collect();
    let bits = failures.as_ref().map(|bits| bits.bits().enumerate().filter(|(_, is_set)| *is_set));
    let bits: Vec<String> = bits.into_iter().flatten().map(|(bit, _)| bit.to_string()).collect();
    let why = if bits.is_empty() { String::new() } else { format!(", failure {}", bits.join(" and ")) };
    if said.is_empty() { format!("status {code}{why}") } else { format!("status {code}{why}: {said}") }
}

pub fn unreadable(error: &der::Error) -> StampFault {
    StampFault::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_and_without_fractions() {
        assert_eq!(as_rfc_3339("20261127080000Z").as_deref(), Some("2026-11-27T08:00:00Z"));
        assert_eq!(as_rfc_3339("20261127080000.25Z").as_deref(), Some("2026-11-27T08:00:00.25Z"));
        for no_time in ["", "Z", "20261127080000", "2026112708000Z", "20261127080000+0100", "2026112708000ßZ"]
        {
            assert_eq!(as_rfc_3339(no_time), None, "{no_time}");
        }
    }
}
