# Run by `least_rights` in namespaces of its own: a libvirtd that asks polkit about every call, beside the host's own one, which
# sees nothing of it. What it writes is in memory and goes with the namespaces. Prints "ready" when a guest runs.
#
#   libvirt.sh RULES GUEST_XML
set -euo pipefail
mount --make-rprivate /
rules=$(<"$1")
guest=$(<"$2")
mount -t tmpfs -o mode=755 least /run
mkdir -p /run/dbus /run/libvirt /run/lock /run/least/{rules,home}
cp -a /etc/libvirt /run/least/configuration
rm -rf /run/least/configuration/qemu /run/least/configuration/storage /run/least/configuration/nwfilter
mount --bind /run/least/configuration /etc/libvirt
for directory in /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do mount -t tmpfs -o mode=755 least "$directory"; done
printf '%s' "$rules" >/run/least/rules/60-memdeck.rules
mount --bind /run/least/rules /etc/polkit-1/rules.d

cat >/etc/libvirt/libvirtd.conf <<'CONFIGURATION'
unix_sock_ro_perms = "0777"
unix_sock_rw_perms = "0777"
auth_unix_ro = "none"
auth_unix_rw = "none"
access_drivers = [ "polkit" ]
CONFIGURATION
cat >/etc/libvirt/qemu.conf <<'CONFIGURATION'
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
CONFIGURATION

# until_done COMMAND...: for at most a minute.
until_done() {
    local deadline=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "not within a minute: $*" >&2; exit 1; }
        sleep 0.1
    done
}

dbus-daemon --system --nofork --nopidfile &
until_done test -S /run/dbus/system_bus_socket
/usr/lib/polkit-1/polkitd --no-debug &
until_done dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner \
    string:org.freedesktop.PolicyKit1
# The test kills it, as a crash does.
while :; do libvirtd || true; done &
until_done virsh -c qemu:///system list
virsh -q -c qemu:///system create /dev/stdin <<<"$guest" >/dev/null
echo ready
wait
