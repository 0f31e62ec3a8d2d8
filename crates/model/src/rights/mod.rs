//! Who may do what: permissions, roles, and the one table of what each call needs.
//!
//! ```text
//! role ──► permissions ──┐
//!                        ├──► Rights ──► Need of a call: allowed, or refused with a sentence
//! fewer, for a token ────┘
//! ```
//!
//! Of what rights allow, somebody who sees only some guests may make the calls that leave the others out ([`limited`]).

mod limited;
mod need;
mod permission;
mod role;
mod table;

pub use need::Need;
pub use permission::{Permission, Rights};
pub use role::{ParseRoleError, Role};
pub use table::{AGENT_CALLS, DASHBOARD_CALLS, PAGE_CALLS, Service};
