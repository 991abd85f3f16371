# SPDX-License-Identifier: Apache-2.0
"""4 KiB random overwrites after a cut, over iSCSI. Where blocks are shared: of a snapshot
that is whole already, beside a LUN whose container was cloned by one FICLONE behind the
gateway's back: the same path and the same sharing, and nothing of a snapshot of ours. Where
they are copied: each block for the first time, beside plain writes."""

import collections

import bench
from snapshot_lab import SHARES, ficlone, load, row
from snapshot_served import Served

LUN, SNAPSHOT = "disk", "bench"
ROUNDS = 3  # at most: nothing here is a maximum or a p99


class Overwrites:
    def __init__(self, options, server, where, shares):
        self.options, self.server, self.where = options, server, where
        # What is shared and overwritten falls into extents: few blocks, always the same.
        self.size = options.filled // 4 if shares else options.filled
        self.seed = {"seed": 1} if shares else {}
        server.create(LUN, self.size)
        bench.fill(server.gateway.container(LUN), self.size)

    def load(self, depth, **more):
        seconds = min(self.options.seconds, 2)
        url = self.server.gateway.url(LUN)
        found = load(self.options, url, seconds, depth=depth, warm_up=0, **self.seed, **more)
        return found["iops"]

    def plain(self, depth=32, **more):
        return self.load(depth, **more)

    def whole(self):
        self.server.cut(LUN, SNAPSHOT)
        self.server.until_whole(LUN, SNAPSHOT)
        return self.after()

    def first(self, depth=32, **more):
        self.server.cut(LUN, SNAPSHOT)
        return self.after(depth, **more)

    def after(self, depth=32, **more):
        self.server.quiet()
        found = self.load(depth, **more)
        self.server.forget(LUN, SNAPSHOT)
        return found

    def cloned(self):
        copy = self.where / "clone"
        ficlone(self.server.gateway.container(LUN), copy)
        self.server.quiet()
        found = self.load(32)
        copy.unlink()
        return found


def rounds(disk, ways):
    """ways: name to what gives IOPS."""
    found = collections.defaultdict(list)
    for turn in range(min(disk.options.rounds, ROUNDS)):
        for name in bench.rotated(list(ways), turn):
            found[name].append(ways[name]())
            disk.server.quiet()
    return found


def judged(what, fs, found, ours, peer, bound=None):
    return row(what, fs, {**found, "ours": found[ours]}, peer, "IOPS", bound, at_least=True)


def shared(disk, fs):
    disk.server.gateway.caisson("snapshot", "policy", "set", "--pace", "0")  # only until it is whole
    found = rounds(disk, {"whole": disk.whole, "FICLONEd file": disk.cloned, "no snapshot": disk.plain})
    disk.server.gateway.caisson("snapshot", "policy", "set", "--reset")
    yield judged("overwrite, captured, depth 32", fs, found, "whole", "FICLONEd file", 0.85)
    yield judged("overwrite, captured, depth 32", fs, found, "whole", "no snapshot")
    found = rounds(disk, {"first": disk.first, "no snapshot": disk.plain})
    yield judged("overwrite, not captured, depth 32", fs, found, "first", "no snapshot")


def copied(disk, fs):
    for what, bound, more in (("depth 32", 0.5, {"depth": 32}), ("durable, depth 1", 0.3, {"depth": 1, "durable": True}),
                              ("durable, depth 32", None, {"depth": 32, "durable": True})):
        found = rounds(disk, {"first": lambda more=more: disk.first(**more),
                              "no snapshot": lambda more=more: disk.plain(**more)})
        yield judged(f"overwrite, to be copied, {what}", fs, found, "first", "no snapshot", bound)


def measure(options, fs, where):
    with Served(options, where) as server:
        disk = Overwrites(options, server, where, fs in SHARES)
        yield from (shared if fs in SHARES else copied)(disk, fs)
