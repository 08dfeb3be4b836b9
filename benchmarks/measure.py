#!/usr/bin/env python3
"""Throughput and time to open of a loopback tube, both ends and the programs on this machine.

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


def run_demo(isotube, megabytes):
    done = subprocess.run([isotube, "demo", "--megabytes", str(megabytes), "--json"], capture_output=True, text=True,
                          timeout=600)
    if done.returncode != 0:
        sys.exit(f"isotube demo failed:\n{done.stderr}")
    return json.loads(done.stdout)


def model_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    isotube, quick = sys.argv[1], "--quick" in sys.argv[2:]
    runs, megabytes = (3, 100) if quick else (7, 1000)
    measured = {"up": [], "down": [], "opened_ms": []}
    for number in range(runs):
        print(f"  run {number + 1} of {runs}: {megabytes} MB each way", flush=True)
        result = run_demo(isotube, megabytes)
        measured["opened_ms"].append(result["opened_ms"])
        for transfer in result["transfers"]:
            if transfer["sha256_sent"] != transfer["sha256_got"]:
                sys.exit("a transfer did not arrive as it was sent")
            measured[transfer["direction"]].append(transfer["bytes"] / 1e6 / transfer["seconds"])

    rows = [("isotube, up", "MB/s", measured["up"]), ("isotube, down", "MB/s", measured["down"]),
            ("isotube, opening", "ms", measured["opened_ms"])]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "latest.json").write_text(json.dumps({
        "commit": commit, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpu": model_name(),
        "cores": os.cpu_count(), "megabytes": megabytes,
        "results": [{"name": name, "unit": unit, "median": statistics.median(values), "runs": values}
                    for name, unit, values in rows]}, indent=2) + "\n")

    print(f"\n{'':24}{'median':>10}{'lowest':>10}{'highest':>10}")
    for name, unit, values in rows:
        print(f"{name:24}{statistics.median(values):10.1f}{min(values):10.1f}{max(values):10.1f}  {unit}")
    print(f"\n{model_name()}, {os.cpu_count()} cores, all ends on it. All of it: benchmarks/results/latest.json")


if __name__ == "__main__":
    main()
