//! Has the manifests of this host's images stamped with the time by an authority (RFC 3161). Nothing waits for it: an image is sealed
//! without, and its stamp comes when the authority answers. Which images wait is to be seen in their directory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use memdeck_image::{ImageStore, ManifestError, StoreError, keep_time_stamp, manifest_digest};
use memdeck_influx::Backoff;
use memdeck_operations::blocking;
use memdeck_signing::{Authorities, StampFault, StampRequest, TIME_STAMP_MOST_BYTES, TimeStamp};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, StatusCode, Url, redirect};

use crate::config::TimeStampConfig;

/// Between two looks whether an image has no stamp yet.
const LOOK: Duration = Duration::from_secs(5);
/// The longest wait while the authority gives none.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no stamp.
#[derive(Debug, thiserror::Error)]
enum Unstamped {
    #[error("the directory of the images cannot be used")]
    Store(#[from] StoreError),
    #[error("the manifest cannot be read")]
    Manifest(#[from] ManifestError),
    #[error("the authority cannot be reached")]
    NoAnswer(#[from] reqwest::Error),
    #[error("the authority answers with status {0}")]
    Status(StatusCode),
    #[error("the authority answers more than {TIME_STAMP_MOST_BYTES} bytes")]
    TooLong,
    #[error("the answer of the authority is of no use")]
    Fault(#[from] StampFault),
}

/// Stamps what has no stamp, for ever. Where nobody is to be asked, or no images are kept here, it ends at once.
pub async fn keep(store: Option<ImageStore>, config: TimeStampConfig) {
    let (Some(store), Some(url)) = (store, config.url.clone()) else { return };
    let client = Client::builder().redirect(redirect::Policy::none()).timeout(PATIENCE).build();
    let http = match client {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "manifests get no time stamps");
            return;
        }
    };
    let authority = Authority { http, url, believed: config.authorities };
    let mut backoff = Backoff::new(LOOK, LONGEST_WAIT);
    let mut is_reported = false;
    loop {
        match stamp_all(&store, &authority).await {
            Ok(()) => {
                backoff.reset();
                if std::mem::take(&mut is_reported) {
                    tracing::info!("manifests get time stamps again");
                }
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => {
                if !std::mem::replace(&mut is_reported, true) {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a manifest has no time stamp; trying again"
                    );
                }
                tokio::time::sleep(backoff.wait()).await;
            }
        }
    }
}

/// Stamps each image that has none. One that has no readable manifest keeps no other from its own.
async fn stamp_all(store: &ImageStore, authority: &Authority) -> Result<(), Unstamped> {
    let listed = store.clone();
    for image in blocking(move || listed.unstamped()).await? {
        match stamp(image.clone(), authority).await {
            Ok(TimeStamp { at, by, .. }) => {
                tracing::info!(image = %image.display(), %at, by, "a manifest has its time stamp");
            }
            // It was deleted a moment ago, or is damaged: to verify it tells more.
            Err(error @ Unstamped::Manifest(_)) => {
                tracing::debug!(image = %image.display(), error = &error as &dyn std::error::Error, "no time stamp");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn stamp(image: PathBuf, authority: &Authority) -> Result<TimeStamp, Unstamped> {
    let read = image.clone();
    let sha256 = blocking(move || manifest_digest(&read)).await?;
    let request = StampRequest::of(sha256)?;
    let response = authority.ask(&request).await?;
    // Only what holds is kept: it is never asked for again.
    let (stamp, kept) = request.accept(&response, &authority.believed)?;
    blocking(move || keep_time_stamp(&image, &kept)).await?;
    Ok(stamp)
}

/// Who is asked.
struct Authority {
    http: Client,
    url: Url,
    believed: Arc<Authorities>,
}

impl Authority {
    /// As RFC 3161, section 3.4, wants it.
    async fn ask(&self, request: &StampRequest) -> Result<Vec<u8>, Unstamped> {
        let call = self.http.post(self.url.clone());
        let call = call.header(CONTENT_TYPE, "application/timestamp-query");
        let call = call.header(ACCEPT, "application/timestamp-reply").body(request.der().to_vec());
        let mut answer = call.send().await?;
        if answer.status() != StatusCode::OK {
            return Err(Unstamped::Status(answer.status()));
        }
        let mut response = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if response.len() + chunk.len() > TIME_STAMP_MOST_BYTES {
                return Err(Unstamped::TooLong);
            }
            response.extend_from_slice(&chunk);
        }
        Ok(response)
    }
}
