//! Who signed a stamp, and whether that holds (RFC 5652, RFC 5816).

use cms::cert::CertificateChoices;
use cms::signed_data::{CertificateSet, SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Encode as _, Sequence};
use ring::digest;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use spki::AlgorithmIdentifierOwned;
use webpki::EndEntityCert;
use x509_cert::Certificate;

use super::StampFault;
use super::message::{ID_INFO, ID_SHA_256, unreadable};

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const ID_SHA_384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
const ID_SHA_512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
const ID_CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
const ID_MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
/// By SHA-1 (RFC 2634), and by any other hash (RFC 5035).
const ID_SIGNING_CERTIFICATE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.12");
const ID_SIGNING_CERTIFICATE_V2: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.47");
const ID_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
const ID_EC: ObjectIdentifier = oid("1.2.840.10045.2.1");
const ID_ED_25519: ObjectIdentifier = oid("1.3.101.112");
const ID_P_256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
const ID_P_384: ObjectIdentifier = oid("1.3.132.0.34");
/// RSASSA-PKCS1-v1_5 and ECDSA with a hash, and which.
const WITH_HASH: [(ObjectIdentifier, ObjectIdentifier); 6] = [
    (oid("1.2.840.113549.1.1.11"), ID_SHA_256),
    (oid("1.2.840.113549.1.1.12"), ID_SHA_384),
    (oid("1.2.840.113549.1.1.13"), ID_SHA_512),
    (oid("1.2.840.10045.4.3.2"), ID_SHA_256),
    (oid("1.2.840.10045.4.3.3"), ID_SHA_384),
    (oid("1.2.840.10045.4.3.4"), ID_SHA_512),
];
/// As much of a name as is repeated.
const MOST_CHARS: usize = 200;

/// `ESSCertIDv2`; without the algorithm it is `ESSCertID`.
#[derive(Sequence)]
struct NamedCertificate {
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<Any>,
}

/// `SigningCertificate` and `SigningCertificateV2`: the first is the one that signed.
#[derive(Sequence)]
struct NamedCertificates {
    certs: Vec<NamedCertificate>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

/// The certificates that came with a stamp.
pub fn certificates(signed: &SignedData) -> impl Iterator<Item = &Certificate> {
    signed.certificates.iter().flat_map(|set| set.0.iter()).filter_map(|choice| match choice {
        CertificateChoices::Certificate(certificate) => Some(certificate),
        CertificateChoices::Other(_) => None,
    })
}

/// Those of the certificates that came with a stamp which are on a path.
pub fn among(signed: &SignedData, path: &[CertificateDer<'_>]) -> Result<CertificateSet, StampFault> {
    let on_path = |choice: &&CertificateChoices| {
        choice.to_der().is_ok_and(|der| path.iter().any(|needed| needed.as_ref() == der))
    };
    let came = signed.certificates.iter().flat_map(|set| set.0.iter());
    let needed: Vec<CertificateChoices> = came.filter(on_path).cloned().collect();
    CertificateSet::try_from(needed).map_err(|error| unreadable(&error))
}

/// The name of whoever a certificate is for.
pub fn subject(certificate: &Certificate) -> String {
    let name = certificate.tbs_certificate.subject.to_string();
    name.chars().filter(|c| !c.is_control()).take(MOST_CHARS).collect()
}

pub fn as_der(certificate: &Certificate) -> Result<CertificateDer<'static>, StampFault> {
    certificate.to_der().map(CertificateDer::from).map_err(|error| unreadable(&error))
}

/// The certificate whose key signed `content`. Whether it is believed is another question.
pub fn check(message: &SignedData, content: &[u8]) -> Result<Certificate, StampFault> {
    let [signer] = message.signer_infos.0.as_slice() else {
        return Err(StampFault::Unreadable("not one has signed it".to_owned()));
    };
    let certificate = certificates(message).find(|certificate| names(&signer.sid, certificate));
    let certificate = certificate
        .ok_or_else(|| StampFault::Unreadable("it has no certificate of its authority".to_owned()))?;
    let attributes = signer.signed_attrs.as_ref().ok_or(StampFault::Signature)?;
    // As a set, and not by the tag that it has in the message (RFC 5652, 5.4).
    let signed_bytes = attributes.to_der().map_err(|error| unreadable(&error))?;
    let hash = hash_of(&signer.digest_alg.oid)?;
    let digest = digest::digest(hash, content);
    let told: Option<OctetString> = attribute(signer, &ID_MESSAGE_DIGEST);
    let kind: Option<ObjectIdentifier> = attribute(signer, &ID_CONTENT_TYPE);
    if told.is_none_or(|told| told.as_bytes() != digest.as_ref()) || kind != Some(ID_INFO) {
        return Err(StampFault::Signature);
    }
    let der = as_der(certificate)?;
    if !is_named(signer, &der)? {
        return Err(StampFault::Signature);
    }
    let by = EndEntityCert::try_from(&der).map_err(|error| StampFault::Certificate(error.to_string()))?;
    by.verify_signature(algorithm(signer, certificate)?, &signed_bytes, signer.signature.as_bytes())
        .map_err(|_| StampFault::Signature)?;
    Ok(certificate.clone())
}

fn names(sid: &SignerIdentifier, certificate: &Certificate) -> bool {
    let told = &certificate.tbs_certificate;
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            named.issuer == told.issuer && named.serial_number == told.serial_number
        }
        // Time stamps name the issuer (RFC 3161, 2.4.2 by RFC 5816).
        SignerIdentifier::SubjectKeyIdentifier(_) => false,
    }
}

