#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the report of tools/bench: report.md and its plots from results.jsonl.

usage: report.py FOLDER

Every line of results.jsonl is one measurement, or the description of the machine (docs/performance.md has the keys). Only what
was measured is shown: a figure that is missing is left out, and a goal without its figures is "not measured".
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def read(path):
    lines = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                lines.append(json.loads(line))
            except ValueError as error:
                sys.exit(f"{path}:{number}: {error}")
    return lines


def size(n):
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if n >= unit and n % unit == 0:
            return f"{n // unit:,} {name}"
    return f"{n:,} B"


def ms(ns):
    value = ns / 1e6
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(x):
    return f"{x:,.0f}" if x >= 20 else f"{x:.1f}" if x >= 2 else f"{x:.2f}"


class Sample:
    """The rounds of one measurement."""

    def __init__(self, lines):
        self.lines = lines

    def __bool__(self):
        return bool(self.lines)

    def all(self, key):
        return sorted(line[key] for line in self.lines if line.get(key) is not None)

    def median(self, key):
        values = self.all(key)
        return statistics.median_low(values) if values else None

    def spread(self, key):
        """Median, and the extremes where there are several, in milliseconds."""
        values = self.all(key)
        if not values:
            return "-"
        text = ms(self.median(key))
        return text if len(values) == 1 else f"{text} ({ms(values[0])} - {ms(values[-1])})"

    def count(self, key):
        value = self.median(key)
        return "-" if value is None else f"{value:,}"


class Results:
    def __init__(self, lines):
        self.lines = lines

    def part(self, part):
        return Results([line for line in self.lines if line.get("part") == part])

    def having(self, **keys):
        return Results([line for line in self.lines if all(line.get(k) == v for k, v in keys.items())])

    def sample(self, **keys):
        return Sample(self.having(**keys).lines)

    def values(self, key):
        return sorted({line[key] for line in self.lines if line.get(key) is not None})

    def groups(self, *keys):
        """In the order of their first lines."""
        found = defaultdict(list)
        for line in self.lines:
            found[tuple(line.get(key) for key in keys)].append(line)
        return found.items()


def table(head, rows, right_from=1):
    marks = ["---" if i < right_from else "---:" for i in range(len(head))]
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, marks] + rows]
    return "\n".join(lines) + "\n"


def ratio(numerator, denominator, key="wall_ns"):
    a, b = numerator.median(key), denominator.median(key)
    return a / b if a is not None and b else None


def shown(x):
    return "-" if x is None else times(x)


# What is measured, in words.
WHO = {"limit": "the limit", "aerostat": "Aerostat", "qemu": "QEMU"}


# What tells one way of naming memory from another.
FORM = ("form", "range_bytes", "order", "items", "in_flight")


def form_name(form, range_bytes, order, items, in_flight):
    if form == "fallocate":
        return "one fallocate"
    if form == "pfn":
        name = "page numbers, " + ("in order" if order == "ascending" else "in no order" if range_bytes == 4 * KIB
                                   else f"runs of {size(range_bytes)} in no order")
        return name if in_flight in (None, 1) else f"{name}, {in_flight} arrays in flight"
    name = f"chains of {size(range_bytes)}" + ("" if order == "ascending" else ", in no order")
    return f"{name}, one by one" if items == 1 else name


def host_table(results, backing, populated, total):
    case = results.having(backing=backing, populated=populated, bytes=total)
    limit = case.sample(who="limit")
    rows = []
    for (who, *how), lines in case.groups("who", *FORM):
        sample = Sample(lines)
        form, range_bytes, order, items, in_flight = how
        peer = case.sample(who="qemu", form="pfn", range_bytes=range_bytes, order=order, in_flight=in_flight)
        if form == "sg":
            peer = case.sample(who="qemu", order="ascending")
        wall = sample.median("wall_ns")
        freed = sample.median("freed_bytes")
        rows.append([
            f"{WHO[who]}: {form_name(*how)}",
            sample.spread("wall_ns"), sample.spread("cpu_ns"),
            times(total / GIB / (wall / 1e9)) if wall else "-",
            shown(ratio(sample, limit)), shown(ratio(peer, sample)) if who == "aerostat" else "",
            sample.count("kicks"), sample.count("release_calls"), sample.count("syscalls"),
            "-" if freed is None else f"{freed // MIB:,}"])
    head = ["form", "ms", "CPU ms", "GiB/s", "/ limit", "QEMU /", "kicks", "release calls", "system calls", "MiB freed"]
    return table(head, rows)


