# shellcheck shell=bash
# Debian packages: installs what is missing, in one call, and nothing else.

BUILD_PACKAGES=(ca-certificates curl gcc libc6-dev libvirt-dev pkg-config)
# The fuzzer is a library in C++.
FUZZ_PACKAGES=("${BUILD_PACKAGES[@]}" g++)

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_packages PACKAGE...: a package that is there already is left as it is.
install_packages() {
    local missing=() package
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    have apt-get || fail "install these Debian packages or their equivalents by hand, then run this again: ${missing[*]}."
    timed "Debian packages: ${missing[*]}" apt_install "${missing[@]}"
}

apt_install() {
    as_root apt-get update -qq || fail "apt-get update failed: check the network and /etc/apt/sources.list."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        fail "apt-get could not install $*: run it by hand to see why."
}

# Some packages start a service of their own when they are installed. We start what we need ourselves.
stop_packaged_service() {
    if [ -d /run/systemd/system ]; then
        as_root systemctl disable --now --quiet "$1"
    fi
}
