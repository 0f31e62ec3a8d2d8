"""From raw runs to medians, ratios and the bar. Pure: nothing here measures."""

import dataclasses
import statistics

GIB_IN_MIB = 1024
MIB = 1024 * 1024
WAYS = ("present", "virsh", "sha256", "frozen", "live", "turbo")
MODES = ("frozen", "live", "turbo")
MEDIANS = ("wall_s", "pause_ms", "stored_bytes", "cpu_s", "peak_rss_bytes")

FASTER_THAN_PRESENT = {"frozen": 8.0, "live": 12.0, "turbo": 12.0}
AGAINST_VIRSH = {"frozen": 1.6, "live": 1.3, "turbo": 1.3}
LIVE_AGAINST_SHA256 = 1.5
LIVE_PAUSE_MS = 100.0
LIVE_PAUSE_DIRTY_MIBPS = 100
FROZEN_PAUSE_AGAINST_LEAST = 1.25
TURBO_GB_PER_S = 3.0
STORED_AGAINST_PRESENT = 1.10
PEAK_MIB = 256
# An allocator's own noise: what grows with the guest would be seen over a factor of eight.
GROWTH_MIB = 8
LINEAR = 0.20
VERIFY_AGAINST_SHA256 = 0.8
EXPORT_GB_PER_S = 1.0
TORN_DUMPS = 15
# Beyond FROZEN_PAUSE_LIMIT: libvirt's answer, and a look at the clock.
STALL_SLACK_MS = 1000.0
STOPPED_PROCESS_MS = 10_000.0
COLLECTOR_CORE_PCT = 25
COLLECTOR_MIB = 128
COLLECTOR_S = 600
REAL_GUESTS = 20
EACH_AGAINST_TOGETHER = 5
BESIDE_WALL = 1.05
BESIDE_PAUSE_MS = 5
DUMP_PAIRS = 15
OUTAGE_MINUTES = 10
VM_TELEMETRY_GUESTS = 1000
VM_TELEMETRY_MS = 50
CHART_MS = 100
IMPORT_ROWS = 100_000
IMPORT_S = 30
IMPORT_MIB = 128
# What a page of the table may take at any time, a median as in `bench api`.
TABLE_MS = 50


def median(values):
    """The median of what is known; None of nothing."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def percentile(times, part):
    """The smallest time that at least `part` of the times do not exceed."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * part // 100) - 1))]


def quotient(dividend, divisor):
    return None if dividend is None or not divisor else dividend / divisor


def rows_of(runs):
    """One row of medians per way and guest, in the order of guests and ways. Different modes are all named."""
    rows = []
    for mib in sorted({run["guest_mib"] for run in runs}):
        for way in WAYS:
            same = [run for run in runs if (run["way"], run["guest_mib"]) == (way, mib)]
            if not same:
                continue
            modes = sorted({run["mode_used"] for run in same if run["mode_used"]})
            medians = {field: median([run[field] for run in same]) for field in MEDIANS}
            rows.append({"way": way, "guest_mib": mib, **medians, "mode_used": ", ".join(modes) or None})
    return rows


def ratios_of(rows):
    """Per row of memdeck: how many times faster than the present way, and wall time and size as multiples."""
    by = {(row["way"], row["guest_mib"]): row for row in rows}

    def field(way, mib, name):
        return by.get((way, mib), {}).get(name)

    ratios = []
    for row in rows:
        if row["way"] not in MODES:
            continue
        mib = row["guest_mib"]
        ratios.append(
            {
                "way": row["way"],
                "guest_mib": mib,
                "mode_used": row["mode_used"],
                "faster_than_present": quotient(field("present", mib, "wall_s"), row["wall_s"]),
                "against_virsh": quotient(row["wall_s"], field("virsh", mib, "wall_s")),
                "against_sha256": quotient(row["wall_s"], field("sha256", mib, "wall_s")),
                "stored_against_present": quotient(row["stored_bytes"], field("present", mib, "stored_bytes")),
                "s_per_gib": row["wall_s"] / (mib / GIB_IN_MIB),
            }
        )
    return ratios


