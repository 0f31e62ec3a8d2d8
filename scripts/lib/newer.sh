# shellcheck shell=bash
# What the guests with a newer kernel boot ("known"): Debian's backported one, and a program with things to be found in its memory.
# Needs guest.sh.

NEWER_DIR=$BOOT_DIR/newer
NEWER_SUITE=bookworm-backports
DEBIAN_MIRROR=${MEMDECK_DEBIAN_MIRROR:-http://deb.debian.org/debian}
# The network is there without a device of the host.
NEWER_MODULES=("${GUEST_MODULES[@]}" dummy)

# With package lists of its own: what the machine knows of packages stays as it is.
newer_apt() {
    local lists=$1
    shift
    "$1" -o Dir::Etc::sourcelist="$lists/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$lists/lists" \
        -o Dir::Cache="$lists/cache" -o APT::Sandbox::User=root "${@:2}"
}

fetch_newer_kernel() {
    local work
    work=$(mktemp -d)
    mkdir -p "$work"/{lists/partial,cache/archives/partial}
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $DEBIAN_MIRROR $NEWER_SUITE main" >"$work/sources.list"
    newer_apt "$work" apt-get update -qq ||
        fail "the packages of $NEWER_SUITE could not be listed: check that $DEBIAN_MIRROR answers, or set MEMDECK_DEBIAN_MIRROR."
    unpack_kernel "$NEWER_DIR" "${NEWER_MODULES[*]}" newer_apt "$work"
    rm -rf "$work"
}

build_known() {
    local work
    work=$(mktemp -d)
    gcc -O2 -static -Wall -Wextra -Werror -o "$work/known" "$ROOT/scripts/guest/known.c" ||
        fail "the program of guests with known content does not compile: scripts/setup run installs gcc and libc6-dev."
    pack_initramfs "$NEWER_DIR" "$ROOT/scripts/guest/known-init" "$work/known"
    rm -rf "$work"
}

# Makes what is missing or older than its source.
prepare_newer_boot_files() {
    local source
    mkdir -p "$NEWER_DIR"
    [ -s "$NEWER_DIR/vmlinuz" ] || timed "fetching a newer kernel for guests" fetch_newer_kernel
    for source in "$NEWER_DIR/vmlinuz" "$ROOT/scripts/guest/known-init" "$ROOT/scripts/guest/known.c"; do
        if [ ! "$NEWER_DIR/initramfs.gz" -nt "$source" ]; then
            timed "building the initramfs of guests with known content" build_known
            return
        fi
    done
}
