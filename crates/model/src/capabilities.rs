//! What a dump service can do.

use serde::{Deserialize, Serialize};

/// What a dump service can do beyond taking dumps, listing them and reporting one. What it does not say is
/// not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Capabilities {
    /// It takes a guest's UUID wherever a guest is named.
    pub uuids: bool,
    /// It takes a mode, a case, a note and the other options of a request.
    pub options: bool,
    /// It cancels dumps.
    pub cancel: bool,
    /// It hands out, verifies and deletes images.
    pub images: bool,
    /// It lists its guests.
    pub guests: bool,
    /// It lists its records, with hashes.
    pub records: bool,
    /// It takes an actor as who asks, not plain text only.
    pub actors: bool,
    /// It knows a request for dumps again by its `Idempotency-Key`.
    pub request_keys: bool,
    /// It reads what is inside of guests out of their images.
    pub inside: bool,
    /// It measures its guests, and tells what it measured.
    pub telemetry: bool,
}

impl Capabilities {
    /// This version of memdeck.
    pub const ALL: Self = Self {
        uuids: true,
        options: true,
        cancel: true,
        images: true,
        guests: true,
        records: true,
        actors: true,
        request_keys: true,
        inside: true,
        telemetry: true,
    };
    /// The first version of memdeck, which does not report what it can do.
    pub const FIRST_VERSION: Self = Self {
        uuids: false,
        actors: false,
        request_keys: false,
        inside: false,
        telemetry: false,
        ..Self::ALL
    };
    /// The three calls and nothing else.
    pub const NONE: Self = Self {
        uuids: false,
        options: false,
        cancel: false,
        images: false,
        guests: false,
        records: false,
        actors: false,
        request_keys: false,
        inside: false,
        telemetry: false,
    };
}