def host_section(results):
    part = results.part("host")
    if not part.lines:
        return ""
    text = ["## Host side: no guest kernel\n",
            "The same memory, populated by the same code, is given back in turns by one `fallocate` (the limit), by Aerostat's device, and by "
            "QEMU's virtio-balloon, which is driven through qtest on the same memfd. `/ limit` is the time against the limit's, "
            "`QEMU /` how many times as long QEMU took for the same page numbers (chains: for page numbers in order).\n"]
    for (backing, populated, total), _ in part.groups("backing", "populated", "bytes"):
        state = "populated" if populated else "untouched"
        text += [f"### {size(total)}, {backing}, {state}\n", host_table(part, backing, populated, total)]
    return "\n".join(text)


GUEST_SUBJECTS = [("qemu", "stock", "QEMU, stock driver"), ("aerostat", "stock", "Aerostat, stock driver"),
                  ("aerostat", "sg", "Aerostat, chains"), ("limit", None, "one bulk punch of the same memory")]


def guest_section(results):
    part = results.part("guest")
    if not part.lines:
        return ""
    text = ["## With a Linux guest\n",
            "Directly on KVM. `QEMU /`: how many times as long QEMU took.\n"]
    head = ["subject", "ms", "QEMU /", "notifications", "interrupts", "exits", "guest CPU ms", "allocating ms", "sending ms",
            "waiting ms", "releasing ms"]
    for (mem, ask, backing, memory, step), _ in part.groups("mem_bytes", "ask_bytes", "backing", "memory", "step"):
        case = part.having(mem_bytes=mem, ask_bytes=ask, backing=backing, memory=memory, step=step)
        peer = case.sample(who="qemu")
        rows = []
        for who, driver, name in GUEST_SUBJECTS:
            keys = {"who": who} if driver is None else {"who": who, "driver": driver}
            sample = case.sample(**keys)
            if not sample:
                continue
            rows.append([name, sample.spread("wall_ns"), shown(ratio(peer, sample)) if who != "qemu" else ""] +
                        [sample.count(k) for k in ("notifications", "interrupts", "exits")] +
                        [sample.spread(k) for k in ("guest_cpu_ns", "alloc_ns", "send_ns", "wait_ns", "release_ns")])
        text += [f"### {step} {size(ask)} of {size(mem)}, {memory}, {backing}\n", table(head, rows)]
    return "\n".join(text)


def start_section(results):
    part = results.part("start")
    if not part.lines:
        return ""
    names = {"first_kvm_run": "start to the first KVM_RUN, ms", "guest_init": "start to the guest's first process, ms",
             "private_memory": "private memory beside guest RAM, KiB", "binary": "program, KiB", "package": "installed, KiB",
             "libraries": "shared libraries, KiB"}
    rows = []
    for (what, kernel, mem), _ in part.groups("what", "kernel", "mem_bytes"):
        # What is counted, of either; sizes of programs are not counted alike.
        case = part.having(what=what, kernel=kernel, mem_bytes=mem)
        for note in (case.values("note") if kernel else []) or [None]:
            name = names.get(what.removesuffix("_smallest"), what)
            about = [f"{kernel} kernel" if kernel else "", size(mem) if mem else "", note or "",
                     "the smallest machine" if what.endswith("_smallest") else ""]
            cells = ["; ".join([name] + [a for a in about if a])]
            for who in ("aerostat", "qemu"):
                sample = case.sample(who=who) if note is None else case.sample(who=who, note=note)
                if not sample:
                    cells.append("-")
                elif sample.all("wall_ns"):
                    cells.append(sample.spread("wall_ns"))
                else:
                    cells.append(f"{(sample.median('bytes') + KIB // 2) // KIB:,}")
            rows.append(cells)
    notes = [f"- {WHO[who]}, {names.get(what, what)}: {note}" for (who, what, kernel, note), _ in part.groups("who", "what", "kernel", "note")
             if note and not kernel]
    return "## Start and footprint\n\n" + table(["", "Aerostat", "QEMU microvm"], rows) + "\n" + "\n".join(notes) + "\n"