def profile_of(dumped, cores):
    """What bounds a dump: the work there is for all cores together, and the part of it that one core has to do alone.

    That part is to bring the guest's memory, and SHA-256 of it, one after the other: of a live dump because a page may come
    again until the end, of a frozen one because whatever else is done keeps the guest waiting.
    """
    brought_s = (dumped["copy_s"] if dumped["mode_used"] == "live" else (dumped["pause_seen_ms"] or 0) / 1000) or 0.0
    hash_s = dumped["threads"].get("image-hash", 0.0)
    return {
        **{field: dumped[field] for field in ("way", "mode_used", "guest_mib", "wall_s", "busy_s", "cpu_s", "qemu_cpu_s")},
        "cores": cores,
        "threads": dumped["threads"],
        "busy_share": dumped["busy_s"] / (cores * dumped["wall_s"]),
        "all_cores_s": dumped["busy_s"] / cores,
        "one_core_s": brought_s + hash_s,
        "brought_s": brought_s,
        "hash_s": hash_s,
    }


@dataclasses.dataclass
class Mark:
    """One figure of the bar. `reached` is None where it was not measured."""

    figure: str
    must: str
    value: float | None
    reached: bool | None
    shown: str

    def as_json(self):
        return {"figure": self.figure, "must": self.must, "is": self.value, "reached": self.reached}


def at_most(figure, limit, value, unit="", digits=2):
    reached = None if value is None else value <= limit
    return Mark(figure, f"<= {limit:g}{unit}", value, reached, _shown(value, unit, digits))


def at_least(figure, limit, value, unit="", digits=2):
    reached = None if value is None else value >= limit
    return Mark(figure, f">= {limit:g}{unit}", value, reached, _shown(value, unit, digits))


def _shown(value, unit, digits):
    return "not measured" if value is None else f"{value:.{digits}f}{unit}"


def worst(pick, values):
    known = [value for value in values if value is not None]
    return pick(known) if known else None


def bar_of(result):
    """Every figure of the bar against what was measured, always by its worst guest. The bar is for guests of 1 GiB and
    more; where none was measured, the smaller ones stand in. A dump that fell back to another mode counts for none."""
    sizes = {row["guest_mib"] for row in result["rows"]}
    large = {mib for mib in sizes if mib >= GIB_IN_MIB} or sizes
    ratios = [ratio for ratio in result["ratios"] if ratio["mode_used"] == ratio["way"]]
    modes = [mode for mode in MODES if mode in {run["way"] for run in result["runs"]}]

    def all_of(name, mode):
        return [ratio[name] for ratio in ratios if ratio["way"] == mode and ratio["guest_mib"] in large]

    marks = []
    for mode in modes:
        faster = worst(min, all_of("faster_than_present", mode))
        marks.append(at_least(f"{mode}: times faster than the present way", FASTER_THAN_PRESENT[mode], faster))
    for mode in modes:
        against = worst(max, all_of("against_virsh", mode))
        marks.append(at_most(f"{mode}: wall time against virsh dump", AGAINST_VIRSH[mode], against))
    against = worst(max, all_of("against_sha256", "live"))
    marks.append(at_most("live: wall time against SHA-256 alone", LIVE_AGAINST_SHA256, against))
    marks.extend(_pauses(result, large))
    for mode in modes:
        stored = worst(max, all_of("stored_against_present", mode))
        marks.append(at_most(f"{mode}: stored bytes against the present way", STORED_AGAINST_PRESENT, stored))
    marks.extend(_memory(result, modes))
    for mode in modes:
        marks.append(at_most(f"{mode}: s per GiB, spread from 1 to 4 GiB", LINEAR, _spread(ratios, mode)))
    verify = worst(min, [speed["verify_against_sha256"] for speed in result["reading"] if speed["guest_mib"] in large])
    marks.append(at_least("verify: rate against SHA-256 alone", VERIFY_AGAINST_SHA256, verify))
    export = worst(min, [speed["export_gb_s"] for speed in result["reading"] if speed["guest_mib"] in large])
    marks.append(at_least("export to a pipe", EXPORT_GB_PER_S, export, " GB/s"))
    marks.extend(_torn(result))
    return marks


def stall_marks(found):
    """Of each stall: how long its guest stood still, or how long after the stop of memdeck it ran."""
    marks = []
    for one in found["stalls"]:
        if one["stops_the_process"]:
            figure, limit = f"{one['stall']}, {one['mode']}: the guest runs after", STOPPED_PROCESS_MS
        else:
            figure, limit = f"{one['stall']}, {one['mode']}: longest pause", found["limit_s"] * 1000 + STALL_SLACK_MS
        marks.append(at_most(figure, limit, one["ms"], " ms", 0))
    return marks


