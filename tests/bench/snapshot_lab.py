# SPDX-License-Identifier: Apache-2.0
"""What the snapshot benchmarks share: file systems on loop devices, files in many extents,
a load that runs beside something else, and rows that are judged by a budget."""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import select
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import gateway  # noqa: E402

TIB, GIB, MIB, BLOCK = 1 << 40, 1 << 30, 1 << 20, 4096
FICLONE = 0x40049409
MKFS = {"xfs": ["mkfs.xfs", "-q", "-f", "-m", "reflink=1"], "btrfs": ["mkfs.btrfs", "-q", "-f"],
        "ext4": ["mkfs.ext4", "-q", "-F"]}
SHARES = {"xfs", "btrfs"}


class Skip(Exception):
    """Why something cannot be measured here."""


@dataclasses.dataclass
class Row:
    """One line of the report. `value` is what the budget judges: a ratio or a figure with a
    unit; no bound, and it is only reported."""
    what: str
    fs: str
    ours: float
    peer: str
    theirs: float | None
    unit: str
    value: float
    bound: float | None = None
    at_least: bool = False
    runs: dict = dataclasses.field(default_factory=dict)

    @property
    def met(self):
        if self.bound is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def row(what, fs, runs, peer=None, unit="ms", bound=None, at_least=False, judged="ratio"):
    """Of a dict of lists, one figure a round: "ours" and perhaps the peer's. The ratio is the
    median of the rounds' ratios; `judged` "value" has the budget look at our median instead."""
    ours = statistics.median(runs["ours"])
    theirs = statistics.median(runs[peer]) if peer else None
    pairs = [a / b for a, b in zip(runs["ours"], runs[peer]) if b] if peer else []
    value = statistics.median(pairs) if pairs and judged == "ratio" else ours
    return Row(what, fs, ours, peer or "", theirs, unit, value, bound, at_least, dict(runs))


@contextlib.contextmanager
def mounted(fs, directory, size):
    """A new file system of that kind and size in a sparse image below the directory. The
    loop device goes past the page cache of the image, as a disk would."""
    if os.geteuid() != 0:
        raise Skip("mounting needs root")
    if not shutil.which(MKFS[fs][0], path=os.environ["PATH"] + ":/sbin:/usr/sbin"):
        raise Skip(f"{MKFS[fs][0]} is not installed")
    directory = pathlib.Path(directory)
    image, where = directory / f"{fs}.disk", directory / fs
    where.mkdir(exist_ok=True)
    with open(image, "wb") as file:
        file.truncate(size)
    gateway.run([*MKFS[fs], image])
    try:
        device = gateway.run(["losetup", "--find", "--show", "--direct-io=on", image]).strip()
    except gateway.ServerError as error:
        raise Skip(f"no loop device: {str(error).splitlines()[-1]}") from None
    try:
        gateway.run(["mount", "-t", fs, device, where])
        try:
            yield where
        finally:
            gateway.run(["umount", where])
    finally:
        gateway.run(["losetup", "--detach", device])
        image.unlink()


def fragment(path, size, extents, fs):
    """Fills so much of the file that it has about so many extents: one block of each piece
    first, all others once those are on disk and have their places. ext4 keeps places for
    the others: there they stay holes, and one block is an extent."""
    dense = fs in SHARES
    stride = max(2, (2 if dense else 1) * size // extents // BLOCK) * BLOCK
    data = os.urandom(stride)
    with open(path, "r+b", buffering=0) as file:
        number = file.fileno()
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_RANDOM)
        for at in range(0, size, stride):
            os.pwrite(number, data[:BLOCK], at)
        os.fsync(number)
        for at in range(0, size, stride) if dense else ():
            os.pwrite(number, data[BLOCK:min(stride, size - at)], at + BLOCK)
        os.fsync(number)


def extents_of(path):
    return int(gateway.run(["filefrag", path]).rsplit(":", 1)[1].split()[0])


def ficlone(source, target):
    """Seconds that a whole-file clone took; it is durable then."""
    with open(source, "rb") as old, open(target, "wb") as new:
        began = time.monotonic()
        fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
        os.fsync(new.fileno())
        return time.monotonic() - began


class Load:
    """loadgen in the background. Its window begins after `lead` seconds, so that what is
    done beside it lies within."""

    LEAD = 0.5

    def __init__(self, options, url, seconds, **more):
        words = [options.loadgen, url, "--seconds", seconds]
        usual = {"pattern": "randwrite", "block": BLOCK, "depth": 64, "warm_up": self.LEAD,
                 "seed": time.monotonic_ns() % 10**9}
        for name, value in {**usual, **more}.items():
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [value])]
        self.ends = time.monotonic() + self.LEAD + seconds
        self.child = subprocess.Popen([str(word) for word in words], text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def settle(self):
        """Returns when its window has begun and its cache is dirty."""
        select.select([], [], [], 2 * self.LEAD)

    def result(self):
        """What it printed at its end. ServerError when it failed."""
        try:
            out, said = self.child.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.communicate()
            raise gateway.ServerError("loadgen did not end in 300 s") from None
        if self.child.returncode:
            raise gateway.ServerError(f"loadgen: {said.strip()}")
        return json.loads(out)

    def run_beside(self, action):
        """The result, where action() ran in the middle; and the seconds that it took. That
        it began within the window is certain, that it ended there is told: the third."""
        try:
            self.settle()
            began = time.monotonic()
            action()
            ended = time.monotonic()
        except BaseException:
            self.child.kill()
            self.child.communicate()
            raise
        return self.result(), ended - began, ended < self.ends


def load(options, url, seconds, **more):
    return Load(options, url, seconds, **more).result()


def shown(one):
    theirs = "" if one.theirs is None else f"{one.theirs:.3g}"
    ratio = f"x{one.ours / one.theirs:.2f}" if one.theirs else ""
    if one.theirs and one.value != one.ours:
        ratio = f"x{one.value:.2f}"
    sign = ">=" if one.at_least else "<="
    budget = "" if one.bound is None else f"{sign} {one.bound:g}"
    verdict = {None: "reported", True: "met", False: "MISSED"}[one.met]
    return (f"{one.what:<52} {one.fs:<6} {one.ours:>9.3g} {one.unit:<7} {one.peer:<24} {theirs:>9} "
            f"{ratio:>7}  {budget:<9} {verdict}")


def table(rows):
    yield (f"{'what':<52} {'fs':<6} {'ours':>9} {'':<7} {'peer':<24} {'its':>9} {'ratio':>7}  "
           f"{'budget':<9}")
    yield from (shown(one) for one in rows)
