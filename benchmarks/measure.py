#!/usr/bin/env python3
"""Ours and libdatachannel, measured in one run on this machine, taking turns.

    measure.py ISOTUBE [--quick]    writes benchmarks/results/latest.json and prints a table
"""
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
MESSAGE_SIZES = (16384, 65536)


def run_json(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def run_libdatachannel(seconds, size):
    """It sometimes throws while it signals, or stalls: then it is started again, and that is said."""
    command = ["node", HERE / "peers/libdatachannel.mjs", str(seconds), str(size)]
    for _ in range(5):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30 + 3 * seconds)
            if done.returncode == 0:
                return json.loads(done.stdout)
            why = done.stderr.strip().splitlines()[-1:]
        except subprocess.TimeoutExpired:
            why = ["it stalled"]
        print(f"    libdatachannel is started again: {' '.join(why).strip()}", flush=True)
    sys.exit("libdatachannel failed five times in a row")


def model_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


class Figures:
    """What was measured: for each row and stack the values of all runs."""

    def __init__(self):
        self.rows = {}

    def add(self, row, unit, stack, value):
        self.rows.setdefault((row, unit), {}).setdefault(stack, []).append(value)

    def add_channel(self, stack, result):
        size = f"{result['message_size'] // 1024} KiB messages"
        self.add(f"one data channel, {size}", "MB/s", stack, result["megabytes_per_second"])
        self.add("nothing to open channel", "ms", stack, result["open_ms"])
        self.add("64 B there and back, p50", "us", stack, result["round_trip_p50_us"])
        self.add("64 B there and back, p99", "us", stack, result["round_trip_p99_us"])

    def add_tunnel(self, result):
        for transfer in result["transfers"]:
            if transfer["sha256_sent"] != transfer["sha256_got"]:
                sys.exit("a transfer did not arrive as it was sent")
            self.add(f"TCP through a tunnel, {transfer['direction']}", "MB/s", "isotube",
                     transfer["bytes"] / 1e6 / transfer["seconds"])

    def table(self):
        lines = [f"{'median of all runs':34}{'isotube':>10}{'libdatachannel':>16}{'ratio':>8}"]
        for (row, unit), stacks in self.rows.items():
            ours = statistics.median(stacks["isotube"])
            theirs = statistics.median(stacks["libdatachannel"]) if "libdatachannel" in stacks else None
            rest = f"{theirs:16.1f}{ours / theirs:8.2f}" if theirs else " " * 24
            lines.append(f"{row:34}{ours:10.1f}{rest}  {unit}")
        return "\n".join(lines)

    def as_json(self):
        return [{"name": row, "unit": unit, "stack": stack, "median": statistics.median(values), "runs": values}
                for (row, unit), stacks in self.rows.items() for stack, values in stacks.items()]


def main():
    isotube, quick = sys.argv[1], "--quick" in sys.argv[2:]
    runs, seconds, megabytes = (3, 1, 100) if quick else (7, 3, 1000)
    figures = Figures()
    for number in range(runs):
        print(f"  run {number + 1} of {runs}", flush=True)
        for size in MESSAGE_SIZES:
            figures.add_channel("isotube", run_json(
                [isotube, "bench", "--json", "--seconds", str(seconds), "--message-size", str(size)]))
            figures.add_channel("libdatachannel", run_libdatachannel(seconds, size))
        figures.add_tunnel(run_json([isotube, "demo", "--megabytes", str(megabytes), "--json"]))

    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "latest.json").write_text(json.dumps({
        "commit": commit, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpu": model_name(),
        "cores": os.cpu_count(), "results": figures.as_json()}, indent=2) + "\n")

    print(f"\n{figures.table()}\n\n{model_name()}, {os.cpu_count()} cores, all ends on it. "
          "All runs: benchmarks/results/latest.json")


if __name__ == "__main__":
    main()
