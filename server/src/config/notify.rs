//! From when on something is worth a notice.

use std::time::Duration;

use memdeck_model::{ByteCount, Millis};
use memdeck_operations::NoticeLimits;

use super::settings::{NOTIFY_FREE, NOTIFY_PAUSE};
use super::{ConfigError, Sources};

pub fn limits(sources: &Sources) -> Result<NoticeLimits, ConfigError> {
    let pause = sources.parse(
        &NOTIFY_PAUSE,
        Duration::from_secs(10),
        "a number of seconds from 0.01 to 86400",
        |text| {
            let seconds = text.parse::<f64>().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds))?;
            Some(Duration::from_secs_f64(seconds))
        },
    )?;
    let free_gib = sources.parse(&NOTIFY_FREE, 10, "a whole number of GiB from 0 to 1000000", |text| {
        text.parse().ok().filter(|gib: &u64| *gib <= 1_000_000)
    })?;
    Ok(NoticeLimits { pause: Millis::from(pause), free: ByteCount(free_gib << 30) })
}
