//! What libvirt and the operator write: domain XML, URIs, the status of a process.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::damaged;
use memdeck_hypervisor::fuzzing::{exact_iterations, is_in_one_pid_namespace, launch_security, shown_uri};

const DOMAIN: &str = "<domain type='kvm' id='7' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\n\
    <name>web-01</name><memory unit='KiB'>262144</memory>\n\
    <launchSecurity type='sev'><policy>0x0003</policy><dhCert>x</dhCert></launchSecurity>\n\
    <!-- <launchSecurity type='tdx'/> --><description>a &amp; b</description>\n\
    <q:commandline><q:arg value='-S'/></q:commandline></domain>";
const EMULATED: &str = "<domain type='qemu' id='7'><name>web-01</name></domain>";
const STATUS: &str = "Name:\tlibvirtd\nPid:\t812\nNSpid:\t812\t1\nNSsid:\t812\n";

/// Not in any input by chance.
const SECRET: &str = "s3cr3t";

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    match data.arbitrary::<u8>().unwrap_or_default() % 4 {
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
            let version =
                String::from_utf8_lossy(data.bytes(data.len() / 4).unwrap_or_default()).into_owned();
            let xml = damaged(&mut data, &[EMULATED.as_bytes()]);
            let Ok(xml) = std::str::from_utf8(&xml) else { return };
            let limit = exact_iterations(xml, &version);
            assert_eq!(limit.is_ok(), launch_security(xml).is_ok());
            if xml == EMULATED {
                let is_new = version.split('.').next().and_then(|major| major.parse().ok()) >= Some(9_u32);
                assert_eq!(limit.expect("valid XML").is_none(), is_new, "{version:?}");
            }
        }
        2 => {
            let parts = data.arbitrary::<(String, String, String, String)>();
            let Ok((scheme, user, host, path)) = parts else { return };
            // A path or options, and what looks like a password is part of them.
            let is_no_user = user.starts_with(['/', '?']);
            // The fuzzer writes what it sees compared.
            if is_no_user || [&scheme, &format!("{host}{path}")].into_iter().any(|part| part.contains(SECRET))
            {
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