def _pauses(result, large):
    lives = [*result["runs"], *result["hot"]]
    lives = [run for run in lives if run["way"] == "live" and run["mode_used"] == "live"]
    longest = worst(max, [run[told] for run in lives for told in ("pause_ms", "pause_seen_ms")])
    figure = f"live: longest pause, dirty rate up to {LIVE_PAUSE_DIRTY_MIBPS} MiB/s"
    yield at_most(figure, LIVE_PAUSE_MS, longest, " ms", 0)
    # Into /dev/null nothing is copied; a pipe that is read is the least that a dump by libvirt can cost.
    for target, least in (("/dev/null", "into_nothing"), ("a pipe that is forgotten", "into_a_pipe")):
        frozen = []
        for one in result[least]:
            mib = one["guest_mib"]
            same = [run for run in result["runs"] if (run["mode_used"], run["guest_mib"]) == ("frozen", mib)]
            if mib in large:
                frozen.append(quotient(median([run["pause_seen_ms"] for run in same]), one["pause_ms"]))
        yield at_most(f"frozen: pause against virsh dump into {target}", FROZEN_PAUSE_AGAINST_LEAST, worst(max, frozen))
    turbo = [
        row["guest_mib"] * MIB / 1e9 / (row["pause_ms"] / 1000)
        for row in result["rows"]
        if row["mode_used"] == "turbo" and row["guest_mib"] in large and row["pause_ms"]
    ]
    if turbo:
        yield at_least("turbo: RAM read per second of pause", TURBO_GB_PER_S, min(turbo), " GB/s")


def _memory(result, modes):
    runs = [run for run in result["runs"] if run["way"] in modes]
    yield at_most("peak memory", PEAK_MIB, worst(max, [run["peak_rss_bytes"] / MIB for run in runs]), " MiB", 0)
    for mode in modes:
        peaks = {row["guest_mib"]: row["peak_rss_bytes"] for row in result["rows"] if row["way"] == mode}
        growth = (peaks[max(peaks)] - peaks[min(peaks)]) / MIB if len(peaks) > 1 else None
        sizes = f"{min(peaks)} to {max(peaks)} MiB" if peaks else "no guest"
        yield at_most(f"{mode}: growth of peak memory, {sizes}", GROWTH_MIB, growth, " MiB", 1)


def _spread(ratios, mode):
    """By how much the dearest GiB is dearer than the cheapest one; None with fewer than two guests."""
    costs = [
        ratio["s_per_gib"] for ratio in ratios if ratio["way"] == mode and ratio["guest_mib"] >= GIB_IN_MIB
    ]
    return max(costs) / min(costs) - 1 if len(costs) > 1 else None


def _torn(result):
    for mode, counted in result["torn"].items():
        enough = counted["dumps"] >= TORN_DUMPS
        reached = False if counted["torn"] else True if enough else None
        shown = f"{counted['torn']} of {counted['dumps']}, {counted['attempts']} attempts"
        yield Mark(f"{mode}: torn images", f"0 of >= {TORN_DUMPS}", counted["torn"], reached, shown)


def ways_of(windows):
    """Of each way the medians of its windows, in milliseconds of processor time per guest and sample, of which one a
    second is wanted."""

    def of(window, *parts):
        return sum(window[part] for part in parts) / window["samples"] / window["guests"] * 1000

    ways = []
    for way in dict.fromkeys(window["way"] for window in windows):
        same = [window for window in windows if window["way"] == way]
        ways.append(
            {
                "way": way,
                "guests": same[0]["guests"],
                "windows": len(same),
                "ms": median([of(window, "program_s", "daemon_s") for window in same]),
                "program_ms": median([of(window, "program_s") for window in same]),
                "daemon_ms": median([of(window, "daemon_s") for window in same]),
                "qemu_ms": median([of(window, "qemu_s") for window in same]),
                "samples_per_s": min(window["samples"] / window["seconds"] for window in same),
                "others_cores": max(window["others_cores"] for window in same),
            }
        )
    return ways


def _enough(mark, has_enough):
    """A figure of less than what the bar is about can miss it, and does not reach it."""
    return mark if has_enough or not mark.reached else dataclasses.replace(mark, reached=None)


def telemetry_marks(found):
    """Every figure of the bar of telemetry against what was measured."""
    return [mark for part in (_collector, _collecting, _beside, _outage, _answers) for mark in part(found)]