def neighbours_section(results):
    part = results.part("neighbours")
    if not part.lines:
        return ""
    names = {"api": "control socket, a connection each", "api_kept": "control socket, one connection",
             "api_beside": "another machine's socket, a connection each", "api_beside_kept": "another machine's socket, one connection",
             "mmio": "vCPU: reads a register", "mmio_config": "vCPU: reads configuration space", "mmio_notify": "vCPU: kicks another queue"}
    rows = []
    for (what, load), lines in part.groups("what", "load"):
        sample = Sample(lines)
        rows.append([names.get(what, what), load] + [f"{sample.median(k) / 1e3:,.1f}" for k in ("p50_ns", "p99_ns", "max_ns")] + [sample.count("n")])
    return ("## Neighbours\n\nWhile one machine gives 4 GiB of populated 4 KiB pages back, against a machine at rest; microseconds.\n\n" +
            table(["", "load", "p50", "p99", "highest", "samples"], rows, 2))


GROWTH = {"spread": ("bytes from one range to the next", "512 ranges of 2 MiB, further and further apart"),
          "memory": ("bytes of guest RAM", "1 GiB in 512 ranges, out of guests of different sizes"),
          "ranges": ("ranges", "ranges without neighbours"),
          "queue_size": ("entries of the ring", "the same ranges through rings of different sizes"),
          "vms": ("machines", "machines that all give memory back at once")}


def growth_section(results, folder):
    part = results.part("growth")
    if not part.lines:
        return ""
    text = ["## Growth\n"]
    for (by,), lines in part.groups("by"):
        label, title = GROWTH.get(by, (by, by))
        curve = Results(lines)
        extra = [k for k, value in lines[0].items() if isinstance(value, int) and not isinstance(value, bool) and
                 k not in ("x", "round", "wall_ns", "cpu_ns")]
        rows, points = [], []
        for x in curve.values("x"):
            sample = curve.sample(x=x)
            rows.append([size(x) if by in ("memory", "spread") else f"{x:,}", sample.spread("wall_ns"), sample.spread("cpu_ns")] +
                        [sample.count(k) for k in extra])
            points.append((x, sample.median("wall_ns") / 1e6, (sample.median("cpu_ns") or 0) / 1e6))
        text += [f"### {title[0].upper()}{title[1:]}\n",
                 table([label, "ms", "CPU ms"] + [k.replace("_", " ") for k in extra], rows)]
        if plot_lines(folder, f"growth_{by}", title, label, points, by in ("ranges", "vms")):
            text.append(f"![{title}](growth_{by}.svg)\n")
    return "\n".join(text)


def per_byte(results, **keys):
    sample = results.part("host").sample(populated=True, **keys)
    cpu = sample.median("cpu_ns")
    return cpu / sample.median("bytes") if cpu else None


