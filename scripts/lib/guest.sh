# shellcheck shell=bash
# Lab guests: what they boot, how libvirt is told about them, and whether they are ready.
# Needs root, LAB_DIR and $URI of libvirt.sh. State of guest NAME is in $LAB_DIR/guests/NAME.

BOOT_DIR=$LAB_DIR/boot
GUESTS_DIR=$LAB_DIR/guests
CONTENT_DIR=$LAB_DIR/content

# What the guest loads, with what these depend on; what the kernel has built in is not in the package.
GUEST_MODULES=(virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_balloon virtio_blk
    failover net_failover virtio_net qemu_fw_cfg)

# unpack_kernel DIR MODULES [COMMAND...]: the kernel of Debian's cloud image, fetched and unpacked into DIR, never installed. COMMAND
# is put before each call of apt.
unpack_kernel() {
    local dir=$1 modules package work version module file
    read -ra modules <<<"$2"
    shift 2
    package=$("$@" apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
    [ -n "$package" ] || fail "apt knows no linux-image-cloud-amd64: run 'apt-get update' on a Debian amd64 machine."
    work=$(mktemp -d)
    # apt gives up its rights for a download, and then cannot write into a private directory.
    (cd "$work" && "$@" apt-get download -qq -o APT::Sandbox::User=root "$package" && dpkg -x ./*.deb unpacked) ||
        fail "the guests' kernel could not be fetched: try 'apt-get update' and 'apt-get download $package'."
    version=${package#linux-image-}
    rm -rf "$dir/lib"
    mkdir -p "$dir/lib/modules/$version"
    for module in "${modules[@]}"; do
        file=$(find "$work/unpacked" -name "$module.ko*" -print -quit)
        [ -n "$file" ] || continue
        case $file in
            *.xz) xz -dc "$file" ;;
            *) cat "$file" ;;
        esac >"$dir/lib/modules/$version/$module.ko"
    done
    busybox depmod -b "$dir" "$version"
    cp "$work"/unpacked/boot/vmlinuz-* "$dir/vmlinuz"
    rm -rf "$work"
}

# pack_initramfs DIR INIT PROGRAM...: static busybox, the modules in DIR, and our own programs.
pack_initramfs() {
    local dir=$1 init=$2 work
    shift 2
    work=$(mktemp -d)
    mkdir -p "$work"/{bin,dev,proc,sys}
    cp "$(command -v busybox)" "$work/bin/busybox"
    ln -s busybox "$work/bin/sh"
    cp -r "$dir/lib" "$work/lib"
    cp "$init" "$work/init"
    cp "$@" "$work/"
    # The kernel opens /dev/console for the first process before devtmpfs is mounted.
    mknod "$work/dev/console" c 5 1
    (cd "$work" && find . | cpio -o -H newc --quiet | gzip -1) >"$dir/initramfs.gz"
    rm -rf "$work"
}

fetch_kernel() { unpack_kernel "$BOOT_DIR" "${GUEST_MODULES[*]}" env; }

# Our init and our memory writer.
build_initramfs() {
    local work
    work=$(mktemp -d)
    gcc -O2 -static -Wall -Wextra -Werror -o "$work/dirty" "$ROOT/scripts/guest/dirty.c" ||
        fail "the guests' memory writer does not compile: scripts/setup run installs gcc and libc6-dev."
    pack_initramfs "$BOOT_DIR" "$ROOT/scripts/guest/init" "$work/dirty"
    rm -rf "$work"
}

# Makes what is missing or older than its source.
prepare_boot_files() {
    local source
    mkdir -p "$BOOT_DIR"
    [ -s "$BOOT_DIR/vmlinuz" ] || timed "fetching the guests' kernel" fetch_kernel
    for source in "$BOOT_DIR/vmlinuz" "$ROOT/scripts/guest/init" "$ROOT/scripts/guest/dirty.c"; do
        if [ ! "$BOOT_DIR/initramfs.gz" -nt "$source" ]; then
            timed "building the guests' initramfs" build_initramfs
            return
        fi
    done
}

prepare_tun() {
    [ -e /dev/net/tun ] && return
    mkdir -p /dev/net
    mknod /dev/net/tun c 10 200 || fail "/dev/net/tun is missing and cannot be made: run 'modprobe tun' on the host."
}

# A guest with content has a quarter of its memory full of it.
content_mib_of() { echo $(($1 / 4)); }

# prepare_content MIB: makes $CONTENT_DIR/MIB.raw where it is missing, with MIB.json, which says what it is.
prepare_content() {
    [ ! -s "$CONTENT_DIR/$1.json" ] || return 0
    mkdir -p "$CONTENT_DIR"
    timed "$1 MiB of this host's files for guests" "$ROOT/scripts/guest/content" "$1" "$CONTENT_DIR/$1.raw" ||
        fail "the guests' content could not be made: the message is above."
}

# An interface name may have 15 characters, a guest's name more. Guests of a suite may have the names of others.
interface_of() { printf 'memdeck%08x\n' "$(cksum <<<"${MEMDECK_LAB_SUITE:-}$1" | cut -d ' ' -f 1)"; }

# domain_xml NAME MIB DIRTY_MIBPS TYPE UUID [fill|idle|busy|known|BUFFER_MIB]
domain_xml() {
    local name=$1 memory_mib=$2 dirty_mibps=$3 type=$4 uuid=$5 how=${6:-} cpu='' content='' buffer_mib=0 load=light
    local boot=$BOOT_DIR
    [ "$type" = kvm ] && cpu="<cpu mode='host-passthrough'/>"
    case $how in
        idle) load=none buffer_mib=1 ;;
        busy) load=heavy ;;
        fill) ;;
        known)
            boot=$NEWER_DIR
            # QEMU 7.2 emulates this instruction wrongly, which newer kernels use wherever they find it.
            [ "$type" = kvm ] || cpu="<cpu match='exact'><model>qemu64</model><feature policy='disable' name='cx16'/></cpu>"
            ;;
        *) buffer_mib=${how:-0} ;;
    esac
    if [ "$how" = fill ]; then
        # What is neither content nor changed all the time stays as empty as an idle guest's memory is.
        buffer_mib=$((dirty_mibps > 0 ? memory_mib / 4 : 1))
        content="<disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='$CONTENT_DIR/$(content_mib_of "$memory_mib").raw'/>
      <target dev='vdb' bus='virtio'/>
      <readonly/>
      <serial>content</serial>
    </disk>"
    fi
    cat <<XML
<domain type='$type'>
  <name>$name</name>
  <uuid>$uuid</uuid>
  <description>memdeck lab guest, dirties $dirty_mibps MiB/s</description>
  <memory unit='MiB'>$memory_mib</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>$boot/vmlinuz</kernel>
    <initrd>$boot/initramfs.gz</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 memdeck.name=$name memdeck.dirty_mibps=$dirty_mibps memdeck.buffer_mib=$buffer_mib memdeck.load=$load</cmdline>
  </os>
  <features><acpi/><vmcoreinfo state='on'/></features>
  $cpu
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='$GUESTS_DIR/$name/disk.raw'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    $content
    <interface type='ethernet'>
      <target dev='$(interface_of "$name")'/>
      <model type='virtio'/>
    </interface>
    <serial type='file'>
      <source path='$GUESTS_DIR/$name/console.log'/>
      <target port='0'/>
    </serial>
    <memballoon model='virtio'><stats period='2'/></memballoon>
  </devices>
</domain>
XML
}

guest_file() { cat "$GUESTS_DIR/$1/$2" 2>/dev/null; }

# Ours and alive: a domain of the same name that somebody else made has another UUID.
guest_runs() {
    local uuid
    uuid=$(guest_file "$1" uuid) && [ -n "$uuid" ] && virsh -q -c "$URI" domstate "$uuid" >/dev/null 2>&1
}

# start_guest NAME MIB DIRTY_MIBPS TYPE [fill|idle|busy|known|BUFFER_MIB]
start_guest() {
    local name=$1 memory_mib=$2 dirty_mibps=$3 type=$4 how=${5:-} dir=$GUESTS_DIR/$1 uuid
    [ "$how" != fill ] || prepare_content "$(content_mib_of "$memory_mib")"
    [ "$how" != known ] || prepare_newer_boot_files
    if virsh -q -c "$URI" domstate "$name" >/dev/null 2>&1; then
        fail "a guest named $name exists on $URI and is not of this lab: choose another name."
    fi
    rm -rf "$dir"
    mkdir -p "$dir"
    truncate -s 64M "$dir/disk.raw"
    uuid=$(cat /proc/sys/kernel/random/uuid)
    printf '%s\n' "$memory_mib:$dirty_mibps${how:+:$how}" >"$dir/size"
    printf '%s\n' "$uuid" >"$dir/uuid"
    domain_xml "$name" "$memory_mib" "$dirty_mibps" "$type" "$uuid" "$how" >"$dir/domain.xml"
    # A transient domain: when it stops, nothing of it is left in libvirt.
    virsh -q -c "$URI" create "$dir/domain.xml" >/dev/null || {
        rm -rf "$dir"
        fail "libvirt could not start guest $name: its message is above."
    }
}

stop_guest() {
    if guest_runs "$1"; then
        virsh -q -c "$URI" destroy "$(guest_file "$1" uuid)" >/dev/null
        say "stopped guest $1"
    fi
    rm -rf "${GUESTS_DIR:?}/$1"
}

# The newest of the guest's own lines that starts with the given words; virtlogd may have rotated the log.
console_line() {
    { cat "$GUESTS_DIR/$1/console.log.0" "$GUESTS_DIR/$1/console.log" 2>/dev/null || true; } |
        tr -d '\r' | grep -a "^memdeck-guest: $2" | tail -n 1
}

wait_until_ready() {
    local name=$1 deadline=$((SECONDS + 120)) ready
    until ready=$(console_line "$name" ready); do
        guest_runs "$name" || fail "guest $name stopped while booting: start it again and read its console.log."
        [ "$SECONDS" -lt "$deadline" ] ||
            fail "guest $name printed no ready line within 120 s: see $GUESTS_DIR/$name/console.log."
        sleep 0.3
    done
    # The boot files may have been made by another checkout, whose guests know nothing of content.
    if [[ $(guest_file "$name" size) == *:fill ]] && ! console_line "$name" content >/dev/null; then
        fail "guest $name did not read its content: remove $BOOT_DIR/initramfs.gz and start it again."
    fi
    say "guest $name is ready: ${ready#memdeck-guest: ready name="$name" }"
}
