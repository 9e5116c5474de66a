#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the report says of measurements that are known. usage: test_report.py REPORT.PY"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

MIB, GIB = 1 << 20, 1 << 30
REPORT = os.path.abspath(sys.argv[1])


def host(who, form, range_bytes, order, wall_ms, **more):
    return {"part": "host", "who": who, "form": form, "range_bytes": range_bytes, "order": order, "backing": "4k", "populated": True,
            "bytes": GIB, "queue_size": 1024, "items": 256, "in_flight": 1, "round": 0, "wall_ns": wall_ms * 1000000, "cpu_ns": wall_ms * 1000000, "kicks": 1,
            "release_calls": None, "syscalls": None, "freed_bytes": GIB} | more


def guest(who, driver, step, wall_ms, **more):
    return {"part": "guest", "who": who, "driver": driver, "mem_bytes": 8 * GIB, "ask_bytes": 7 * GIB, "backing": "4k", "memory": "idle",
            "step": step, "round": 0, "wall_ns": wall_ms * 1000000} | more


class Report(unittest.TestCase):
    def report(self, lines, status=0):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "results.jsonl"), "w", encoding="utf-8") as file:
                file.writelines(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
            done = subprocess.run([sys.executable, REPORT, folder], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, status, done.stderr)
            self.printed, self.said = done.stdout, done.stderr
            path = os.path.join(folder, "report.md")
            if not os.path.exists(path):
                return ""
            with open(path, encoding="utf-8") as file:
                return file.read()

    def test_a_goal_is_held_or_missed_by_medians(self):
        lines = [host("limit", "fallocate", GIB, "ascending", t, round=i) for i, t in enumerate((90, 100, 900))]
        lines += [host("aerostat", "sg", 2 * MIB, "ascending", t, round=i) for i, t in enumerate((1, 125, 130))]
        lines += [host("qemu", "pfn", GIB, "ascending", 499)]
        text = self.report(lines)
        self.assertIn("| 4k: chains of 2 MiB and more, part of the limit's speed | at least 0.8 | 0.80 | holds |", text)
        self.assertIn("| 4k: chains against QEMU's page numbers in order, times | at least 4 | 4.0 | **missed** |", text)
        self.assertIn("| 4k: page numbers in no order against QEMU's, times | at least 1.5 | - | not measured |", text)
        self.assertIn("| Aerostat: chains of 2 MiB | 125 (1.00 - 130) |", text)

    def test_untouched_memory_decides_no_goal_of_populated_memory(self):
        lines = [host("limit", "fallocate", GIB, "ascending", 100, populated=False), host("aerostat", "sg", 2 * MIB, "ascending", 900, populated=False)]
        text = self.report(lines)
        self.assertNotIn("## Goals", text)
        self.assertIn("### 1 GiB, 4k, untouched", text)

    def test_a_linux_guests_goals(self):
        lines = [guest("qemu", "stock", "inflate", 15000), guest("aerostat", "sg", "inflate", 51), guest("aerostat", "stock", "inflate", 400),
                 guest("qemu", "stock", "deflate", 7000), guest("aerostat", "sg", "deflate", 60, notifications=3)]
        text = self.report(lines)
        self.assertIn("| 7 of 8 GiB, idle, against QEMU, times | at least 300 | 294 | **missed** |", text)
        self.assertIn("| 7 of 8 GiB, idle, ms | at most 50 | 51 | **missed** |", text)
        self.assertIn("| 7 GiB back to the guest, against QEMU, times | at least 100 | 117 | holds |", text)
        self.assertIn("| 7 of 8 GiB, populated, 4 KiB pages, times one bulk punch | at most 1.3 | - | not measured |", text)
        self.assertIn("| Aerostat, stock driver | 400 | 38 | - | - |", text)
        self.assertIn("## Goals", self.printed)

    def test_growth_is_judged_by_its_ends(self):
        lines = [{"part": "growth", "by": "ranges", "x": x, "who": "aerostat", "round": 0, "wall_ns": ns, "cpu_ns": ns, "release_calls": x}
                 for x, ns in ((64, 1000000), (512, 4000000), (4096, 128000000))]
        lines += [{"part": "growth", "by": "memory", "x": x * GIB, "who": "aerostat", "round": 0, "wall_ns": 5000000, "cpu_ns": 5000000} for x in (2, 16)]
        text = self.report(lines)
        self.assertIn("| growth of time over growth of ranges | at most 1.3 | 2.0 | **missed** |", text)
        self.assertIn("| the same ranges out of the largest guest, times the smallest | at most 1.3 | 1.00 | holds |", text)
        self.assertIn("| 4,096 | 128 | 128 | 4,096 |", text)

    def test_what_is_extrapolated_shows_its_arithmetic(self):
        text = self.report([host("aerostat", "sg", 2 * MIB, "ascending", 250)])
        self.assertIn("| 4k: chains of 2 MiB | 250.00 | 1000 x 0.75 x 250.00 ms | 187.5 |", text)

    def test_a_line_that_is_no_json_is_named(self):
        self.report([{"part": "machine"}, "no json\n"], status=1)
        self.assertIn("results.jsonl:2:", self.said)

    def test_nothing_measured_is_no_report_of_anything(self):
        text = self.report([{"part": "machine", "kernel": "6.1"}])
        self.assertIn("| kernel | 6.1 |", text)
        for heading in ("## Goals", "## Host", "## Growth", "## Extrapolated"):
            self.assertNotIn(heading, text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
