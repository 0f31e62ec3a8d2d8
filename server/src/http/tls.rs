//! TLS in front of the routes: certificate and key from PEM files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};

use crate::config::TlsFiles;
use crate::ownership;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is not what it should be.
    #[error("{setting} names {path}, which cannot be used: {reason}")]
    File { setting: &'static str, path: PathBuf, reason: String },
    /// The two do not fit each other, or rustls does not take them.
    #[error("the certificate in {cert} and the key in {key} cannot be used together")]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        source: rustls::Error,
    },
}

/// Reads the files. A key that others can read is logged.
///
/// # Errors
/// A file cannot be read, or the files are no certificate and its key.
pub fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unusable("TLS_KEY", &files.key, reason(&error, "private key")))?;
    warn_of_readers(&files.key);
    let file = std::fs::File::open(&files.key)
        .map_err(|error| unusable("TLS_KEY", &files.key, error.to_string()))?;
    ownership::check_file(&files.key, &file)
        .map_err(|error| unusable("TLS_KEY", &files.key, error.to_string()))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|source| TlsError::Pair { cert: files.cert.clone(), key: files.key.clone(), source })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificates in `path`, that of the service first.
///
/// # Errors
/// The file cannot be read or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable("TLS_CERT", path, reason(&error, "certificate")))?;
    if found.is_empty() {
        return Err(unusable("TLS_CERT", path, "there is no PEM certificate in it".to_owned()));
    }
    Ok(found)
}

fn unusable(setting: &'static str, path: &Path, reason: String) -> TlsError {
    TlsError::File { setting, path: path.to_owned(), reason }
}

fn reason(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("there is no PEM {wanted} in it"),
        pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn warn_of_readers(key: &Path) {
    let Ok(metadata) = std::fs::metadata(key) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            key = %key.display(),
            mode = format!("{mode:o}"),
            "others than its owner have access to the private key of TLS: chmod 600"
        );
    }
}