def extrapolation_section(results):
    """A host of 1 TiB with 1,000 guests, by the figures above alone."""
    guests, taken = 1000, 768 * MIB
    rows = []
    for backing in ("4k", "thp", "hugetlb-2m"):
        part = results.part("host").having(backing=backing)
        if not part.lines:
            continue
        total = max(part.values("bytes"))
        for name, keys in (("chains of 2 MiB", {"who": "aerostat", "form": "sg", "range_bytes": 2 * MIB, "order": "ascending"}),
                           ("page numbers in no order", {"who": "aerostat", "form": "pfn", "range_bytes": 4 * KIB, "order": "shuffled"}),
                           ("QEMU, page numbers in no order", {"who": "qemu", "form": "pfn", "range_bytes": 4 * KIB, "order": "shuffled"})):
            cost = per_byte(part, bytes=total, **keys)
            if cost and part.sample(bytes=total, populated=True, **keys).median("freed_bytes"):
                rows.append([f"{backing}: {name}", f"{cost * GIB / 1e6:,.2f}", f"{guests} x 0.75 x {cost * GIB / 1e6:,.2f} ms",
                             f"{guests * taken * cost / 1e9:,.1f}"])
    text = ""
    if rows:
        text += ("A host of 1 TiB with 1,000 guests of 1 GiB, each of which gives 768 MiB of populated memory back: the processor time of the host, "
                 "from the costs a GiB measured above (they are linear in ranges and do not depend on the guest's size).\n\n" +
                 table(["", "CPU ms a GiB", "arithmetic", "CPU s, all"], rows))
    private = (results.part("growth").having(by="vms").sample(x=100).median("private_bytes_each") or
               results.part("start").sample(who="aerostat", what="private_memory").median("bytes"))
    if private:
        text += (f"\nMemory of 1,000 monitors: 1,000 x {private / MIB:.2f} MiB = {1000 * private / GIB:.1f} GiB, "
                 f"{100 * 1000 * private / (1 << 40):.2f} % of the host; the record of which pages were given takes 1/16384 of them at most: 64 MiB.\n")
    return "## Extrapolated: 1 TiB, 1,000 guests\n\n" + text if text else ""


# What must hold: name, bound, and the figure or None.

def at_least(figure, bound):
    return figure, None if figure is None else figure >= bound, f"at least {bound}"


def at_most(figure, bound):
    return figure, None if figure is None else figure <= bound, f"at most {bound}"


def host_goals(results):
    part = results.part("host").having(populated=True)
    for backing in part.values("backing"):
        of = part.having(backing=backing)
        of = of.having(bytes=max(of.values("bytes")))
        limit = of.sample(who="limit")
        chains = [of.sample(who="aerostat", form="sg", range_bytes=r, order="ascending") for r in (2 * MIB, 4 * MIB, GIB)]
        speeds = [ratio(limit, c, "cpu_ns") for c in chains if c]
        speeds = [s for s in speeds if s is not None]
        yield (f"{backing}: chains of 2 MiB and more, part of the limit's speed", *at_least(min(speeds, default=None), 0.8))
        qemu = of.sample(who="qemu", order="ascending")
        if qemu and qemu.median("freed_bytes") == 0:
            yield f"{backing}: against QEMU", None, "QEMU frees nothing", ""
            continue
        slowest = [ratio(qemu, c) for c in chains if c]
        slowest = [s for s in slowest if s is not None]
        yield (f"{backing}: chains against QEMU's page numbers in order, times",
               *at_least(min(slowest, default=None), 4 if backing == "4k" else 100))
        for name, order, run, bound in (("in runs", "shuffled", 2 * MIB, 4), ("in no order", "shuffled", 4 * KIB, 1.5)):
            ours = of.sample(who="aerostat", form="pfn", range_bytes=run, order=order, in_flight=1)
            theirs = of.sample(who="qemu", form="pfn", range_bytes=run, order=order, in_flight=1)
            yield f"{backing}: page numbers {name} against QEMU's, times", *at_least(ratio(theirs, ours), bound)


