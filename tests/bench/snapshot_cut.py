# SPDX-License-Identifier: Apache-2.0
"""The longest wait of any write, from before a cut until seconds after it, with the capture
that it brings about. Writes are 4 KiB at random, 64 at once, over iSCSI, with a dirty cache.
Each round has the same load alone, with a cut, with a whole-file FICLONE of the container
instead, and qemu's external snapshot of a raw file of the same make, in turn."""

import collections

import bench
from snapshot_lab import SHARES, TIB, Load, Skip, extents_of, ficlone, fragment, load, row
from snapshot_qemu import InternalSnapshots, StorageDaemon
from snapshot_served import Served

WRITE_BACK = 4  # seconds for which a cut may have cached data written before it begins
BOUND_MS = {"xfs": 50, "ext4": 50, "btrfs": 100}
NAMES = {"plain": "no cut", "ficlone": "whole-file FICLONE", "qemu_cut": "qemu, external"}


class Disk:
    """One LUN, and what is done beside its load. Every run writes the same blocks: they are
    allocated and apart after the first, and the extents grow no further."""

    def __init__(self, options, server, where, fs, name):
        self.options, self.server, self.where, self.fs, self.name = options, server, where, fs, name
        filled = name == "extents"
        size = options.filled if filled else options.sparse
        server.create(name, size)
        self.container = server.gateway.container(name)
        if filled:
            fragment(self.container, size, options.extents, fs)
        self.qemu = where / "qemu.img" if filled else None
        self.took = collections.defaultdict(list)
        self.seconds = options.seconds + WRITE_BACK  # of each run, whatever is done beside it
        load(options, self.url, self.seconds, seed=1)  # allocates, in no figure

    @property
    def url(self):
        return self.server.gateway.url(self.name)

    def prepare_qemu(self):
        with open(self.qemu, "wb") as file:
            file.truncate(self.options.filled)
        fragment(self.qemu, self.options.filled, self.options.extents, self.fs)
        with StorageDaemon(self.where, self.qemu) as daemon:
            load(self.options, daemon.url, self.seconds, seed=1)

    def run(self, kind):
        """The longest wait in ms."""
        found = getattr(self, kind)()
        self.server.quiet()
        return found["max_us"] / 1e3

    def beside(self, kind, url, action):
        found, took, within = Load(self.options, url, self.seconds, seed=1).run_beside(action)
        self.took[kind].append(took * 1e3)
        if not within and kind != "ficlone":  # whose pause holds the load up itself
            self.options.note(f"{self.name}: {kind} ended after the load")
        return found

    def plain(self):
        return load(self.options, self.url, self.seconds, seed=1)

    def ours(self):
        found = self.beside("ours", self.url, lambda: self.server.cut(self.name, "bench"))
        self.server.forget(self.name, "bench")
        return found

    def ficlone(self):
        copy = self.where / "clone"
        found = self.beside("ficlone", self.url, lambda: ficlone(self.container, copy))
        copy.unlink()
        return found

    def qemu_plain(self):
        with StorageDaemon(self.where, self.qemu) as daemon:
            return load(self.options, daemon.url, self.seconds, seed=1)

    def qemu_cut(self):
        with StorageDaemon(self.where, self.qemu) as daemon:
            return self.beside("qemu", daemon.url, daemon.snapshot)


def rounds(disk, kinds):
    found = collections.defaultdict(list)
    for turn in range(disk.options.rounds):
        for kind in bench.rotated(kinds, turn):
            found[kind].append(disk.run(kind))
    return found


def rows(what, fs, found, took, internal):
    named = {NAMES.get(kind, kind): runs for kind, runs in found.items()}
    for peer in filter(named.get, NAMES.values()):
        judged = {"bound": BOUND_MS[fs], "judged": "value"} if peer == NAMES["plain"] else {}
        yield row(f"longest wait, cut and capture, {what}", fs, named, peer, **judged)
    both = {"ours": took["ours"], "qemu-img snapshot -c": internal}
    yield row(f"snapshot create, its caller, {what}", fs, both, "qemu-img snapshot -c")
    if took["ficlone"]:
        yield row(f"snapshot create, its caller, {what}", fs, {"ours": took["ours"], "FICLONE": took["ficlone"]},
                  "FICLONE")


def measure_disk(disk, what, kinds, internal):
    found = rounds(disk, kinds)
    yield from rows(what, disk.fs, found, disk.took, internal)
    disk.server.remove(disk.name)


def measure(options, fs, where):
    internal = InternalSnapshots(where, options.filled)
    internal = [internal.take() for _ in range(options.rounds)]
    kinds = ["plain", "ours"] + (["ficlone"] if fs in SHARES else [])
    with Served(options, where) as server:
        disk = Disk(options, server, where, fs, "extents")
        with_qemu = []
        try:
            disk.prepare_qemu()
            with_qemu = ["qemu_plain", "qemu_cut"]
        except Skip as why:
            options.note(f"no external snapshot of qemu: {why}")
        before = extents_of(disk.container)
        yield from measure_disk(disk, f"{before // 1000}k extents", kinds + with_qemu, internal)
        disk = Disk(options, server, where, fs, "sparse")
        yield from measure_disk(disk, f"sparse {options.sparse / TIB:g} TiB", kinds, internal)
