//! memdeck on real guests: the lab of `scripts/lab up` has to be there. Nothing here is simulated: real libvirt and
//! QEMU, a real InfluxDB, the readers that investigators use.

mod acquisition;
mod bandwidth;
mod cancel;
mod crash;
mod documents;
mod foreign;
mod full;
mod guardian;
mod held;
mod inside;
mod known_guest;
mod lab;
mod least_rights;
mod libvirtd;
#[path = "../markdown/mod.rs"]
mod markdown;
mod overload;
mod pauses;
mod services;
mod session_guests;
mod shell;
mod signing;
mod space;
mod stall;
mod stopping;
mod support;
mod telemetry;
mod user_network;
mod vanishing;
