//! memdeck on real guests: the lab of `scripts/lab up` has to be there. Nothing here is simulated: real libvirt and
//! QEMU, a real InfluxDB, the readers that investigators use.

mod acquisition;
mod bandwidth;
mod cancel;
mod crash;
mod held;
mod lab;
mod libvirtd;
mod services;
mod space;
mod support;
mod vanishing;