def _collector(found):
    ran = found.get("collector", {})
    guests = ran.get("guests", 1000)
    marks = (
        at_most(f"collector, {guests} guests: share of a core", COLLECTOR_CORE_PCT, ran.get("cpu_pct_of_a_core"), " %"),
        at_most(f"collector, {guests} guests: peak memory", COLLECTOR_MIB, ran.get("peak_rss_mib"), " MiB", 0),
        at_most(f"collector, {guests} guests: missed intervals", 0, ran.get("missed_intervals"), "", 0),
    )
    for mark in marks:
        yield _enough(mark, ran.get("wall_s", 0) >= COLLECTOR_S and guests >= 1000)


def _collecting(found):
    ways = {way["way"]: way for way in found.get("ways", [])}
    enough = all(way["guests"] >= REAL_GUESTS for way in ways.values())

    def ms(way):
        return ways.get(way, {}).get("ms")

    times = (
        ("asking each guest against one call, the same program", quotient(ms("each"), ms("together"))),
        ("asking each guest against all of memdeck", quotient(ms("each"), ms("memdeck"))),
    )
    for figure, value in times:
        yield _enough(at_least(f"{figure}: times the CPU", EACH_AGAINST_TOGETHER, value), enough)
    for way, name in (("collectd", "collectd"), ("exporter", "prometheus-libvirt-exporter")):
        mark = at_most(f"memdeck: CPU against {name}", 1, quotient(ms("memdeck"), ms(way)))
        yield _enough(dataclasses.replace(mark, must="< 1", reached=None if mark.value is None else mark.value < 1), enough)


def _beside(found):
    pairs = found.get("dumps", [])
    live = [pair for pair in pairs if all(side["mode_used"] == "live" for side in pair.values())]
    wall = median([quotient(pair["with"]["wall_s"], pair["without"]["wall_s"]) for pair in live])
    pauses = [(pair["with"]["pause_ms"], pair["without"]["pause_ms"]) for pair in live]
    longer = median([collecting - alone for collecting, alone in pauses if None not in (collecting, alone)])
    yield _enough(at_most("live dump beside the collector: wall time", BESIDE_WALL, wall), len(live) >= DUMP_PAIRS)
    yield _enough(at_most("live dump beside the collector: longer pause", BESIDE_PAUSE_MS, longer, " ms", 1), len(live) >= DUMP_PAIRS)


def _outage(found):
    away = found.get("outage", {})
    enough = away.get("minutes", 0) >= OUTAGE_MINUTES
    minutes = away.get("minutes", OUTAGE_MINUTES)
    for what in ("lost", "doubled"):
        yield _enough(at_most(f"InfluxDB away for {minutes:g} min: dump records {what}", 0, away.get(what), "", 0), enough)
    differ = abs(away["points_stored"] - away["points_written"]) if away else None
    yield _enough(at_most("InfluxDB away: points found that differ from those counted as sent", 0, differ, "", 0), enough)
    differ = abs(away["points_missing"] - away["points_dropped"]) if away else None
    yield _enough(at_most("InfluxDB away: points missing that differ from those counted as dropped", 0, differ, "", 0), enough)


def _answers(found):
    asked = found.get("calls", {})
    p99 = percentile(asked["times_ms"], 99) if asked else None
    guests = asked.get("guests", VM_TELEMETRY_GUESTS)
    yield _enough(at_most(f"vm-telemetry of {guests} guests, 99 %", VM_TELEMETRY_MS, p99, " ms", 1), guests >= VM_TELEMETRY_GUESTS)
    chart = found.get("chart", {})
    yield at_most("seven days of one guest, 99 %", CHART_MS, chart.get("chart_ms_p99"), " ms", 1)
    brought = found.get("import", {})
    rows = brought.get("rows", IMPORT_ROWS)
    peak = brought["peak_bytes"] / MIB if brought else None
    for mark in (
        at_most(f"{rows:,} foreign rows imported", IMPORT_S, brought.get("seconds"), " s", 1),
        at_most(f"{rows:,} foreign rows: peak memory of memdeck", IMPORT_MIB, peak, " MiB", 0),
        at_most(f"{rows:,} foreign rows: a page of the table meanwhile", TABLE_MS, median(brought.get("tables_ms", [])), " ms", 1),
    ):
        yield _enough(mark, rows >= IMPORT_ROWS)
