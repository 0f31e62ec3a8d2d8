"""What the figures were measured on, and whether it has room for the measurement."""

import os
import pathlib
import shutil

from .lab import virsh_output
from .process import BenchError

MIB = 1024 * 1024
# Beside a guest and an image of it in the page cache: the system, libvirt and memdeck.
SPARE_MIB = 1024


def _field(path, key):
    for line in pathlib.Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        name, _colon, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def busy_seconds():
    """Processor time that all cores together have worked so far, whoever for."""
    user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in _processor_fields()[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _processor_fields():
    with open("/proc/stat", encoding="ascii") as file:
        return file.readline().split()[1:]


def _memory_mib(key):
    return int(_field("/proc/meminfo", key).split()[0]) // 1024


def hardware():
    """About this machine alone."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": _memory_mib("MemTotal"),
        "kernel": os.uname().release,
    }


def facts(guest):
    """About this machine and the hypervisor that runs `guest`."""
    load = os.getloadavg()[0]
    about = hardware()
    versions = [line.split(": ", 1) for line in virsh_output("version", "--daemon").splitlines() if ": " in line]
    named = {name: value for name, value in versions}
    return {
        **about,
        "sha_instructions": "sha_ni" in _field("/proc/cpuinfo", "flags").split(),
        # Of the daemon, which may be of another version than the library.
        "hypervisor": f"{named.get('Running hypervisor', 'unknown hypervisor')}, libvirt {named.get('Running against daemon', '')}",
        "accelerator": "KVM" if "<domain type='kvm'" in virsh_output("dumpxml", guest) else "emulated (TCG)",
        "load": round(load, 2),
        # Two cores at rest have a load of next to nothing; lab guests that write a little count for less than half.
        "is_busy": load > about["cores"] / 2,
    }


def require_room(largest_mib, directory):
    """Fails before anything is started if the largest guest, or its images, have no room."""
    available = _memory_mib("MemAvailable")
    needed = 2 * largest_mib + SPARE_MIB
    if available < needed:
        raise BenchError(
            f"a guest of {largest_mib} MiB and its image in the page cache need {needed} MiB of memory, {available} are"
            " available: choose smaller guests with --sizes"
        )
    free = shutil.disk_usage(directory).free // MIB
    # An image of virsh, its compressed form, and memdeck's spool and image.
    needed = 4 * largest_mib
    if free < needed:
        raise BenchError(
            f"{directory} has {free} MiB free, the images of a guest of {largest_mib} MiB need {needed}: make room, choose"
            " smaller guests with --sizes, or another volume with MEMDECK_LAB_DIR"
        )
