//! The key with which this host signs manifests: made at the first start, exchanged when somebody asks.

use std::path::Path;
use std::sync::Arc;

use memdeck_catalog::Catalog;
use memdeck_clock::{Clock as _, SystemClock};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult, NewEntry};
use memdeck_model::{
    Actor, HostChainEnd, HostSigning, Message, Problem, ProblemKind, RotatedKey, with_causes,
};
use memdeck_operations::audit::{Audit, Deed};
use memdeck_operations::{Caller, blocking};
use memdeck_signing::{HostChain, HostSigner, KeyFiles};

/// Who signs the dumps of this process, with the key of its state directory, which is made if there is none. A key that cannot
/// be used keeps no dump from being taken: its manifest says so, and so does the log.
pub fn open(state_dir: &Path, catalog: &Catalog) -> Arc<HostSigner> {
    let now = SystemClock::new().now();
    match KeyFiles::of(state_dir).read_or_make(now) {
        Ok((key, false)) => tracing::debug!(key = %key.public().id(), "manifests are signed"),
        Ok((key, true)) => {
            let key = key.public().id();
            tracing::info!(%key, "made the key that signs manifests; memdeck signing-key export prints its public half");
            let entry =
                NewEntry::new(now, Actor::Service, AuditAction::SigningKeyMade, AuditObject::SigningKey);
            let details = AuditDetails { value: Some(key.to_string()), ..AuditDetails::default() };
            if let Err(error) = catalog.note(&entry.with(details)) {
                tracing::error!(error = &error as &dyn std::error::Error, "the new key is not in the audit");
            }
        }
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "manifests are not signed; memdeck doctor says what to do"
        ),
    }
    Arc::new(HostSigner::of(state_dir))
}

/// What others need to check what this host signs. Blocks.
///
/// # Errors
/// A file of the keys or of the chain cannot be read or believed.
pub fn told(keys: &KeyFiles) -> Result<HostSigning, Problem> {
    let unusable = |error: &dyn std::error::Error| Problem::new(ProblemKind::Internal, with_causes(error));
    let found = keys.facts().map_err(|error| unusable(&error))?;
    let end = |HostChain { id, number, manifest_sha256, .. }| HostChainEnd { id, number, manifest_sha256 };
    let chain = HostChain::read(keys.state_dir()).map_err(|error| unusable(&error))?;
    Ok(HostSigning { keys: found.into_iter().map(|(key, _)| key).collect(), chain: chain.map(end) })
}

/// Another key signs from the next dump on.
///
/// # Errors
/// It cannot be noted, or a file cannot be written; then the key is as it was.
pub async fn rotate(keys: KeyFiles, audit: &Audit, caller: &Caller) -> Result<RotatedKey, Problem> {
    let deed = Deed::new(AuditAction::SigningKeyRotated, AuditObject::SigningKey);
    let begun = audit.begin(caller, deed).await?;
    match blocking(move || keys.rotate(SystemClock::new().now())).await {
        Ok(rotated) => {
            let details = AuditDetails {
                before: rotated.before.as_ref().map(ToString::to_string),
                value: Some(rotated.key.id.to_string()),
                ..AuditDetails::default()
            };
            begun.end(AuditResult::Succeeded, details).await;
            tracing::info!(key = %rotated.key.id, "another key signs manifests now");
            Ok(rotated)
        }
        Err(error) => {
            let why = Message::new(with_causes(&error));
            begun.end(AuditResult::Failed, AuditDetails::because(&why)).await;
            Err(Problem::new(ProblemKind::Internal, why))
        }
    }
}
