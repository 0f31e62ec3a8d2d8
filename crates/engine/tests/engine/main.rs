//! The engine on a simulated hypervisor with a clock that moves when it is told to.

mod asking;
mod crash;
mod difference;
mod foreign;
mod frozen;
mod live;
mod lost_catalog;
mod room;
mod signing;
mod stopping;
mod support;
