"""What a dump costs while the collector asks for statistics every second, against the same dump while it does not."""

from .collectors import memdeck as collecting

TRIES = 3


def measure(bench, service, guests, pairs, log):
    """Pairs of live dumps of one guest; which of the two comes first changes from pair to pair."""
    seen = []
    for number in range(pairs):
        order = ("with", "without") if number % 2 == 0 else ("without", "with")
        pair = {which: _dumped(bench, service, guests, which == "with") for which in order}
        seen.append(pair)
        shown = {which: f"{one['wall_s']:.2f} s, {one['pause_ms']:.0f} ms" for which, one in pair.items()}
        log(f"  pair {number + 1} of {pairs}: {shown['with']} with the collector, {shown['without']} without")
    return seen


def _dumped(bench, service, guests, collects):
    if not collects:
        return _taken(bench)
    with collecting(service, guests):
        return _taken(bench)


def _taken(bench):
    """A dump that was really live: one that fell back to another mode is another kind of work."""
    for _ in range(TRIES):
        dumped = bench.memdeck_dump("live")
        bench.memdeck.remove(dumped["path"])
        if dumped["mode_used"] == "live":
            break
    pause = dumped["pause_seen_ms"] if dumped["pause_seen_ms"] is not None else dumped["pause_ms"]
    return {"wall_s": dumped["wall_s"], "pause_ms": pause, "mode_used": dumped["mode_used"]}
