//! The authorities whose time is believed.

use std::time::Duration;

use cms::signed_data::SignedData;
use der::Decode as _;
use der::asn1::ObjectIdentifier;
use memdeck_model::{TimeStampCheck, Timestamp};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage as CertificateKeyUsage};
use x509_cert::time::Validity;

use super::StampFault;
use super::signed::{as_der, certificates};

/// `id-kp-timeStamping` (RFC 5280, 4.2.1.12), and its DER without tag and length.
const ID_KP_TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// What the certificate of an authority must say, and that it is critical (RFC 3161, 2.3).
pub(super) fn is_for_time_stamps(certificate: &Certificate) -> bool {
    let told = &certificate.tbs_certificate;
    // Where it says what its key is for, signing is among that.
    let signs = match told.get::<CertificateKeyUsage>() {
        Ok(None) => true,
        Ok(Some((_, usage))) => usage.digital_signature() || usage.non_repudiation(),
        Err(_) => false,
    };
    let purposes = told.get::<ExtendedKeyUsage>();
    signs
        && matches!(purposes, Ok(Some((true, ExtendedKeyUsage(purposes)))) if purposes == [ID_KP_TIME_STAMPING])
}

/// Certificates that vouch for those of authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    /// Whether a stamp by one for whom they vouch is asked for.
    is_demanded: bool,
}

/// Why a file names no authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthoritiesFault {
    /// No PEM, or one of something else.
    #[error("it holds no certificate in PEM (BEGIN CERTIFICATE)")]
    None,
    /// One of them cannot be read.
    #[error("its certificate number {number} is of no use: {why}")]
    Unusable {
        /// From 1.
        number: usize,
        why: String,
    },
}

impl Authorities {
    /// The certificates in a PEM file.
    ///
    /// # Errors
    /// There is none, or one is of no use.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthoritiesFault> {
        let mut certificates = Vec::new();
        for (index, read) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let unusable = |why: String| AuthoritiesFault::Unusable { number: index.saturating_add(1), why };
            let certificate = read.map_err(|error| unusable(error.to_string()))?;
            anchor_from_trusted_cert(&certificate).map_err(|error| unusable(error.to_string()))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            Err(AuthoritiesFault::None)
        } else {
            Ok(Self { certificates, is_demanded: false })
        }
    }

    /// The same, for whoever wants a stamp of one of them.
    #[must_use]
    pub fn demanded(self) -> Self {
        Self { is_demanded: true, ..self }
    }

    /// Whether a manifest with such a stamp is not vouched for as it should be.
    #[must_use]
    pub fn is_doubtful(&self, found: &TimeStampCheck) -> bool {
        match found {
            TimeStampCheck::Valid { .. } => false,
            TimeStampCheck::Wrong => true,
            // Without any authority nobody expects to know whose it is.
            TimeStampCheck::UnknownAuthority { .. } => self.is_demanded || !self.certificates.is_empty(),
            // What was taken a moment ago waits for its stamp, and what is older than the setting may have none.
            TimeStampCheck::None | TimeStampCheck::NotChecked => self.is_demanded,
        }
    }

    /// The certificates by which one of them vouches for `certificate`, that one first, as of that time; `None` if none of them does.
    ///
    /// # Errors
    /// The certificate itself is none of an authority for time stamps, or did not hold then.
    pub(super) fn path_to(
        &self,
        certificate: &Certificate,
        signed: &SignedData,
        at: Timestamp,
    ) -> Result<Option<Vec<CertificateDer<'static>>>, StampFault> {
        if !is_for_time_stamps(certificate) {
            return Err(StampFault::Certificate("it is not for time stamps alone".to_owned()));
        }
        if !held_at(certificate, at) {
            return Err(StampFault::Certificate(format!("it did not hold at {at}")));
        }
        let der = as_der(certificate)?;
        let between = certificates(signed).map(as_der).collect::<Result<Vec<_>, _>>()?;
        // From one that vouches for itself as far as may be: what lies between is needed by whoever believes that one alone.
        let (roots, others): (Vec<_>, Vec<_>) =
            self.certificates.iter().partition(|certificate| is_self_issued(certificate));
        Ok([roots, others].iter().find_map(|anchors| path(&der, &between, anchors, at)))
    }

    /// Whether a certificate is one of theirs.
    pub(super) fn have(&self, certificate: &[u8]) -> bool {
        self.certificates.iter().any(|own| own.as_ref() == certificate)
    }
}

/// From a certificate to one of `anchors`, that one left out. Nobody vouches for what cannot be followed, for whatever reason.
fn path(
    certificate: &CertificateDer<'static>,
    between: &[CertificateDer<'_>],
    anchors: &[&CertificateDer<'static>],
    at: Timestamp,
) -> Option<Vec<CertificateDer<'static>>> {
    let anchors: Vec<TrustAnchor<'_>> =
        anchors.iter().filter_map(|anchor| anchor_from_trusted_cert(anchor).ok()).collect();
    let seconds = u64::try_from(at.unix_seconds()).unwrap_or(0);
    let authority = EndEntityCert::try_from(certificate).ok()?;
    let found = authority.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        between,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        // Of those between. What the authority's own says was seen before.
        KeyUsage::required_if_present(TIME_STAMPING),
        None,
        None,
    );
    let path = found.ok()?;
    let used = path.intermediate_certificates().map(|between| between.der().into_owned());
    Some(std::iter::once(certificate.clone()).chain(used).collect())
}

fn held_at(certificate: &Certificate, at: Timestamp) -> bool {
    let Validity { not_before, not_after } = certificate.tbs_certificate.validity;
    let seconds = u64::try_from(at.unix_seconds()).unwrap_or(0);
    (not_before.to_unix_duration().as_secs()..=not_after.to_unix_duration().as_secs()).contains(&seconds)
}

fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    Certificate::from_der(certificate)
        .is_ok_and(|read| read.tbs_certificate.subject == read.tbs_certificate.issuer)
}
