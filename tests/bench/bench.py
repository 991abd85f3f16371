#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev bench`: Caisson beside Debian's tgt (stock and tuned for large writes) and
nbdkit's file plugin, each over a file of the same size and content on the same file
system in the same cache state, one load generator, interleaved runs (A B C, B C A, …),
medians. Prints tables, marks and budgets, and writes every single run to a JSON file."""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import platform
import socket
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import gateway  # noqa: E402

Workload = collections.namedtuple("Workload", "pattern block depth")
Served = collections.namedtuple("Served", "name url pid path")
Mark = collections.namedtuple("Mark", "what bound ratio at_least")

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
    small: written and synced by 4 KiB, what hosts leave behind (reading it in like that
    takes the disk minutes); cold: nothing cached."""
    with open(path, "r+b", buffering=0) as file:
        number = file.fileno()
        os.fsync(number)
        size = os.fstat(number).st_size
        blocks = range(0, size - size % 4096, 4096)
        chunk = [os.pread(number, 4096, at) for at in blocks[:256]] if state == "small" else []
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
        if state == "small":
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_RANDOM)
            for index, at in enumerate(blocks[: size // CHUNK * 256]):
                os.pwrite(number, chunk[index % len(chunk)], at)
            os.fsync(number)
        elif state == "warm":
            for at in range(0, size, CHUNK):
                os.pread(number, CHUNK, at)


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


def rotated(items, by):
    """Nobody is always the first after the caches were set."""
    by %= len(items)
    return items[by:] + items[:by]


def bare_stream(seconds):
    """MB/s of one loopback TCP stream that carries 1 MiB at a time and nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(OSError), socket.create_connection(listener.getsockname()) as out:
                data = bytes(CHUNK)
                while True:
                    out.sendall(data)
            os._exit(0)
        into, received = bytearray(CHUNK), 0
        with listener.accept()[0] as stream:
            began = time.monotonic()
            while (took := time.monotonic() - began) < seconds:
                received += stream.recv_into(into)
        os.waitpid(child, 0)  # its next send has failed
    return received / took / 1e6


def floors(options, served):
    """CPU per 4 KiB I/O of the bare file, one system call each, and of a TCP ping-pong
    that carries as many bytes (both of its sides together)."""
    path = served[0].path
    for url, patterns in ((f"file:{path}", ("randread", "randwrite")), ("tcp:", ("randread",))):
        for pattern in patterns:
            if url != "tcp:":
                set_cache(path, options.cache)
            runs = [json.loads(gateway.run([options.loadgen, url, "--pattern", pattern, "--block", 4096, "--depth",
                                            32, "--seconds", options.seconds, "--region", options.size]))
                    for _ in range(options.rounds)]
            yield {"what": "TCP ping-pong" if url == "tcp:" else f"bare file, {pattern}",
                   "iops": statistics.median(run["iops"] for run in runs),
                   "cpu_us_per_io": statistics.median(run["client_cpu_us_per_io"] for run in runs)}


def stay_ahead(served):
    """This script with its load, and every target, before all else on the machine."""
    for pid in ["self", *(one.pid for one in served)]:
        pathlib.Path(f"/proc/{pid}/autogroup").write_text("-15")


def measure(options, served, workloads):
    """Runs of every workload, the targets in turn within each round."""
    runs = []
    for workload in workloads:
        for one in served:
            set_cache(one.path, options.cache)
        for turn in range(options.rounds):
            for one in rotated(served, turn):
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


def named(workload, peer):
    return f"{workload.pattern} {workload.block >> 10} KiB depth {workload.depth} against {peer}"


def compare(result, workload, peer, figure):
    ours, its = result[workload, "caisson"][figure], result[workload, peer][figure]
    return ours / its if its else float("inf")


def marks(result, workloads, targets):
    """What the first release has to reach beside tgt in the same run."""
    for peer in ("tgt", "tgt-tuned"):
        for workload in workloads if {"caisson", peer} <= set(targets) else ():
            if workload.depth > 1:
                yield Mark(f"{named(workload, peer)}: speed", 1.0,
                           compare(result, workload, peer, "iops"), True)
            if workload.depth == 32:
                yield Mark(f"{named(workload, peer)}: CPU per I/O", 0.7,
                           compare(result, workload, peer, "target_cpu_us_per_io"), False)


CPU_BUDGET = {"tgt": 0.25, "nbdkit": 0.5}  # ours by its, 4 KiB random at depth 32


def budgets(result, workloads, targets, stream):
    """What the design asks for (docs/performance.md), beside every peer of the run."""
    for workload in workloads if "caisson" in targets else ():
        random = workload.depth == 32 and workload.pattern in ("randread", "randwrite")
        for peer in targets[1:]:
            if random or workload.block == CHUNK:
                yield Mark(f"{named(workload, peer)}: speed", 1.0,
                           compare(result, workload, peer, "iops"), True)
            if random and peer in CPU_BUDGET:
                yield Mark(f"{named(workload, peer)}: CPU per I/O", CPU_BUDGET[peer],
                           compare(result, workload, peer, "target_cpu_us_per_io"), False)
        if workload == Workload("seqread", CHUNK, 8):
            yield Mark(named(workload, "one bare TCP stream"), 0.85,
                       result[workload, "caisson"]["mb_per_s"] / stream, True)


def met(mark):
    return mark.ratio >= mark.bound if mark.at_least else mark.ratio <= mark.bound


def verdict(found):
    for mark in found:
        sign = ">=" if mark.at_least else "<="
        yield (f"  {'met   ' if met(mark) else 'MISSED'} {mark.what}: x{mark.ratio:.2f}, "
               f"wanted {sign} {mark.bound}")


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
    parser.add_argument("--ahead", action="store_true",
                        help="on a busy machine: everything of the bench goes first (root; scheduler autogroups)")
    parser.add_argument("--smoke", action="store_true", help="does it run at all: peers alone, moments")
    options = parser.parse_args()
    if options.quick:
        options.size, options.seconds, options.rounds = 1024, 0.5, 3
    if options.smoke:
        options.size, options.seconds, options.rounds, options.targets = 64, 0.1, 1, "tgt,nbdkit"
    options.size <<= 20
    options.targets = options.targets.split(",")
    if unknown := set(options.targets) - {"caisson", "tgt", "tgt-tuned", "nbdkit"}:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if not any(options.only in w.pattern for w in SMALL + LARGE):
        parser.error(f"no workload's pattern contains {options.only!r}")
    options.loadgen = options.loadgen or options.bin / "loadgen"
    options.work = options.work or HERE.parents[1] / "build" / "bench"
    return options


def report(options, runs, streams, workloads, targets):
    """Prints everything; returns what goes to the JSON file beside the runs."""
    print(f"{options.size >> 20} MiB files, cache {options.cache}, {options.rounds} interleaved rounds of "
          f"{options.seconds} s, one connection, medians")
    result, stream = medians(runs), statistics.median(streams)
    print("\n".join(table(result, workloads, targets)))
    print(f"one bare TCP stream on loopback: {stream:.0f} MB/s")
    judged = {"marks": list(marks(result, workloads, targets)),
              "budgets": list(budgets(result, workloads, targets, stream))}
    for title, found in judged.items():
        print("\n".join([f"{title}:", *verdict(found)]))
    shown = {title: [dict(mark._asdict(), met=met(mark)) for mark in found]
             for title, found in judged.items()}
    median_rows = [dict(workload._asdict(), target=target, **figures)
                   for (workload, target), figures in result.items()]
    return {"stream_mb_per_s": stream, "medians": median_rows, **shown}


def machine():
    return {"kernel": platform.release(), "processors": os.cpu_count(), "load": os.getloadavg()}


def main():
    options = parse_arguments()
    workloads = [w for w in SMALL + LARGE if options.only in w.pattern]
    began, before = time.monotonic(), machine()
    with gateway.scratch(options.work) as directory, contextlib.ExitStack() as stack:
        served = list(start_all(stack, options, directory))
        if options.ahead:
            stay_ahead(served)
        streams = [bare_stream(options.seconds)]
        bare = list(floors(options, served))
        runs = measure(options, served, workloads)
        streams.append(bare_stream(options.seconds))
    for floor in bare:
        print(f"{floor['what']}, 4 KiB, depth 32: {floor['iops']:.0f} IOPS, {floor['cpu_us_per_io']:.2f} us CPU")
    found = report(options, runs, streams, workloads, [one.name for one in served])
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        path = options.results / time.strftime("%Y%m%d-%H%M%S.json")
        path.write_text(json.dumps({"cache": options.cache, "size": options.size, "before": before,
                                    "after": machine(), "floors": bare, **found, "runs": runs}, indent=1))
        print(f"every run: {path}")
    print(f"took {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except gateway.ServerError as error:
        sys.exit(f"bench: {error}")
