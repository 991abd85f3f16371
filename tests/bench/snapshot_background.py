# SPDX-License-Identifier: Apache-2.0
"""What a host at a steady 2,000 requests a second, 70 of 100 reads, notices of work behind its
back: the capture of the rest after a cut, and the removal of a snapshot. Each run has its twin
without. The host stays where everything has been captured: what its own first write to a place
waits for is not the background's doing, and a row of its own."""

import collections
import statistics
import time

import bench
from snapshot_lab import MIB, SHARES, Load, fragment, load, row
from snapshot_served import Served

LUN, SNAPSHOT, RATE, BOUND = "disk", "bench", 2000, 1.10
PARTS_OF_DISK = 8  # the host uses one of them


class Host:
    def __init__(self, options, server, fs):
        self.options, self.server, self.shares = options, server, fs in SHARES
        self.size = options.filled // 2
        self.short = False  # a capture that ended before its load did
        self.gone_after = []  # seconds
        server.create(LUN, self.size)
        fragment(server.gateway.container(LUN), self.size, options.extents // 2, fs)

    def steady(self, region=None):
        return Load(self.options, self.server.gateway.url(LUN), self.options.seconds, pattern="rw70",
                    depth=128, rate=RATE, region=region or self.size // PARTS_OF_DISK)

    def touch(self):
        """Every block that the host will use."""
        length = self.size // PARTS_OF_DISK
        load(self.options, self.server.gateway.url(LUN), 60, pattern="seqwrite", block=MIB, depth=4, warm_up=0,
             region=length, requests=length // MIB)

    def policy(self, *words):
        self.server.gateway.caisson("snapshot", "policy", "set", *words)

    def alone(self):
        return self.told(self.steady().result())

    def capture(self):
        self.server.cut(LUN, SNAPSHOT)
        self.touch()
        found = self.steady().result()
        if self.shares and self.server.list(LUN)[0]["state"] == "whole":
            self.short = True
            self.options.note("the capture ended before the load: not judged")
        self.server.forget(LUN, SNAPSHOT)
        return self.told(found)

    def first_touches(self):
        """All over the disk, from the cut on: most of its writes are captured first."""
        self.server.cut(LUN, SNAPSHOT)
        found = self.steady(self.size).result()
        self.server.forget(LUN, SNAPSHOT)
        return self.told(found)

    def removal(self):
        """Of a snapshot that is whole where it can be, and much of which is its alone."""
        self.server.cut(LUN, SNAPSHOT)
        load(self.options, self.server.gateway.url(LUN), 1)
        if self.shares:
            self.policy("--pace", "0")
            self.server.until_whole(LUN, SNAPSHOT)
            self.policy("--reset")
        self.server.quiet()
        steady = self.steady()
        found, _, _ = steady.run_beside(lambda: self.server.delete(LUN, SNAPSHOT))
        began = time.monotonic()
        self.server.until_gone(LUN)
        self.gone_after.append(self.options.seconds + time.monotonic() - began)
        return self.told(found)

    def told(self, found):
        if found["iops"] < 0.95 * RATE:
            self.options.note(f"the host came to {found['iops']:.0f} requests a second of {RATE}")
        return found["p99_us"] / 1e3


def pairs(host, way):
    found = collections.defaultdict(list)
    ways = {"alone": host.alone, "ours": way}
    for turn in range(host.options.rounds):
        for name in bench.rotated(list(ways), turn):
            found[name].append(ways[name]())
            host.server.quiet()
    return found


def measure(options, fs, where):
    with Served(options, where) as server:
        host = Host(options, server, fs)
        parts = (("background capture", host.capture), ("background snapshot delete", host.removal),
                 ("first overwrites after a cut", host.first_touches))
        for what, way in parts:
            found = pairs(host, way)
            judged = what != "first overwrites after a cut" and not (way == host.capture and host.short)
            yield row(f"p99 of a host at {RATE}/s, {what}", fs, found, "alone", bound=BOUND if judged else None)
        options.note(f"space was back within {statistics.median(host.gone_after):.1f} s of the deletion")
