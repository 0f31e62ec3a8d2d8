"""The result for people."""

from .figures import MIB

WORDS = {True: "reached", False: "NOT REACHED", None: "-"}


def table(header, lines):
    """Lines of cells, the first column to the left, the others to the right."""
    cells = [header, *lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    for line in cells:
        first = line[0].ljust(widths[0])
        yield "  ".join([first, *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]).rstrip()


def number(value, digits=2, scale=1):
    return "-" if value is None else f"{value / scale:.{digits}f}"


def rows_table(result):
    ratios = {(ratio["way"], ratio["guest_mib"]): ratio for ratio in result["ratios"]}
    header = ["way", "guest MiB", "wall s", "pause ms", "stored MiB", "CPU s", "peak MiB"]
    header += ["present ÷", "÷ virsh", "÷ sha256", "mode"]
    lines = []
    for row in result["rows"]:
        ratio = ratios.get((row["way"], row["guest_mib"]), {})
        lines.append(
            [
                row["way"],
                str(row["guest_mib"]),
                number(row["wall_s"]),
                number(row["pause_ms"], 0),
                number(row["stored_bytes"], 1, MIB),
                number(row["cpu_s"]),
                number(row["peak_rss_bytes"], 1, MIB),
                number(ratio.get("faster_than_present"), 1),
                number(ratio.get("against_virsh")),
                number(ratio.get("against_sha256")),
                row["mode_used"] or "-",
            ]
        )
    return table(header, lines)


def bar_table(marks):
    return table(["figure", "must be", "is", ""], [[m.figure, m.must, m.shown, WORDS[m.reached]] for m in marks])


def profile_lines(profile):
    """Where the time of a dump went, and how much of it more cores would take away."""
    threads = ", ".join(f"{name} {seconds:.2f}" for name, seconds in profile["threads"].items() if seconds >= 0.01)
    yield (
        f"{profile['way']} of {profile['guest_mib']} MiB, {profile['wall_s']:.2f} s: {profile['cores']} cores worked for"
        f" {profile['busy_s']:.2f} s ({profile['busy_share']:.0%} of what they have); with as many, not below"
        f" {profile['all_cores_s']:.2f} s; with any number, not below {profile['one_core_s']:.2f} s"
        f" (memory brought in {profile['brought_s']:.2f} s, SHA-256 in {profile['hash_s']:.2f} s)"
    )
    yield f"  processor time: QEMU {profile['qemu_cpu_s']:.2f}, memdeck {profile['cpu_s']:.2f}, of it {threads}"


def text(result, marks):
    machine = result["machine"]
    yield f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mib']} MiB; guests: {machine['accelerator']}"
    yield f"{machine['memdeck']}, {machine['hypervisor']}"
    contents = ", ".join(f"{fact['bytes'] // MIB} MiB at {fact['gzip_6_ratio']}" for fact in result["content"])
    if contents:
        yield f"content of the guests, gzip -6: {contents}"
    if machine["is_busy"]:
        yield f"The machine was busy with other work (load {machine['load']:.1f}): these figures are for trying only."
    yield ""
    if result["rows"]:
        yield f"medians of {result['settings']['runs']}"
        yield from rows_table(result)
        yield ""
    for hot in result["hot_summary"]:
        yield (
            f"hot guest of {hot['guest_mib']} MiB, {number(hot['reached_mibps'], 0)} MiB/s dirtied, {hot['mode_used']}: "
            f"pause {number(hot['pause_ms'], 0)} ms, at most {number(hot['longest_pause_ms'], 0)} ms, wall {number(hot['wall_s'])} s"
        )
    for nothing, pipe in zip(result["into_nothing"], result["into_a_pipe"]):
        yield (
            f"virsh dump of {nothing['guest_mib']} MiB: pause {number(nothing['pause_ms'], 0)} ms into /dev/null,"
            f" {number(pipe['pause_ms'], 0)} ms into a pipe that is read and forgotten"
        )
    for profile in result["profile"]:
        yield from profile_lines(profile)
    for fallback in result["fallbacks"]:
        yield f"{fallback['way']} of {fallback['guest_mib']} MiB was taken {fallback['mode_used']}: {fallback['fallback']}"
    for mode, counted in result["torn"].items():
        for iterations, of_these in sorted(counted["by_iterations"].items()):
            if of_these["torn"]:
                yield f"{mode}, {iterations} iterations: {of_these['torn']} of {of_these['dumps']} images are torn"
    if machine["accelerator"] != "KVM" and any(counted["torn"] for counted in result["torn"].values()):
        yield "QEMU before 9.0 can lose writes of emulated guests while it copies them; under KVM it does not."
    if result["reading"]:
        yield f"verify {number(result['verify_gb_s'])} GB/s, export {number(result['export_gb_s'])} GB/s"
        yield ""
    yield from bar_table(marks)

