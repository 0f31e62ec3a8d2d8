//! How stored images are looked after.

use std::time::Duration;

use memdeck_machine::ImageCare;

use super::settings::{VERIFY_BANDWIDTH, VERIFY_EVERY_DAYS};
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
