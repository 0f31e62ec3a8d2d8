//! What the dump service cannot do, in words: what is not possible is shown, disabled and with the reason.

use memdeck_model::Record;

/// Why a dump cannot be cancelled.
pub const NO_CANCEL: &str = "This dump service cannot cancel dumps.";
/// Why somebody takes no dumps.
pub const MAY_NOT_DUMP: &str = "Your role takes no dumps.";
/// Why somebody cancels none.
pub const MAY_NOT_CANCEL: &str = "Your role cancels no dumps.";
/// Why somebody downloads no images.
pub const MAY_NOT_READ: &str = "Your role downloads no images.";
/// Why somebody deletes no images.
pub const MAY_NOT_DELETE: &str = "Your role deletes no images.";
/// Why somebody neither holds images nor lifts holds.
pub const MAY_NOT_HOLD: &str = "Your role neither places nor lifts legal holds.";
/// Why the mode cannot be chosen.
pub const NO_MODE: &str = "This dump service chooses the mode itself.";
/// What it means that guests are known by their names alone.
pub const NO_UUID: &str =
    "This dump service reports no UUID: which guest it took for this name is not verified.";
/// Why nothing can be done with an image.
pub const NO_IMAGE: &str =
    "The image stays with the dump service, which cannot download, verify or delete it.";

/// Whether nothing can be done with the image of `record`: another service has it, and reports nothing about its format.
pub fn is_out_of_reach(record: &Record, can_images: bool) -> bool {
    !can_images && record.format.is_none()
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestName;

    use super::*;

    #[test]
    fn an_image_of_a_service_with_only_the_three_calls_is_out_of_reach_and_an_own_one_is_not() {
        let foreign = Record::unknown(GuestName("web-01".into()), "1".into(), std::time::UNIX_EPOCH.into());
        let own = Record { format: Some("elf".into()), ..foreign.clone() };
        assert!(is_out_of_reach(&foreign, false) && !is_out_of_reach(&foreign, true));
        assert!(!is_out_of_reach(&own, false));
    }
}
