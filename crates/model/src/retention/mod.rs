//! Which images are kept, and which go: rules, holds, and the decision as a pure function.

mod decide;
#[cfg(test)]
mod naive;
mod policy;
mod verdict;

pub use decide::{FreeSpace, KeptImage, decide};
pub use policy::{GuestRule, Policy, PolicyError, Rule};
pub use verdict::{Fate, Hold, HoldList, HoldOf, ImageFate, NewHold, RetentionReport, WhyGone, WhyKept};
