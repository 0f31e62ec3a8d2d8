//! How stored images are looked after.

use std::sync::Arc;
use std::time::Duration;

use memdeck_machine::ImageCare;
use memdeck_signing::Authorities;
use reqwest::Url;

use super::http_url;
use super::settings::{TIMESTAMP_CA, TIMESTAMP_URL, VERIFY_BANDWIDTH, VERIFY_EVERY_DAYS};
use super::sources::{ConfigError, Sources};

const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// How often images are verified again, and how fast.
///
/// # Errors
/// A value is not allowed.
pub fn care(sources: &Sources) -> Result<ImageCare, ConfigError> {
    let days = sources.parse(&VERIFY_EVERY_DAYS, 30.0, "days from 0 to 3650, 0 for never", |text| {
        text.parse().ok().filter(|days: &f64| (0.0..=3650.0).contains(days))
    })?;
    let bandwidth_mibps = sources.parse(
        &VERIFY_BANDWIDTH,
        100,
        "a whole number of MiB per second from 0 to 1000000, 0 for no limit",
        |text| text.parse().ok().filter(|mibps| *mibps <= 1_000_000),
    )?;
    Ok(ImageCare { every: Duration::from_secs_f64(days * SECONDS_OF_A_DAY), bandwidth_mibps })
}

/// Who says when a manifest was there.
#[derive(Clone, Debug, Default)]
pub struct TimeStampConfig {
    /// Who is asked for the stamps of this host, if anybody is.
    pub url: Option<Url>,
    /// Whose stamps are believed.
    pub authorities: Arc<Authorities>,
}

/// Who stamps manifests, and whose stamps are believed.
///
/// # Errors
/// A value is not allowed, or the file cannot be used.
pub fn time_stamps(sources: &Sources) -> Result<TimeStampConfig, ConfigError> {
    let url = http_url(sources, &TIMESTAMP_URL)?;
    let Some(file) = sources.text(&TIMESTAMP_CA).filter(|file| !file.is_empty()) else {
        return match url {
            // A stamp that nobody can check would be kept for years as if it were one.
            Some(_) => Err(ConfigError::Missing(format!(
                "{} is set and {} is not: without it no stamp can be checked",
                TIMESTAMP_URL.name(),
                TIMESTAMP_CA.name()
            ))),
            None => Ok(TimeStampConfig::default()),
        };
    };
    let wrong = |why: String| ConfigError::Missing(format!("{} is {file}: {why}", TIMESTAMP_CA.name()));
    let pem = std::fs::read(file).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    let authorities = Authorities::from_pem(&pem).map_err(|fault| wrong(fault.to_string()))?;
    Ok(TimeStampConfig { url, authorities: Arc::new(authorities) })
}
