//! memdeck on real guests: the lab of `scripts/lab up` has to be there. Nothing here is simulated: real libvirt and
//! QEMU, a real InfluxDB, the readers that investigators use.

mod acquisition;
mod crash;
mod lab;
mod services;
mod support;
