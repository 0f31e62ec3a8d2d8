//! What operators must know of the catalog: that it was restored, that it is not sound. Kept in the catalog itself, so that
//! a restart does not hide it, and shown on the page.

use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_model::{Message, Millis, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a restoration is shown to operators.
const TOLD_FOR: Duration = Duration::from_hours(7 * 24);

/// What was found in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It could not be used, and something else is in its place.
    Restored,
    /// The last check failed.
    Unsound,
}

impl Found {
    /// The setting that holds it.
    fn setting(self) -> &'static str {
        match self {
            Self::Restored => "catalog restored",
            Self::Unsound => "catalog check",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Told {
    at: Timestamp,
    text: String,
}

/// Keeps the notice for operators; with `None` there is none. Returns whether it is in the catalog now.
pub fn tell(catalog: &Catalog, found: Found, told: Option<(Timestamp, String)>) -> bool {
    let told = told.map(|(at, text)| Told { at, text });
    let (key, text) =
        (found.setting(), told.and_then(|told| serde_json::to_string(&told).ok()).unwrap_or_default());
    let is_told_already = catalog.setting(key).is_ok_and(|known| known.unwrap_or_default() == text);
    if !is_told_already && let Err(error) = catalog.set_setting(key, &text) {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "what was found in the catalog cannot be kept"
        );
        return false;
    }
    true
}

/// What operators must know of the catalog now.
///
/// # Errors
/// The catalog cannot be read.
pub fn notice(catalog: &Catalog, now: Timestamp) -> Result<Option<Message>, CatalogError> {
    let mut texts = Vec::new();
    for found in [Found::Unsound, Found::Restored] {
        let Some(told) = catalog.setting(found.setting())? else { continue };
        let Ok(told) = serde_json::from_str::<Told>(&told) else { continue };
        if found == Found::Unsound || now.since(told.at) < Millis::from(TOLD_FOR) {
            texts.push(told.text);
        }
    }
    Ok((!texts.is_empty()).then(|| texts.join(" ").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_day(day: i64) -> Timestamp {
        Timestamp::from_unix_micros(1_763_110_740_000_000 + day * 86_400_000_000).unwrap()
    }

    #[test]
    fn a_restoration_is_told_for_a_week_and_what_is_not_sound_until_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(dir.path()).unwrap();
        let told = |day| notice(&catalog, on_day(day)).unwrap().map(|notice| notice.to_string());
        assert_eq!(told(0), None);
        assert!(tell(&catalog, Found::Restored, Some((on_day(0), "It was restored.".to_owned()))));
        assert!(tell(&catalog, Found::Unsound, Some((on_day(0), "It is not sound.".to_owned()))));
        assert_eq!(told(6).unwrap(), "It is not sound. It was restored.");
        assert_eq!(told(8).unwrap(), "It is not sound.");
        // A restart hides neither.
        let again = Catalog::open(dir.path()).unwrap();
        assert!(notice(&again, on_day(6)).unwrap().is_some());
        assert!(tell(&catalog, Found::Unsound, None));
        assert_eq!((told(6).unwrap().as_str(), told(8)), ("It was restored.", None));
    }
}
