//! What the fuzz targets need beyond the public interface: doors to private parsers. Only with the feature `fuzzing`.

use crate::libvirt::emulation;
use crate::libvirt::namespace::has_one_pid;
use crate::libvirt::security;
use crate::libvirt::uri::Uri;

/// The type of `<launchSecurity>` in a domain's XML.
///
/// # Errors
/// It is no XML, in words.
pub fn launch_security(domain_xml: &str) -> Result<Option<String>, String> {
    security::launch_security(domain_xml).map_err(|error| error.to_string())
}

/// After how many passes an image of this domain is exact, with a hypervisor of this version; `None` if it always is.
///
/// # Errors
/// It is no XML, in words.
pub fn exact_iterations(domain_xml: &str, version: &str) -> Result<Option<u64>, String> {
    emulation::exact_iterations(domain_xml, || Some(version.to_owned())).map_err(|error| error.to_string())
}

/// A libvirt URI as people see it, and whether it leads to another host.
#[must_use]
pub fn shown_uri(text: &str) -> (String, bool) {
    let uri = Uri::new(text);
    (uri.shown, uri.is_remote)
}

/// Whether a process with this `/proc/<pid>/status` has one process id only.
#[must_use]
pub fn is_in_one_pid_namespace(status: &str) -> bool {
    has_one_pid(status)
}
