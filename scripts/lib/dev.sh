# shellcheck shell=bash
# The devices of a libvirtd that is to see no KVM. For a mount namespace of its own.

# make_dev_without_kvm DIRECTORY
make_dev_without_kvm() {
    local node
    mount -t tmpfs -o mode=755 dev "$1"
    for node in /dev/*; do
        if [ "$node" = /dev/kvm ]; then
            continue
        elif mountpoint -q "$node"; then
            mkdir "$1/${node##*/}"
            mount --rbind "$node" "$1/${node##*/}"
        else
            cp -a "$node" "$1/"
        fi
    done
}
