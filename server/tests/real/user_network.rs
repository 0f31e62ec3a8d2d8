//! A guest with user-mode networking reaches the loopback addresses of its host: its QEMU connects for it, as a user of
//! this machine. That is nobody whom memdeck trusts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::lab::{OwnGuest, Parts, lab};
use crate::support::{Home, Service};

const TOKEN: &str = "a token of some length";
/// The host, seen from a guest with user-mode networking.
const HOST: &str = "10.0.2.2";

/// A program for the guest that asks, says on its console what was answered, and ends.
fn program(port: &str) -> String {
    let ask = |what: &str, request: &str, headers: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "{request} HTTP/1.1|Host: localhost|Connection: close|Content-Length: {length}|{headers}|{body}"
        );
        // Who says that nothing follows may be taken for one that has gone.
        format!(
            "rm -f /answer\n\
             (printf '%s' '{request}' | sed 's/|/\\r\\n/g'; until [ -s /answer ]; do sleep 1; done) \
             | nc {HOST} {port} > /answer\n\
             echo \"{what}: $(head -n 1 /answer)\"\n"
        )
    };
    let trigger = ("POST /api/memory-dumps/trigger", r#"{"vms": ["web-01"]}"#);
    let stats = "GET /api/memory-dumps/stats";
    format!(
        "#!/bin/sh\nexec > /dev/console 2>&1\n/bin/busybox --install -s /bin\nmount -t sysfs sysfs /sys\n\
         modprobe virtio_pci\nmodprobe virtio_net\nip link set eth0 up\nip address add 10.0.2.15/24 dev eth0\n\
         {}{}{}echo 'guest: done'\npoweroff -f\n",
        ask("read", stats, "", ""),
        ask("dump", trigger.0, "Content-Type: application/json|", trigger.1),
        ask("with the token", stats, &format!("Authorization: Bearer {TOKEN}|"), ""),
    )
}

/// The lab's initramfs with a program of ours. The kernel takes several archives, one after the other.
fn initrd_with(program: &str, lab: &str, directory: &Path) -> PathBuf {
    let tree = directory.join("tree");
    fs::create_dir(&tree).unwrap();
    let file = tree.join("ask");
    fs::write(&file, program).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    let script = "echo ask | cpio -o -H newc --quiet | gzip | cat \"$1\" - > ../initrd";
    let mut pack = Command::new("sh");
    pack.args(["-ec", script, "pack", lab]).current_dir(&tree).stdin(Stdio::null());
    assert!(pack.status().unwrap().success());
    directory.join("initrd")
}

#[test]
fn a_guest_that_reaches_the_loopback_of_its_host_needs_the_token() {
    let _turn = lab();
    let home = Home::new();
    let serve = Service::start(&home, "serve", &[("MEMDECK_TOKEN", TOKEN)]);
    let port = serve.url.rsplit(':').next().unwrap();
    // QEMU reads it as a user of its own.
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
    let mut parts = Parts::of_the_lab();
    let initrd = initrd_with(&program(port), &parts.initrd, directory.path());
    parts.initrd = initrd.to_str().unwrap().to_owned();
    parts.devices = "<interface type='user'><model type='virtio'/></interface>";
    let guest = OwnGuest::start_with("memdeck-slirp", "rdinit=/ask", &parts);
    let said = guest.wait_until_it_says("guest: done");
    for (what, status) in [("read", "401"), ("dump", "401"), ("with the token", "200")] {
        assert!(said.contains(&format!("{what}: HTTP/1.1 {status}")), "{what}: {said}");
    }
    let dumps = serve.get("/api/memory-dumps/status");
    assert_eq!(dumps["active_dumps"], serde_json::json!({}), "{dumps}");
}
