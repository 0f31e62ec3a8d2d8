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

use crate::config::{TimeStampConfig, is_of_this_machine};

/// Between two looks whether an image has no stamp yet.
const LOOK: Duration = Duration::from_secs(5);
/// The longest wait while the authority gives none.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// Between two requests: an authority serves others, too.
const PAUSE: Duration = Duration::from_millis(300);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no stamp.
#[derive(Debug, thiserror::Error)]
pub enum Unstamped {
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

/// Who stamps the manifests of a directory of images.
pub struct TimeStamps {
    store: ImageStore,
    authority: Arc<Authority>,
}

/// What came of one look.
#[derive(Debug, Default)]
pub struct Stamped {
    /// Manifests that have a stamp now.
    pub count: usize,
    /// Why one has none, where that is so.
    pub problem: Option<Unstamped>,
}

/// Stamps what has no stamp, for ever. Where nobody is to be asked, or no images are kept here, it ends at once.
pub async fn keep(store: Option<ImageStore>, config: TimeStampConfig) {
    let Some(store) = store else { return };
    let stamps = match TimeStamps::new(store, config) {
        Ok(Some(stamps)) => stamps,
        Ok(None) => return,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "manifests get no time stamps");
            return;
        }
    };
    let mut backoff = Backoff::new(LOOK, LONGEST_WAIT);
    let mut is_reported = false;
    loop {
        let Stamped { count, problem } = stamps.stamp_all().await;
        if count > 0 {
            backoff.reset();
        }
        let Some(problem) = problem else {
            if std::mem::take(&mut is_reported) {
                tracing::info!("manifests get time stamps again");
            }
            tokio::time::sleep(LOOK).await;
            continue;
        };
        if !std::mem::replace(&mut is_reported, true) {
            let error = &problem as &dyn std::error::Error;
            tracing::error!(error, "a manifest has no time stamp; trying again");
        }
        tokio::time::sleep(backoff.wait()).await;
    }
}

impl TimeStamps {
    /// Asks the authority of the configuration; `None` if there is none.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(store: ImageStore, config: TimeStampConfig) -> Result<Option<Self>, reqwest::Error> {
        let Some(url) = config.url else { return Ok(None) };
        let builder = Client::builder().redirect(redirect::Policy::none()).timeout(PATIENCE);
        let builder = if is_of_this_machine(&url) { builder.no_proxy() } else { builder };
        // Without TLS nobody needs to know whom this machine trusts.
        let builder = if url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        let authority = Authority { http: builder.build()?, url, believed: config.authorities };
        Ok(Some(Self { store, authority: Arc::new(authority) }))
    }

    /// Stamps each image that has none, with a pause between two. What is wrong with one keeps no other from its stamp; an
    /// authority that gives none is asked again later.
    pub async fn stamp_all(&self) -> Stamped {
        let mut stamped = Stamped::default();
        let store = self.store.clone();
        let waiting = match blocking(move || store.unstamped()).await {
            Ok(waiting) => waiting,
            Err(error) => return Stamped { problem: Some(error.into()), ..stamped },
        };
        for image in waiting {
            match stamp(image.clone(), &self.authority).await {
                Ok(TimeStamp { at, by, .. }) => {
                    tracing::info!(image = %image.display(), %at, by, "a manifest has its time stamp");
                    stamped.count += 1;
                }
                // It was deleted a moment ago, or is damaged: to verify it tells more.
                Err(error @ Unstamped::Manifest(_)) => {
                    tracing::debug!(image = %image.display(), error = &error as &dyn std::error::Error, "no time stamp");
                }
                Err(error @ Unstamped::Store(_)) => {
                    tracing::debug!(image = %image.display(), error = &error as &dyn std::error::Error, "no time stamp");
                    stamped.problem = Some(error);
                }
                Err(error) => return Stamped { problem: Some(error), ..stamped },
            }
            tokio::time::sleep(PAUSE).await;
        }
        stamped
    }
}

async fn stamp(image: PathBuf, authority: &Arc<Authority>) -> Result<TimeStamp, Unstamped> {
    let read = image.clone();
    let sha256 = blocking(move || manifest_digest(&read)).await?;
    let request = StampRequest::of(sha256)?;
    let response = authority.ask(&request).await?;
    // Only what holds is kept: it is never asked for again.
    let authority = Arc::clone(authority);
    blocking(move || {
        let (stamp, kept) = request.accept(&response, &authority.believed)?;
        keep_time_stamp(&image, &kept)?;
        Ok(stamp)
    })
    .await
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
