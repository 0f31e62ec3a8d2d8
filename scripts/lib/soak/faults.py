"""The faults. Each is injected while dumps run, and undoes what does not undo itself."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
import time

from bench.lab import daemon_pids

# How long things stay away.
SHORT_S = (0.2, 2.0)
# The guardian ends a memdeck that is silent for 6 s while it dumps a guest.
FROZEN_S = 10
FILL_BLOCK = 1 << 20
# A guest that is dumped cannot be paused until QEMU has time.
SUSPEND_S = 20


def kill_memdeck(world, _chance):
    world.kill()


def stop_memdeck(world, _chance):
    """A stop by the service manager: dumps are given a second, then they are cancelled."""
    world.kill(signal.SIGTERM)


def freeze_memdeck(world, _chance):
    """Its guardian ends it where it dumps a guest; else it goes on."""
    os.kill(world.service.process.pid, signal.SIGSTOP)
    with contextlib.suppress(subprocess.TimeoutExpired):
        world.service.process.wait(FROZEN_S)
        return
    os.kill(world.service.process.pid, signal.SIGCONT)


def kill_guardian(world, _chance):
    guardian = world.guardian()
    if guardian:
        os.kill(guardian, signal.SIGKILL)


def kill_both(world, _chance):
    guardian = world.guardian()
    if guardian:
        os.kill(guardian, signal.SIGKILL)
    world.kill()


def cancel(world, chance):
    running = [dump["dump_id"] for dump in (world.statuses() or {}).values()]
    if running:
        world.call("POST", f"/api/memory-dumps/cancel/{chance.choice(running)}", {"by": "the soak"})


def cancel_and_kill(world, chance):
    cancel(world, chance)
    world.kill()


def restart_libvirtd(world, _chance):
    world.restart_libvirtd()


def kill_libvirtd(world, _chance):
    for pid in daemon_pids():
        os.kill(pid, signal.SIGKILL)
    world.restart_libvirtd()


def hang_libvirtd(_world, chance):
    pids = daemon_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(chance.uniform(*SHORT_S))
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def kill_memdeck_and_libvirtd(world, _chance):
    world.kill()
    kill_libvirtd(world, _chance)


def destroy_guest(world, chance):
    name = chance.choice(world.names)
    world.virsh("destroy", name)
    world.start_guest(name)


def pause_guest(world, chance):
    """An operator pauses the guest, and lets it run again later: memdeck must do neither for them."""
    name = chance.choice(world.names)
    if world.virsh("suspend", name, limit_s=SUSPEND_S) is None:
        return None
    time.sleep(chance.uniform(*SHORT_S))
    reason = world.virsh("domstate", name, "--reason")
    world.virsh("resume", name)
    return None if reason and reason.startswith("paused") else f"{name}, which an operator had paused, was {reason}"


def influx_away(world, chance):
    world.proxy.limit = 0
    time.sleep(chance.uniform(*SHORT_S))


def influx_cut(world, chance):
    """In the middle of a message."""
    world.proxy.limit = chance.randrange(1, 4096)
    time.sleep(chance.uniform(*SHORT_S))


@contextlib.contextmanager
def _full(directory, spared):
    """A volume with room for no more than `spared` bytes."""
    filler = directory / "filler"
    try:
        with open(filler, "wb") as file:
            room = os.statvfs(directory)
            free = room.f_bavail * room.f_frsize
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(FILL_BLOCK, free - spared))
        yield
    finally:
        filler.unlink(missing_ok=True)


def images_full(world, chance):
    with _full(world.memdeck.dumps, chance.randrange(64 << 20)):
        time.sleep(chance.uniform(*SHORT_S))


def state_full(world, chance):
    with _full(world.memdeck.state, chance.randrange(32 << 20)):
        time.sleep(chance.uniform(*SHORT_S))


def images_read_only(world, chance):
    """A file that is open for writing keeps the volume as it is: then nothing happens."""
    subprocess.run(["mount", "-o", "remount,ro", world.memdeck.dumps], capture_output=True, check=False)
    time.sleep(chance.uniform(*SHORT_S))
    subprocess.run(["mount", "-o", "remount,rw", world.memdeck.dumps], capture_output=True, check=True)


def lock_catalog(world, chance):
    """Another program has the catalog's lock."""
    with contextlib.closing(sqlite3.connect(world.memdeck.state / "catalog.db", timeout=5, isolation_level=None)) as other:
        with contextlib.suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
            time.sleep(chance.uniform(*SHORT_S))
            other.execute("ROLLBACK")


def damage_catalog(world, chance):
    """Bits of the catalog flip while nobody runs."""
    world.kill(signal.SIGTERM)
    with open(world.memdeck.state / "catalog.db", "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for _ in range(chance.randrange(1, 20)):
            file.seek(chance.randrange(size))
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1 << chance.randrange(8)]))


def truncate_catalog(world, chance):
    world.kill(signal.SIGTERM)
    path = world.memdeck.state / "catalog.db"
    os.truncate(path, chance.choice([0, chance.randrange(path.stat().st_size)]))


def storm(world, chance):
    """Many clients ask for the same dumps at once."""
    mode = chance.choice(["frozen", "live", "auto"])
    clients = [threading.Thread(target=world.trigger, args=(world.names, mode)) for _ in range(20)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


# By how often each is chosen: what is slow, seldom.
FAULTS = {
    kill_memdeck: 10,
    stop_memdeck: 6,
    freeze_memdeck: 1,
    kill_guardian: 4,
    kill_both: 4,
    cancel: 10,
    cancel_and_kill: 6,
    restart_libvirtd: 3,
    kill_libvirtd: 3,
    hang_libvirtd: 4,
    kill_memdeck_and_libvirtd: 2,
    destroy_guest: 3,
    pause_guest: 6,
    influx_away: 6,
    influx_cut: 6,
    images_full: 6,
    state_full: 6,
    images_read_only: 4,
    lock_catalog: 6,
    damage_catalog: 3,
    truncate_catalog: 2,
    storm: 6,
}
# What may cost more than the dump that it met: jobs of the past, settings; never a record of an image that is there.
COSTS_THE_CATALOG = (damage_catalog, truncate_catalog)


def name_of(fault):
    return fault.__name__.replace("_", " ")