def guest_goals(results):
    part = results.part("guest").having(ask_bytes=7 * GIB, mem_bytes=8 * GIB)
    if not part.lines:
        return
    inflate = part.having(step="inflate")
    ours = {(m, b): inflate.sample(who="aerostat", driver="sg", memory=m, backing=b)
            for m in ("idle", "populated") for b in ("4k", "thp")}
    qemu = {(m, b): inflate.sample(who="qemu", memory=m, backing=b) for m in ("idle", "populated") for b in ("4k", "thp")}
    idle = ours["idle", "4k"].median("wall_ns")
    yield "7 of 8 GiB, idle, against QEMU, times", *at_least(ratio(qemu["idle", "4k"], ours["idle", "4k"]), 300)
    yield "7 of 8 GiB, idle, ms", *at_most(None if idle is None else idle / 1e6, 50)
    peer = qemu["populated", "thp"] or qemu["populated", "4k"]
    yield "7 of 8 GiB, populated, huge pages, against QEMU, times", *at_least(ratio(peer, ours["populated", "thp"]), 100)
    limit = inflate.sample(who="limit", backing="4k", memory="populated")
    yield "7 of 8 GiB, populated, 4 KiB pages, times one bulk punch", *at_most(ratio(ours["populated", "4k"], limit), 1.3)
    deflate = part.having(step="deflate", memory="idle", backing="4k")
    yield ("7 GiB back to the guest, against QEMU, times",
           *at_least(ratio(deflate.sample(who="qemu"), deflate.sample(who="aerostat", driver="sg")), 100))


def start_goals(results):
    part = results.part("start").having(who="aerostat")
    if not part.lines:
        return
    for kernel in part.having(what="first_kvm_run").values("kernel"):
        figure = part.sample(what="first_kvm_run", kernel=kernel).median("wall_ns")
        yield f"first KVM_RUN, {kernel} kernel, ms", *at_most(figure / 1e6, 10)
    for what, name in (("guest_init", "guest's first process, ms"), ("guest_init_smallest", "the same, the smallest machine, ms")):
        init = part.sample(what=what).median("wall_ns")
        yield name, *at_most(None if init is None else init / 1e6, 125)
    for note in part.having(what="private_memory").values("note"):
        memory = part.sample(what="private_memory", note=note).all("bytes")
        yield f"private memory beside guest RAM, {note}, the most, MiB", *at_most(memory[-1] / MIB if memory else None, 3)


def neighbour_goals(results):
    part = results.part("neighbours")
    for what in part.values("what"):
        if what.startswith("api"):
            case = part.having(what=what)
            yield (f"{what}: p99 while 4 GiB are punched, times idle",
                   *at_most(ratio(case.sample(load="punch"), case.sample(load="idle"), "p99_ns"), 3))


def growth_goals(results):
    curve = results.part("growth").having(by="memory")
    xs = curve.values("x")
    if len(xs) > 1:
        yield ("the same ranges out of the largest guest, times the smallest",
               *at_most(ratio(curve.sample(x=xs[-1]), curve.sample(x=xs[0]), "cpu_ns"), 1.3))
    curve = results.part("growth").having(by="ranges")
    xs = curve.values("x")
    if len(xs) > 1:
        grown = ratio(curve.sample(x=xs[-1]), curve.sample(x=xs[0]), "cpu_ns")
        yield ("growth of time over growth of ranges", *at_most(None if grown is None else grown * xs[0] / xs[-1], 1.3))


def goals_section(results):
    rows = []
    for goals in (host_goals, guest_goals, start_goals, neighbour_goals, growth_goals):
        for name, figure, holds, bound in goals(results):
            verdict = holds if isinstance(holds, str) else "not measured" if holds is None else "holds" if holds else "**missed**"
            rows.append([name, bound, shown(figure), verdict])
    return "## Goals\n\n" + table(["", "goal", "here", ""], rows) if rows else ""


def machine_section(results):
    machine = next((line for line in results.lines if line.get("part") == "machine"), {})
    return table(["machine", ""], [[k.replace("_", " "), str(v)] for k, v in machine.items() if k != "part"], 2)


