//! What was read out of an image as the file beside it keeps it: JSON, with the hash of the image's manifest, so that it speaks
//! of that image alone.

use std::path::Path;

use memdeck_image::{kept_inside, read_manifest};
use memdeck_model::{INSIDE_VERSION, Inside, Record, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    /// SHA-256 of the manifest, 64 hexadecimal digits.
    manifest_sha256: String,
    read_at: Timestamp,
    inside: T,
}

/// The part of [`Inside`] that every version of it has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// As it is kept.
///
/// # Errors
/// It cannot be expressed as JSON.
pub fn to_kept(
    inside: &Inside,
    manifest_sha256: &str,
    read_at: Timestamp,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Kept { manifest_sha256: manifest_sha256.to_owned(), read_at, inside })
}

/// What was kept, and when it was read; `None` if it is of another version, of another image, or not whole: then the image is
/// to be read anew.
#[must_use]
pub fn from_kept(json: &[u8], manifest_sha256: &str) -> Option<(Timestamp, Inside)> {
    let kept: Kept<Versioned> = serde_json::from_slice(json).ok()?;
    if kept.inside.version != INSIDE_VERSION || kept.manifest_sha256 != manifest_sha256 {
        return None;
    }
    let kept: Kept<Inside> = serde_json::from_slice(json).ok()?;
    Some((kept.read_at, kept.inside))
}

/// What was read inside of the guest earlier and is kept beside its image; `None` where there is nothing that can be used.
#[must_use]
pub fn kept_beside(image: &Path, record: &Record) -> Option<Inside> {
    let json = kept_inside(image).ok()??;
    let manifest = match &record.manifest_sha256 {
        Some(recorded) => recorded.clone(),
        None => read_manifest(image).ok()??.sha256,
    };
    from_kept(&json, &manifest).map(|(_, inside)| inside)
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestSystem, InsideTable, Millis};
    use serde_json::Value;

    use super::*;

    fn inside() -> Inside {
        Inside {
            version: INSIDE_VERSION,
            dump_id: None,
            guest: None,
            taken_at: None,
            took_ms: Millis(7),
            system: GuestSystem::default(),
            lists_compared: true,
            processes: InsideTable::default(),
            open_files: InsideTable::default(),
            modules: InsideTable::default(),
            interfaces: InsideTable::default(),
            connections: InsideTable::default(),
            kernel_log: InsideTable::default(),
            mapped: None,
        }
    }

    #[test]
    fn what_is_kept_speaks_of_its_own_image_in_its_own_version_and_whole_or_not_at_all() {
        let at: Timestamp = "2025-11-14T08:58:23Z".parse().unwrap();
        let kept = to_kept(&inside(), "aa", at).unwrap();
        assert_eq!(from_kept(&kept, "aa"), Some((at, inside())));
        assert_eq!(from_kept(&kept, "bb"), None, "the manifest of another image");
        for version in [0, INSIDE_VERSION + 1] {
            let mut other: Value = serde_json::from_slice(&kept).unwrap();
            other["inside"] = serde_json::json!({"version": version, "tables": "of another form"});
            assert_eq!(from_kept(other.to_string().as_bytes(), "aa"), None, "{version}");
        }
        for length in 0..kept.len() {
            assert_eq!(from_kept(&kept[..length], "aa"), None, "{length} bytes");
        }
    }
}
