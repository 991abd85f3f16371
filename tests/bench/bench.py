#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev bench`: Caisson beside Debian's tgt (stock and tuned for large writes) and
nbdkit's file plugin, each over a file of the same size and content on the same file
system in the same cache state, one load generator, interleaved runs (A B C A B C),
medians. Prints tables and writes every single run to a JSON file."""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import gateway  # noqa: E402

Workload = collections.namedtuple("Workload", "pattern block depth")
Served = collections.namedtuple("Served", "name url pid path")

SMALL = [Workload(p, 4096, d) for d in (1, 32) for p in ("randread", "randwrite", "rw70")]
LARGE = [Workload(p, b, 8) for b in (128 << 10, 1 << 20) for p in ("seqread", "seqwrite")]
CHUNK = 1 << 20


def fill(path, size, begin=0):
    """Random bytes over the whole size, on disk: neither sparse nor dirty afterwards."""
    block = os.urandom(CHUNK)
    with open(path, "r+b" if pathlib.Path(path).exists() else "wb") as file:
        for at in range(begin, size, CHUNK):
            file.seek(at)
            file.write(block[: min(CHUNK, size - at)])
        file.flush()
        os.fsync(file.fileno())


def set_cache(path, state):
    """warm: read in with readahead (large folios, what a backup or `cp` leaves behind);
    small: read in 4 KiB at a time; cold: nothing cached."""
    with open(path, "rb", buffering=0) as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if state == "small":
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        step = {"warm": CHUNK, "small": 4096}.get(state)
        for at in range(0, size, step) if step else ():
            os.pread(file.fileno(), step, at)


def load(options, served, workload):
    words = [options.loadgen, served.url, "--pattern", workload.pattern, "--block", workload.block,
             "--depth", workload.depth, "--seconds", options.seconds, "--target-pid", served.pid,
             "--region", options.size]
    return dict(json.loads(gateway.run(words)), target=served.name)


def start_peers(stack, options, directory):
    """Every peer, each on a file of its own."""
    for name, tuned in (("tgt", False), ("tgt-tuned", True)):
        if name in options.targets:
            folder = directory / name
            folder.mkdir()
            fill(folder / "disk", options.size)
            server = stack.enter_context(gateway.Tgt(folder, tuned))
            yield Served(name, server.add(folder / "disk"), server.pid, folder / "disk")
    if "nbdkit" in options.targets:
        folder = directory / "nbdkit"
        folder.mkdir()
        fill(folder / "disk", options.size)
        server = stack.enter_context(gateway.Nbdkit(folder, folder / "disk"))
        yield Served("nbdkit", server.url, server.pid, folder / "disk")


def start_caisson(stack, options, directory):
    server = stack.enter_context(gateway.Gateway(options.bin, directory / "caisson", flags=options.flag))
    server.create_lun("bench", f"{options.size >> 20}M", *options.lun_flag)
    server.open_to_all("bench")
    fill(server.container("bench"), options.size)
    return Served("caisson", server.url("bench"), server.process.pid, server.container("bench"))


def start_all(stack, options, directory):
    if "caisson" in options.targets:
        yield start_caisson(stack, options, directory)
    yield from start_peers(stack, options, directory)


def measure(options, served, workloads):
    """Runs of every workload, the targets in turn within each round."""
    runs = []
    for workload in workloads:
        for one in served:
            set_cache(one.path, options.cache)
        for _ in range(options.rounds):
            for one in served:
                if options.cache == "cold":
                    set_cache(one.path, "cold")
                runs.append(load(options, one, workload))
                if "write" in workload.pattern or workload.pattern == "rw70":
                    os.sync()  # what one target left dirty must not burden the next
    return runs


def medians(runs):
    """(workload, target) to the median of each figure over its rounds."""
    groups = collections.defaultdict(list)
    for run in runs:
        groups[Workload(run["pattern"], run["block"], run["depth"]), run["target"]].append(run)
    keys = ("iops", "mb_per_s", "p50_us", "p99_us", "target_cpu_us_per_io", "client_cpu_us_per_io")
    return {group: {k: statistics.median(r[k] for r in found) for k in keys} for group, found in groups.items()}


def speed(workload, figures):
    return f"{figures['iops']:.0f}" if workload.block == 4096 else f"{figures['mb_per_s']:.0f} MB/s"


def table(result, workloads, targets):
    """Lines of the report; a ratio is the first target's figure by the peer's."""
    first = targets[0]
    for workload in workloads:
        size = f"{workload.block >> 10} KiB" if workload.block < 1 << 20 else "1 MiB"
        yield f"{workload.pattern}, {size}, depth {workload.depth}"
        yield (f"  {'':<10} {'IOPS or MB/s':>13} {'p50 us':>8} {'p99 us':>8} {'CPU us/IO':>10} "
               f"{'client':>7}   {first} by it: speed, CPU")
        ours = result[workload, first]
        for target in targets:
            its = result[workload, target]
            ratio = "" if target == first or not its["target_cpu_us_per_io"] else (
                f"x{ours['iops'] / its['iops']:.2f}, x{ours['target_cpu_us_per_io'] / its['target_cpu_us_per_io']:.2f}")
            yield (f"  {target:<10} {speed(workload, its):>13} {its['p50_us']:>8.0f} {its['p99_us']:>8.0f} "
                   f"{its['target_cpu_us_per_io']:>10.1f} {its['client_cpu_us_per_io']:>7.1f}   {ratio}")


def marks(result, workloads, targets):
    """What Caisson has to reach beside tgt in the same run: (what, bound, ratio of the
    medians, whether the ratio must be at least the bound or else at most)."""
    for peer in ("tgt", "tgt-tuned"):
        for workload in workloads if {"caisson", peer} <= set(targets) else ():
            ours, its = result[workload, "caisson"], result[workload, peer]
            name = f"{workload.pattern} {workload.block >> 10} KiB depth {workload.depth} against {peer}"
            if workload.depth > 1:
                yield f"{name}: speed", 1.0, ours["iops"] / its["iops"], True
            if workload.depth == 32:
                yield (f"{name}: CPU per I/O", 0.7,
                       ours["target_cpu_us_per_io"] / its["target_cpu_us_per_io"], False)


def verdict(result, workloads, targets):
    for what, bound, ratio, at_least in marks(result, workloads, targets):
        met = ratio >= bound if at_least else ratio <= bound
        sign = ">=" if at_least else "<="
        yield f"  {'met   ' if met else 'MISSED'} {what}: x{ratio:.2f}, wanted {sign} {bound}"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, help="folder of caissond, caisson and loadgen")
    parser.add_argument("--loadgen", type=pathlib.Path, help="default: BIN/loadgen")
    parser.add_argument("--results", type=pathlib.Path, help="folder for the JSON file")
    parser.add_argument("--work", type=pathlib.Path, help="where the files lie (default: build/bench)")
    parser.add_argument("--targets", default="caisson,tgt,tgt-tuned,nbdkit")
    parser.add_argument("--cache", choices=["warm", "small", "cold"], default="warm")
    parser.add_argument("--size", type=int, default=2048, help="MiB of each file")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only workloads whose pattern contains this")
    parser.add_argument("--flag", action="append", default=[], help="further flag of caissond")
    parser.add_argument("--lun-flag", action="append", default=[], help="further flag of lun create")
    parser.add_argument("--quick", action="store_true", help="about two minutes")
    parser.add_argument("--smoke", action="store_true", help="does it run at all: peers alone, moments")
    options = parser.parse_args()
    if options.quick:
        options.size, options.seconds, options.rounds = 1024, 0.5, 3
    if options.smoke:
        options.size, options.seconds, options.rounds, options.targets = 64, 0.1, 1, "tgt,nbdkit"
    options.size <<= 20
    options.targets = options.targets.split(",")
    options.loadgen = options.loadgen or options.bin / "loadgen"
    options.work = options.work or HERE.parents[1] / "build" / "bench"
    return options


def main():
    options = parse_arguments()
    workloads = [w for w in SMALL + LARGE if options.only in w.pattern]
    began = time.monotonic()
    with gateway.scratch(options.work) as directory, contextlib.ExitStack() as stack:
        served = list(start_all(stack, options, directory))
        runs = measure(options, served, workloads)
    print(f"{options.size >> 20} MiB files, cache {options.cache}, {options.rounds} interleaved rounds of "
          f"{options.seconds} s, one connection, medians")
    result, targets = medians(runs), [one.name for one in served]
    print("\n".join(table(result, workloads, targets)))
    print("\n".join(["marks:", *verdict(result, workloads, targets)]))
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        path = options.results / time.strftime("%Y%m%d-%H%M%S.json")
        path.write_text(json.dumps({"cache": options.cache, "size": options.size, "runs": runs}, indent=1))
        print(f"every run: {path}")
    print(f"took {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except gateway.ServerError as error:
        sys.exit(f"bench: {error}")
