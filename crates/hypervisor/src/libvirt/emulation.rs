//! Whether QEMU may lose writes of a guest while it copies the guest's memory in several passes.
//!
//! A guest whose processor QEMU emulates (TCG, not KVM) writes to its memory after QEMU has noted the page as changed.
//! Before QEMU 9.0 ("physmem: Fix migration dirty bitmap coherency with TCG memory access") a pass that begins in
//! between takes the note and sends the page without the write. What the last pass sends is safe, because the guest is
//! stopped by then: so a first pass and a last one make an exact image, and passes between them may not.

use crate::Cause;

/// The first version without the defect.
const FIXED_IN_MAJOR: u32 = 9;
/// The beginning of the dump, the end of the first pass, and the stop: each is counted as an iteration.
const EXACT_ITERATIONS: u64 = 3;

/// The most iterations after which an image is exact; `None` if all are. `version` is asked only if it matters; one
/// that is not known counts as old.
pub(crate) fn exact_iterations(
    domain_xml: &str,
    version: impl FnOnce() -> Option<String>,
) -> Result<Option<u64>, Cause> {
    let document = roxmltree::Document::parse(domain_xml)?;
    let is_emulated = document.root_element().attribute("type") == Some("qemu");
    let is_fixed = || version().as_deref().and_then(major).is_some_and(|major| major >= FIXED_IN_MAJOR);
    Ok((is_emulated && !is_fixed()).then_some(EXACT_ITERATIONS))
}

/// The first number of `7.2.22`.
fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, version: Option<&str>) -> Option<u64> {
        let definition = format!("<domain type='{kind}' id='1'><name>db-01</name></domain>");
        exact_iterations(&definition, || version.map(str::to_owned)).unwrap()
    }

    #[test]
    fn only_emulated_guests_of_an_old_qemu_are_limited() {
        assert_eq!(read("qemu", Some("7.2.22")), Some(EXACT_ITERATIONS));
        assert_eq!(read("qemu", Some("8.2.0")), Some(EXACT_ITERATIONS));
        assert_eq!(read("qemu", Some("9.0.0")), None);
        assert_eq!(read("qemu", Some("10.0.2")), None);
        assert_eq!(read("kvm", Some("7.2.22")), None);
    }

    #[test]
    fn a_version_that_is_not_known_counts_as_old() {
        for unknown in [None, Some(""), Some("unknown")] {
            assert_eq!(read("qemu", unknown), Some(EXACT_ITERATIONS), "{unknown:?}");
            assert_eq!(read("kvm", unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn what_is_no_xml_is_an_error() {
        assert!(exact_iterations("<domain", || None).is_err());
    }
}
