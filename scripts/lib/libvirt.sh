# shellcheck shell=bash
# libvirt's daemons: started where nothing manages them, and stopped only if we started them.
# Needs root and STARTED_DIR, a directory that remembers what was started.

URI=qemu:///system
# How a daemon of a suite is started, in the suite's root (suite.sh).
IN_ROOT=()
[ -z "${MEMDECK_LAB_SUITE:-}" ] || IN_ROOT=(chroot "${LAB_DIR%/*}/root")

libvirt_answers() { timeout 20 virsh -q -c "$URI" uri >/dev/null 2>&1; }

# A process id alone may belong to another process later; with its start time it does not.
process_identity() {
    [ -r "/proc/$1/stat" ] || return 1
    # The command name, field 2, may contain blanks: count the fields after it.
    local fields
    fields=$(sed 's/.*) //' "/proc/$1/stat") || return 1
    printf '%s %s\n' "$1" "$(cut -d ' ' -f 20 <<<"$fields")"
}

# A process that ended but was not reaped yet (state Z) does not run.
process_runs() { [[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) == [RSD] ]]; }

# By its file, since another root may have a daemon of the same name.
daemon_runs() {
    local pid
    pid=$(cat "/run/$1.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && process_runs "$pid"
}

remember_daemon() {
    local pid
    pid=$(cat "/run/$1.pid") && process_identity "$pid" >"$STARTED_DIR/$1"
}

# Prints kvm where the user that QEMU runs as can create a machine with it, else qemu.
accelerator() {
    local user
    # A suite has no KVM.
    if [ -n "${MEMDECK_LAB_SUITE:-}" ]; then
        echo qemu
        return
    fi
    user=$(sed -n 's/^ *user *= *"\(.*\)".*/\1/p' /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1)
    user=${user#+}
    user=${user:-libvirt-qemu}
    if [ -e /dev/kvm ] && id "$user" >/dev/null 2>&1 &&
        echo quit | timeout 10 setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups \
            qemu-system-x86_64 -machine q35 -accel kvm -m 32 -S -nodefaults -display none -monitor stdio \
            >/dev/null 2>&1; then
        echo kvm
    else
        echo qemu
    fi
}

# libvirt probes QEMU with the right to open any file, and then finds that QEMU's user may not open /dev/kvm. It
# takes its own probe for outdated and repeats it, 3 s each and twenty times for one guest. Where KVM cannot be used
# anyway, a libvirtd of ours is therefore started in a mount namespace whose /dev has everything but kvm.
start_libvirtd_without_kvm() {
    mkdir -p "$STARTED_DIR/dev"
    unshare --mount --propagation slave bash -euo pipefail -s "$STARTED_DIR/dev" "$ROOT/scripts/lib/dev.sh" 9>&- <<'INNER'
source "$2"
make_dev_without_kvm "$1"
# What is only covered would still be in the mount table, where libvirt looks it up.
umount --lazy /dev
mount --move "$1" /dev
exec libvirtd -d
INNER
}

start_libvirtd() {
    if [ -z "${MEMDECK_LAB_SUITE:-}" ] && [ -e /dev/kvm ] && [ "$(accelerator)" = qemu ] && start_libvirtd_without_kvm; then
        return
    fi
    "${IN_ROOT[@]}" libvirtd -d 9>&- || fail "libvirtd does not start: run 'libvirtd' by hand to see why."
}

start_libvirt() {
    libvirt_answers && return 0
    mkdir -p "$STARTED_DIR"
    if [ -d /run/systemd/system ]; then
        systemctl start libvirtd || fail "systemd could not start libvirtd: see 'journalctl -u libvirtd'."
        touch "$STARTED_DIR/libvirtd.service"
    else
        # Descriptor 9 is the lab's lock: a daemon that inherited it would hold it for ever.
        if ! daemon_runs virtlogd; then
            "${IN_ROOT[@]}" virtlogd -d 9>&- || fail "virtlogd does not start: run 'virtlogd' by hand to see why."
            remember_daemon virtlogd
        fi
        if ! daemon_runs libvirtd; then
            start_libvirtd
            remember_daemon libvirtd
        fi
    fi
    wait_for_libvirt
}

wait_for_libvirt() {
    local deadline=$((SECONDS + 60))
    until libvirt_answers; do
        [ "$SECONDS" -lt "$deadline" ] || fail "libvirtd runs but does not answer on $URI: try 'virsh -c $URI list'."
        sleep 0.2
    done
}

# Ends the daemon that we started, if it still runs: one that is busy with a guest may not hear of a polite request.
end_daemon() {
    local pid deadline=$((SECONDS + 3))
    read -r pid _ <"$STARTED_DIR/$1"
    [ "$(process_identity "$pid")" = "$(cat "$STARTED_DIR/$1")" ] || return 0
    kill "$pid"
    while [ "$(process_identity "$pid")" = "$(cat "$STARTED_DIR/$1")" ] && process_runs "$pid"; do
        [ "$SECONDS" -lt "$deadline" ] || kill -KILL "$pid" 2>/dev/null || true
        sleep 0.05
    done
}

# As after an update or a crash of libvirtd; one that did not run is started.
restart_libvirtd() {
    if [ -d /run/systemd/system ]; then
        systemctl restart libvirtd || fail "systemd could not restart libvirtd: see 'journalctl -u libvirtd'."
    else
        [ -s "$STARTED_DIR/libvirtd" ] || fail "libvirtd was not started by the lab: only its own one is restarted."
        end_daemon libvirtd
        start_libvirtd
        remember_daemon libvirtd
    fi
    wait_for_libvirt
}

stop_libvirt() {
    local daemon pid
    if [ -e "$STARTED_DIR/libvirtd.service" ]; then
        systemctl stop libvirtd.service
    fi
    for daemon in libvirtd virtlogd; do
        [ -s "$STARTED_DIR/$daemon" ] || continue
        read -r pid _ <"$STARTED_DIR/$daemon"
        if [ "$(process_identity "$pid")" = "$(cat "$STARTED_DIR/$daemon")" ]; then
            # To its end: who starts the lab again at once would find one that is going.
            end_daemon "$daemon"
            say "stopped $daemon (pid $pid)"
        fi
    done
    rm -rf "$STARTED_DIR"
}
