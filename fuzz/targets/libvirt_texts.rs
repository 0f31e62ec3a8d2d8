//! What libvirt and the operator write: domain XML, URIs, the status of a process.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::damaged;
use memdeck_hypervisor::fuzzing::{is_in_one_pid_namespace, launch_security, shown_uri};

const DOMAIN: &str = "<domain type='kvm' id='7' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\n\
    <name>web-01</name><memory unit='KiB'>262144</memory>\n\
    <launchSecurity type='sev'><policy>0x0003</policy><dhCert>x</dhCert></launchSecurity>\n\
    <!-- <launchSecurity type='tdx'/> --><description>a &amp; b</description>\n\
    <q:commandline><q:arg value='-S'/></q:commandline></domain>";
const STATUS: &str = "Name:\tlibvirtd\nPid:\t812\nNSpid:\t812\t1\nNSsid:\t812\n";

/// Not in any input by chance.
const SECRET: &str = "s3cr3t";

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    match data.arbitrary::<u8>().unwrap_or_default() % 3 {
        0 => {
            let xml = damaged(&mut data, &[DOMAIN.as_bytes()]);
            let Ok(xml) = std::str::from_utf8(&xml) else { return };
            if let Ok(Some(_)) = launch_security(xml) {
                assert!(xml.contains("launchSecurity"));
            }
            if xml == DOMAIN {
                assert_eq!(launch_security(xml), Ok(Some("sev".to_owned())));
            }
        }
        1 => {
            let parts = data.arbitrary::<(String, String, String, String)>();
            let Ok((scheme, user, host, path)) = parts else { return };
            if user.starts_with(['/', '?']) {
                // A path or options, and what looks like a password is part of them.
                return;
            }
            let uri = format!("{scheme}://{user}:{SECRET}{user}@{host}{path}");
            let (shown, _) = shown_uri(&uri);
            assert!(!shown.contains(SECRET), "{uri:?} is shown as {shown:?}");
        }
        _ => {
            let status = damaged(&mut data, &[STATUS.as_bytes()]);
            if let Ok(status) = std::str::from_utf8(&status) {
                assert!(!is_in_one_pid_namespace(status) || status.contains("NSpid:"));
            }
        }
    }
});
