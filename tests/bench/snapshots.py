#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev bench snapshots`: what snapshots cost hosts, beside what else could be done in their
place, on new file systems of several kinds on loop devices (root; those that cannot be had are
skipped with the reason). Runs are interleaved; a ratio is the median of the rounds' ratios.
Prints a table with the design's budgets and writes every single figure to a JSON file."""

import argparse
import dataclasses
import importlib
import json
import pathlib
import shutil
import sys
import time

import bench
from snapshot_lab import GIB, HERE, MIB, MKFS, TIB, Skip, gateway, mounted, table

PARTS = ("cut", "overwrite", "background", "many", "diff")
DISK = 24 * GIB  # of each file system, sparse


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench snapshots", description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of caissond, caisson and loadgen")
    parser.add_argument("--loadgen", type=pathlib.Path, help="default: BIN/loadgen")
    parser.add_argument("--results", type=pathlib.Path, help="folder for the JSON file")
    parser.add_argument("--work", type=pathlib.Path, help="where the disks' images lie (default: build/bench)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, of %(default)s")
    parser.add_argument("--fs", default=",".join(MKFS), help="file systems, of %(default)s")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3, help="of each run")
    parser.add_argument("--flag", action="append", default=[], help="further flag of caissond")
    parser.add_argument("--quick", action="store_true", help="does it run: small disks, moments, one round")
    options = parser.parse_args(namespace=Options())
    options.only, options.fs = options.only.split(","), options.fs.split(",")
    for given, known in ((options.only, PARTS), (options.fs, MKFS)):
        if unknown := set(given) - set(known):
            parser.error(f"none of {', '.join(known)}: {', '.join(sorted(unknown))}")
    options.loadgen = options.loadgen or options.bin / "loadgen"
    options.work = options.work or HERE.parents[1] / "build" / "bench"
    return sized(options)


def sized(options):
    """filled: bytes of the disk in many extents; sparse: of the large one."""
    options.filled, options.extents, options.sparse, options.snapshots = 4 * GIB, 200_000, TIB, 4096
    options.disk, options.patience = DISK, 240  # seconds for cutting thousands
    if options.quick:
        options.filled, options.extents, options.snapshots = 256 * MIB, 12_500, 64
        options.rounds, options.seconds, options.disk = 1, 1.0, 4 * GIB
    options.notes = []
    options.doing = ""
    return options


class Options(argparse.Namespace):
    """As they were given; and what a reader of the figures has to know."""

    def note(self, what):
        self.notes.append(f"{self.doing}: {what}")
        print(f"  note: {what}", flush=True)


def parts_on(options, fs, directory):
    """Every part on one kind of file system, each on a new one."""
    for part in options.only:
        began = time.monotonic()
        options.doing = f"{part} on {fs}"
        print(options.doing, flush=True)
        try:
            if shutil.disk_usage(directory).free < options.disk:
                raise Skip(f"less than {options.disk >> 30} GiB are free in {directory}")
            with mounted(fs, directory, options.disk) as where:
                yield from importlib.import_module(f"snapshot_{part}").measure(options, fs, where)
        except Skip as why:
            options.note(f"SKIPPED: {why}")
        except gateway.ServerError as error:  # the others are worth having
            options.note(f"FAILED: {error}")
            options.failed = True
        print(f"  {time.monotonic() - began:.0f} s", flush=True)


def save(options, before, rows):
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / time.strftime("snapshots-%Y%m%d-%H%M%S.json")
    found = [dict(dataclasses.asdict(one), met=one.met) for one in rows]
    path.write_text(json.dumps({"quick": options.quick, "before": before, "after": bench.machine(),
                                "notes": options.notes, "rows": found}, indent=1))
    print(f"every figure: {path}")


def main():
    options = parse_arguments()
    began, before, rows = time.monotonic(), bench.machine(), []
    options.failed = False
    with gateway.scratch(options.work) as directory:
        for fs in options.fs:
            rows += parts_on(options, fs, directory)
    for one in rows if options.quick else ():
        one.bound = None  # nothing that it measures is what the budgets speak of
    print(f"{options.rounds} interleaved rounds of {options.seconds:g} s, medians"
          + ("; --quick: the figures mean nothing" if options.quick else ""))
    print("\n".join([*table(rows), *(f"note: {what}" for what in options.notes)]))
    if options.results:
        save(options, before, rows)
    print(f"took {time.monotonic() - began:.0f} s")
    return 1 if options.failed else 0


if __name__ == "__main__":
    sys.exit(main())
