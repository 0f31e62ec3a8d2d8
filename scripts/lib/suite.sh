# shellcheck shell=bash
# libvirt and QEMU of another release of Debian than the machine's, in a root of their own. Needs root and SUITE_DIR.
#
# What runs in a suite sees that root's /run in the place of the machine's, and so that libvirt where libvirt is. Nobody else does,
# and nothing is mounted any more when the last process has ended that ran in it.

SUITES=(trixie)
# Where the packages are from which a root is made.
SUITE_PACKAGES=(libvirt-clients libvirt-daemon-driver-qemu libvirt-daemon-system qemu-system-x86)

# A root is no mount point, for which libvirt would look; nothing separates guests and daemon but the user.
configure_suite() {
    cat >>"$1/etc/libvirt/qemu.conf" <<'CONFIGURATION'
namespaces = []
cgroup_controllers = []
security_driver = "none"
CONFIGURATION
}

# make_suite NAME ROOT
make_suite() {
    local name=$1 root=$2
    # shellcheck source=debian.sh
    source "$ROOT/scripts/lib/debian.sh"
    install_packages debootstrap
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase "$name" "$root" >"$root.log" 2>&1 ||
        fail "a root of Debian's $name could not be made: see $root.log."
    # No service is to start with its package.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    in_suite "$root" chroot "$root" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${SUITE_PACKAGES[@]}" >>"$root.log" 2>&1 </dev/null ||
        fail "the packages of $name could not be installed: see $root.log."
    configure_suite "$root"
    touch "$root/complete"
}

# in_suite ROOT COMMAND...: with the root's /run, and everything in the root that its programs need.
in_suite() {
    local root=$1
    shift
    mkdir -p "$LAB_DIR" "$root$LAB_DIR"
    unshare --mount --propagation slave bash -euo pipefail -c '
        source "$1"
        root=$2 lab=$3
        shift 3
        make_dev_without_kvm "$root/dev"
        for of in proc sys tmp; do mount --rbind "/$of" "$root/$of"; done
        mount --bind "$lab" "$root$lab"
        mount --bind "$root/run" /run
        exec "$@"' in_suite "$ROOT/scripts/lib/dev.sh" "$root" "$LAB_DIR" "$@"
}

# enter_suite NAME COMMAND...: runs it with the suite's libvirt, made first if it is missing.
enter_suite() {
    local name=$1 root=$SUITE_DIR/root
    shift
    [ -e "$root/complete" ] || timed "libvirt and QEMU of Debian's $name" make_suite "$name" "$root"
    export MEMDECK_LAB_SUITE=$name MEMDECK_LAB_DIR=$LAB_DIR
    in_suite "$root" "$@"
}