def gnuplot(folder, name, script):
    if shutil.which("gnuplot") is None:
        return False
    path = os.path.join(folder, f"{name}.gp")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"set terminal svg size 1000,600 font 'sans,13' background 'white'\nset output '{name}.svg'\n{script}")
    return subprocess.run(["gnuplot", f"{name}.gp"], cwd=folder, check=False).returncode == 0


def plot_lines(folder, name, title, label, points, both_logarithmic):
    """With both scales logarithmic, what grows linearly is a straight line that rises by 1 for each 1."""
    with open(os.path.join(folder, f"{name}.dat"), "w", encoding="utf-8") as file:
        file.writelines(f"{x} {wall} {cpu}\n" for x, wall, cpu in points)
    scale = "set logscale xy\n" if both_logarithmic else "set logscale x 2\nset yrange [0:*]\n"
    return gnuplot(folder, name, f"set title \"{title}\"\nset xlabel '{label}'\nset ylabel 'ms'\n{scale}set key left top\nset grid\n"
                   f"plot '{name}.dat' using 1:2 with linespoints lw 2 title 'clock', '' using 1:3 with linespoints lw 2 title 'CPU'\n")


def plot_bars(folder, name, title, bars):
    """bars: (label, milliseconds); on a logarithmic scale, since hundreds of times lie between them."""
    with open(os.path.join(folder, f"{name}.dat"), "w", encoding="utf-8") as file:
        file.writelines(f"\"{label}\" {value} \"{ms(value * 1e6)}\"\n" for label, value in bars)
    least, most = min(value for _, value in bars), max(value for _, value in bars)
    return gnuplot(folder, name, f"set label \"{title}\" at screen 0.5,0.96 center\nset xlabel 'ms (logarithmic)'\nset logscale x\nset xrange [{least / 2}:{most * 6}]\n"
                   f"set yrange [{len(bars) - 0.4}:-0.6]\nset style fill solid 0.6\nset ytics nomirror scale 0\nset grid x\nunset key\n"
                   f"plot '{name}.dat' using 2:0:({least / 2}):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lc rgb '#4477aa', "
                   "'' using 2:0:3 with labels left offset 0.7,0\n")


def plots_section(results, folder):
    text = []
    part = results.part("host").having(populated=True)
    for backing in part.values("backing"):
        case = part.having(backing=backing)
        total = max(case.values("bytes"))
        bars = [(f"{WHO[who]}: {form_name(*how)}", Sample(lines).median("wall_ns") / 1e6)
                for (who, *how), lines in case.having(bytes=total).groups("who", *FORM)]
        title = f"{size(total)} of populated memory given back, {backing}, without a guest"
        if plot_bars(folder, f"host_{backing}", title, bars):
            text.append(f"![{title}](host_{backing}.svg)\n")
    part = results.part("guest").having(step="inflate")
    for (mem, ask), lines in part.groups("mem_bytes", "ask_bytes"):
        bars = []
        for (memory, backing, who, driver), same in Results(lines).groups("memory", "backing", "who", "driver"):
            name = next(n for w, d, n in GUEST_SUBJECTS if w == who and d in (None, driver))
            bars.append((f"{memory}, {backing}: {name}", Sample(same).median("wall_ns") / 1e6))
        title = f"{size(ask)} of {size(mem)} given back by a Linux guest"
        if plot_bars(folder, f"guest_{ask // GIB}g", title, bars):
            text.append(f"![{title}](guest_{ask // GIB}g.svg)\n")
    return "## At a glance\n\n" + "\n".join(text) if text else ""


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = sys.argv[1]
    results = Results(read(os.path.join(folder, "results.jsonl")))
    sections = ["<!-- SPDX-License-Identifier: Apache-2.0 -->\n# What Aerostat costs, measured here\n", machine_section(results),
                goals_section(results), plots_section(results, folder), host_section(results), guest_section(results),
                start_section(results), neighbours_section(results), growth_section(results, folder), extrapolation_section(results)]
    text = "\n".join(section for section in sections if section)
    with open(os.path.join(folder, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
    print(goals_section(results))


if __name__ == "__main__":
    main()
