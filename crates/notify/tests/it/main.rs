//! Messages on their way to real HTTP receivers.

mod flaky;
