//! The names of the files that make up a stored image.
//!
//! `<stem>` is `<sanitised guest>_<dump id>`. The id is what follows the last `_`, so an id with `_` has no file.

use std::path::{Path, PathBuf};

use memdeck_model::{DumpId, GuestName};

pub(crate) const IMAGE_SUFFIX: &str = ".elf.zst";
pub(crate) const PARTIAL_SUFFIX: &str = ".elf.zst.partial";
pub(crate) const MANIFEST_SUFFIX: &str = ".json";
/// A signature over the manifest's bytes. Both are kept when the image is deleted.
pub(crate) const SIGNATURE_SUFFIX: &str = ".json.sig";
/// What an authority says of when the manifest was there. It comes later, and is kept as long.
pub(crate) const TIME_STAMP_SUFFIX: &str = ".json.tsr";
pub(crate) const PARTIAL_TIME_STAMP_SUFFIX: &str = ".json.tsr.partial";
pub(crate) const CHECKSUM_SUFFIX: &str = ".sha256";
pub(crate) const PAGE_MAP_SUFFIX: &str = ".pages";
pub(crate) const DIGESTS_SUFFIX: &str = ".blake3";
/// What was read out of the image later; no part of it.
pub(crate) const INSIDE_SUFFIX: &str = ".inside.json";
pub(crate) const PARTIAL_INSIDE_SUFFIX: &str = ".inside.json.partial";
const MAX_GUEST_CHARS: usize = 64;

/// The name all files of a dump share; `None` if the id would make it ambiguous.
pub(crate) fn stem(guest: &GuestName, dump_id: &DumpId) -> Option<String> {
    (!dump_id.as_str().contains('_')).then(|| format!("{}_{dump_id}", sanitised(guest)))
}

/// Whether a file name is that of an image or of a file beside it, finished or not, of this dump.
pub(crate) fn belongs_to(name: &str, dump_id: &DumpId) -> bool {
    const SUFFIXES: [&str; 11] = [
        PARTIAL_SUFFIX,
        IMAGE_SUFFIX,
        MANIFEST_SUFFIX,
        SIGNATURE_SUFFIX,
        TIME_STAMP_SUFFIX,
        PARTIAL_TIME_STAMP_SUFFIX,
        CHECKSUM_SUFFIX,
        PAGE_MAP_SUFFIX,
        DIGESTS_SUFFIX,
        INSIDE_SUFFIX,
        PARTIAL_INSIDE_SUFFIX,
    ];
    SUFFIXES
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix)?.rsplit_once('_'))
        .any(|(guest, id)| !guest.is_empty() && id == dump_id.as_str())
}

/// The dump whose file with that suffix has that name.
pub(crate) fn dump_id_in(name: &str, suffix: &str) -> Option<DumpId> {
    let (guest, id) = name.strip_suffix(suffix)?.rsplit_once('_')?;
    if guest.is_empty() { None } else { id.parse().ok() }
}

/// The dump whose image that file is, by its name; `None` if the name is not one that memdeck gave.
#[must_use]
pub fn dump_id_of(image: &Path) -> Option<DumpId> {
    dump_id_in(image.file_name()?.to_str()?, IMAGE_SUFFIX)
}

/// The file of the same image with another suffix.
pub(crate) fn companion(image: &Path, suffix: &str) -> PathBuf {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let stem = [IMAGE_SUFFIX, PARTIAL_SUFFIX, ".zst"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let stem = stem.unwrap_or(&name);
    image.with_file_name(format!("{stem}{suffix}"))
}

/// A guest's name as part of a file name: ASCII letters, digits, `.`, `_` and `-`, without a leading dot.
fn sanitised(guest: &GuestName) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let replaced = guest.0.chars().take(MAX_GUEST_CHARS).enumerate().map(|(index, c)| match c {
        '.' if index == 0 => '_',
        c if allowed(c) => c,
        _ => '_',
    });
    let name: String = replaced.collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sane(name: &str) -> String {
        sanitised(&GuestName(name.to_owned()))
    }

    #[test]
    fn a_guest_name_becomes_a_harmless_part_of_a_file_name() {
        assert_eq!(sane("web-01"), "web-01");
        assert_eq!(sane("../../etc/passwd"), "_._.._etc_passwd");
        assert_eq!(sane(".hidden"), "_hidden");
        assert_eq!(sane("größe 1"), "gr__e_1");
        assert_eq!(sane(""), "_");
        assert_eq!(sane(&"x".repeat(500)).len(), 64);
    }

    #[test]
    fn companions_stand_beside_the_image() {
        let beside = |image: &str| companion(Path::new(image), MANIFEST_SUFFIX);
        assert_eq!(beside("/d/web_1.elf.zst"), Path::new("/d/web_1.json"));
        assert_eq!(beside("web.zst"), Path::new("web.json"));
        assert_eq!(beside("/d/image"), Path::new("/d/image.json"));
    }

    #[test]
    fn a_file_belongs_to_the_dump_whose_id_ends_its_stem() {
        let id: DumpId = "a1".parse().unwrap();
        for own in [
            "web_a1.elf.zst.partial",
            "web_a1.elf.zst",
            "w_e_b_a1.json",
            "w_e_b_a1.json.sig",
            "web_a1.json.tsr",
            "web_a1.json.tsr.partial",
            "web_a1.sha256",
            "web_a1.pages",
            "web_a1.blake3",
            "web_a1.inside.json",
            "web_a1.inside.json.partial",
        ] {
            assert!(belongs_to(own, &id), "{own}");
        }
        for foreign in [
            "web_a10.json",
            "web_a10.json.sig",
            "web_ba1.json",
            "web_a1.txt",
            "_a1.json",
            "a1.json",
            "web_a1.elf.zst.old",
            "web_a1.outside.json",
            "web_a10.inside.json",
        ] {
            assert!(!belongs_to(foreign, &id), "{foreign}");
        }
    }

    #[test]
    fn the_name_of_an_image_tells_its_dump() {
        let of = |name: &str| dump_id_of(Path::new(name)).map(|id| id.to_string());
        assert_eq!(of("/d/w_e_b_a1.elf.zst").as_deref(), Some("a1"));
        for other in [
            "/d/a1.elf.zst",
            "/d/_a1.elf.zst",
            "/d/web_a1.elf.zst.partial",
            "/d/web_a1.json",
            "/d/web_.elf.zst",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn an_id_that_would_blur_the_guest_and_the_id_has_no_name() {
        let guest = GuestName("web".to_owned());
        assert_eq!(stem(&guest, &"a_b".parse().unwrap()), None);
        assert_eq!(stem(&guest, &"a-b".parse().unwrap()), Some("web_a-b".to_owned()));
    }

    proptest! {
        #[test]
        fn any_guest_name_is_safe(name in ".*") {
            let name = sane(&name);
            prop_assert!((1..=64).contains(&name.len()));
            prop_assert!(!name.starts_with('.'));
            prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
        }
    }
}
