# SPDX-License-Identifier: Apache-2.0
"""Thousands of snapshots of one sparse disk: the process's memory and its start beside those
without any, the list, and reads through the oldest beside the newest, each as a LUN of its
own. Then what the caller of a deletion waits for, by how much the snapshot has captured.
`bench_snapshot_many DIRECTORY` measures the engine without the gateway around it."""

import collections
import pathlib
import time

import bench
from snapshot_lab import MIB, TIB, Load, gateway, load, row
from snapshot_served import Served

LUN = "disk"
MEMORY_MIB, START_MS, LIST_MS, READ_RATIO = 64, 2000, 2000, 2
WRITES = 200  # a second while they are cut: each captures some


def resident_mib(server):
    status = pathlib.Path(f"/proc/{server.gateway.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def restart(options, server):
    """Milliseconds of a start until it serves, and the memory then. The first read that is
    answered is the end: the line that it is ready might come too soon."""
    server.gateway.process.stop()
    began = time.monotonic()
    server.gateway.restart()
    load(options, server.gateway.url(LUN), 0.01, pattern="randread", depth=1, warm_up=0)
    return (time.monotonic() - began) * 1e3, resident_mib(server)


def restarts(options, server):
    took, memory = zip(*(restart(options, server) for _ in range(options.rounds)))
    return list(took), list(memory)


def cut_many(options, server):
    """While a host writes a little. Ends before all are cut, and says so, rather than never."""
    writer = Load(options, server.gateway.url(LUN), 36_000, depth=32, rate=WRITES)
    began, made = time.monotonic(), 0
    try:
        while made < options.snapshots and time.monotonic() - began < options.patience:
            made += 1
            server.cut(LUN, f"s{made}")
        if writer.child.poll() is not None:
            writer.result()
    finally:
        writer.child.kill()
        writer.child.communicate()
    if made < options.snapshots:
        options.note(f"only {made} of {options.snapshots} snapshots could be cut in {options.patience} s")
    options.note(f"{made} cuts took {time.monotonic() - began:.0f} s")
    return made


def unless(short, bound):
    """A budget for thousands says nothing about fewer."""
    return None if short else bound


def reads(options, server, made):
    """Cost of a read at depth 1 in us, the oldest ("ours") and the newest in turn."""
    found = collections.defaultdict(list)
    names = {"ours": "s1", "newest": f"s{made}"}
    for name, snapshot in names.items():
        server.gateway.caisson("snapshot", "expose", LUN, snapshot, "--as", name)
        server.gateway.caisson("access", "grant", name, "*", "--read-only")
    for turn in range(options.rounds):
        for name in bench.rotated(list(names), turn):
            one = load(options, server.gateway.url(name), 1, pattern="randread", depth=1, seed=turn)
            found[name].append(1e6 / one["iops"])
    return found


def lists(options, server, made):
    took = []
    for _ in range(options.rounds):
        began = time.monotonic()
        listed = server.list(LUN)
        took.append((time.monotonic() - began) * 1e3)
        if len(listed) != made:
            raise gateway.ServerError(f"{made} snapshots were cut and {len(listed)} are listed")
    return took


def thousands(options, fs, server):
    server.create(LUN, options.sparse)
    alone, memory_alone = restarts(options, server)
    made = cut_many(options, server)
    took, memory = restarts(options, server)
    what = f"{made} snapshots of {options.sparse / TIB:g} TiB"
    short = made < options.snapshots
    more = [full - empty for full, empty in zip(memory, memory_alone)]
    yield row(f"{what}: memory more than without", fs, {"ours": more, "in all": memory, "without": memory_alone},
              unit="MiB", bound=unless(short, MEMORY_MIB))
    yield row(f"{what}: start to first read", fs, {"ours": took, "without": alone}, "without",
              bound=unless(short, START_MS), judged="value")
    yield row(f"{what}: list", fs, {"ours": lists(options, server, made)}, bound=unless(short, LIST_MS))
    yield row(f"{what}: read through the oldest", fs, reads(options, server, made), "newest", unit="us",
              bound=unless(short, READ_RATIO))


def deletions(options, fs, server):
    """The caller's time by captured bytes, interleaved; the smallest is the peer."""
    sizes = sorted({MIB, 16 * MIB, options.filled // 4})
    server.create("sized", options.filled // 4)
    bench.fill(server.gateway.container("sized"), options.filled // 4)
    found = collections.defaultdict(list)
    for turn in range(min(options.rounds, 3)):
        for size in bench.rotated(sizes, turn):
            server.cut("sized", "bench")
            capture(options, server, size)
            if (has := int(server.list("sized")[0]["captured"])) < size:
                options.note(f"only {has // MIB} MiB of {size // MIB} were captured")
            began = time.monotonic()
            server.delete("sized", "bench")
            found[size].append((time.monotonic() - began) * 1e3)
            server.until_gone("sized")
    for size in sizes[1:]:
        yield row(f"snapshot delete, its caller, {size // MIB} MiB captured", fs,
                  {"ours": found[size], "1 MiB captured": found[sizes[0]]}, "1 MiB captured")


def capture(options, server, size):
    """Overwrites so much from the front."""
    load(options, server.gateway.url("sized"), 300, pattern="seqwrite", block=MIB, depth=4, region=size,
         requests=size // MIB, warm_up=0)


def measure(options, fs, where):
    with Served(options, where) as server:
        yield from deletions(options, fs, server)
        yield from thousands(options, fs, server)