/// Whether what is signed names the certificate by its hash, as it must.
fn is_named(signer: &SignerInfo, certificate: &[u8]) -> Result<bool, StampFault> {
    if has_attribute(signer, &ID_SIGNING_CERTIFICATE_V2) {
        let newer: Option<NamedCertificates> = attribute(signer, &ID_SIGNING_CERTIFICATE_V2);
        let Some(first) = newer.as_ref().and_then(|named| named.certs.first()) else { return Ok(false) };
        let hash = first.hash_algorithm.as_ref().map_or(Ok(&digest::SHA256), |named| hash_of(&named.oid))?;
        return Ok(digest::digest(hash, certificate).as_ref() == first.cert_hash.as_bytes());
    }
    let older: Option<NamedCertificates> = attribute(signer, &ID_SIGNING_CERTIFICATE);
    let sha_1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
    Ok(older
        .and_then(|named| named.certs.into_iter().next())
        .is_some_and(|first| first.cert_hash.as_bytes() == sha_1.as_ref()))
}

fn has_attribute(signer: &SignerInfo, oid: &ObjectIdentifier) -> bool {
    signer.signed_attrs.iter().flat_map(|all| all.iter()).any(|one| one.oid == *oid)
}

/// The one value of a signed attribute.
fn attribute<T: for<'a> der::Decode<'a> + der::FixedTag>(
    signer: &SignerInfo,
    oid: &ObjectIdentifier,
) -> Option<T> {
    let mut named = signer.signed_attrs.iter().flat_map(|all| all.iter()).filter(|one| one.oid == *oid);
    let (only, None) = (named.next()?, named.next()) else { return None };
    let [value] = only.values.as_slice() else { return None };
    T::from_der(&value.to_der().ok()?).ok()
}

fn hash_of(oid: &ObjectIdentifier) -> Result<&'static digest::Algorithm, StampFault> {
    match *oid {
        ID_SHA_256 => Ok(&digest::SHA256),
        ID_SHA_384 => Ok(&digest::SHA384),
        ID_SHA_512 => Ok(&digest::SHA512),
        other => Err(StampFault::Unsupported(format!("hash {other}"))),
    }
}

/// How the key of a certificate signed.
fn algorithm(
    signer: &SignerInfo,
    certificate: &Certificate,
) -> Result<&'static dyn SignatureVerificationAlgorithm, StampFault> {
    let told = signer.signature_algorithm.oid;
    let hash = match WITH_HASH.iter().find(|(with, _)| *with == told) {
        Some((_, hash)) => *hash,
        // These name no hash: it is that of the content.
        None if told == ID_RSA || told == ID_ED_25519 => signer.digest_alg.oid,
        None => return Err(StampFault::Unsupported(format!("signature {told}"))),
    };
    let key = &certificate.tbs_certificate.subject_public_key_info.algorithm;
    let curve = key.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    Ok(match (key.oid, curve, hash) {
        (ID_RSA, _, ID_SHA_256) => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        (ID_RSA, _, ID_SHA_384) => webpki::ring::RSA_PKCS1_2048_8192_SHA384,
        (ID_RSA, _, ID_SHA_512) => webpki::ring::RSA_PKCS1_2048_8192_SHA512,
        (ID_EC, Some(ID_P_256), ID_SHA_256) => webpki::ring::ECDSA_P256_SHA256,
        (ID_EC, Some(ID_P_256), ID_SHA_384) => webpki::ring::ECDSA_P256_SHA384,
        (ID_EC, Some(ID_P_384), ID_SHA_256) => webpki::ring::ECDSA_P384_SHA256,
        (ID_EC, Some(ID_P_384), ID_SHA_384) => webpki::ring::ECDSA_P384_SHA384,
        (ID_ED_25519, ..) => webpki::ring::ED25519,
        (key, _, hash) => return Err(StampFault::Unsupported(format!("key {key} with hash {hash}"))),
    })
}
