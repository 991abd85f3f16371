#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev demo`: a container file as an iSCSI disk, end to end, with foreign clients
(qemu-img, qemu-io, e2fsck), and its snapshots. Prints each step with what it measured; ends 0 only if
every byte was where it had to be."""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import select
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "support"))
import gateway  # noqa: E402

LUN = "demo"
MIB = 1 << 20
SIZE, GROWN = 256 * MIB, 512 * MIB
MARK_AT, MARK_SIZE, MARK = 300 * MIB, 16 * MIB, 0xAB
LOAD_AT, SLOT, SLOTS = 320 * MIB, 128 << 10, 128
SNAPSHOT, CLONE = "before", "trial"


class Steps:
    """Numbers the steps, times them and says what came of each."""

    def __init__(self):
        self.count = 0

    @contextlib.contextmanager
    def step(self, what):
        self.count += 1
        print(f"{self.count}. {what}", flush=True)
        began = time.monotonic()
        yield
        print(f"      {time.monotonic() - began:.2f} s", flush=True)

    @staticmethod
    def note(what):
        print(f"      {what}", flush=True)


class QemuIo:
    """qemu-io with one session that stays logged in between commands."""

    PROMPT = "qemu-io> "

    def __init__(self, url):
        self.child = subprocess.Popen(["qemu-io", "-f", "raw", url], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.read_answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def read_answer(self, seconds=60):
        said, deadline = b"", time.monotonic() + seconds
        while not said.decode(errors="replace").endswith(self.PROMPT):
            ready = select.select([self.child.stdout], [], [], max(0, deadline - time.monotonic()))[0]
            piece = os.read(self.child.stdout.fileno(), 65536) if ready else b""
            if not piece:
                raise gateway.ServerError(f"qemu-io gave no answer; it said {said.decode(errors='replace')!r}")
            said += piece
        return said.decode(errors="replace").removesuffix(self.PROMPT).strip()

    def ask(self, command):
        self.child.stdin.write(command.encode() + b"\n")
        self.child.stdin.flush()
        return self.read_answer()

    def expect(self, command, wanted):
        answer = self.ask(command)
        if wanted not in answer:
            raise gateway.ServerError(f"qemu-io, {command}: wanted {wanted!r}, got {answer!r}")

    def quietly(self, command):
        """For commands that say something only when they fail; a unit attention that
        libiscsi reports on the way is none."""
        said = [line for line in self.ask(command).splitlines() if "UNIT_ATTENTION" not in line]
        if said:
            raise gateway.ServerError(f"qemu-io, {command}: {said}")


def make_image(path, tree):
    """A real ext4 file system of SIZE bytes with this repository's sources and random data in it."""
    (tree / "random").write_bytes(os.urandom(64 * MIB))
    for name in ("README.md", "LICENSE", "dev"):
        (tree / name).write_bytes((HERE.parents[2] / name).read_bytes())
    with open(path, "wb") as image:
        image.truncate(SIZE)
    gateway.run(["mkfs.ext4", "-q", "-F", "-d", tree, path])


def same_bytes(one, other, size, what):
    gateway.run(["cmp", "-n", size, one, other])
    Steps.note(f"{what}: {size} bytes are equal")


def check_file_system(path):
    Steps.note(gateway.run(["e2fsck", "-f", "-n", path]).strip().splitlines()[-1])


def rate(size, began):
    return f"{size / MIB / (time.monotonic() - began):.0f} MiB/s"


def write_image(steps, server, image):
    with steps.step(f"qemu-img writes an ext4 image of {SIZE // MIB} MiB through iSCSI"):
        began = time.monotonic()
        gateway.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, server.url(LUN)])
        steps.note(rate(SIZE, began))
    with steps.step("the container itself is that image"):
        container = server.container(LUN)
        same_bytes(image, container, SIZE, container.name)
        check_file_system(container)
        held = os.stat(container).st_blocks * 512
        steps.note(f"it holds {held / MIB:.1f} MiB of disk space for {SIZE // MIB} MiB of capacity")


def grow(steps, server, session):
    with steps.step(f"the LUN grows to {GROWN // MIB} MiB under a session that stays logged in"):
        session.expect(f"truncate {GROWN}", "Cannot grow")
        server.caisson("lun", "resize", LUN, f"{GROWN // MIB}M")
        session.quietly(f"truncate {GROWN}")
        session.expect("length", f"{GROWN // MIB} MiB")
        session.expect(f"write -P {MARK:#x} {MARK_AT} {MARK_SIZE}", f"wrote {MARK_SIZE}/{MARK_SIZE}")
        session.quietly("flush")
        steps.note("the same session sees the new size and wrote beyond the old one")


def crash(steps, server, session):
    with steps.step("SIGKILL, and a restart on the same portal"):
        server.kill()
        began = time.monotonic()
        server.restart()
        steps.note(f"serving again after {time.monotonic() - began:.2f} s")
        session.expect(f"read -P {MARK:#x} {MARK_AT} {MARK_SIZE}", f"read {MARK_SIZE}/{MARK_SIZE}")
        steps.note("the same initiator came back and reads what it had flushed")


def read_back(steps, server, image, copy):
    with steps.step("everything is read back through iSCSI"):
        began = time.monotonic()
        gateway.run(["qemu-img", "convert", "-f", "raw", "-O", "raw", server.url(LUN), copy])
        steps.note(rate(GROWN, began))
        with open(copy, "rb") as read, open(image, "r+b") as wanted:
            wanted.truncate(GROWN)
            wanted.seek(MARK_AT)
            wanted.write(bytes([MARK]) * MARK_SIZE)
            wanted.flush()
            if os.fstat(read.fileno()).st_size != GROWN:
                raise gateway.ServerError(f"the disk reads back with {os.fstat(read.fileno()).st_size} bytes")
        same_bytes(image, copy, GROWN, "read back")
        same_bytes(image, server.container(LUN), GROWN, "container")
        check_file_system(copy)


class Load(threading.Thread):
    """A host that writes all the while: number 1, 2, 3 ... round and round a few places.
    A disk that holds the first N of them is one that was so at one instant."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.session = QemuIo(url)
        self.sent = self.answered = 0
        self.failed = None
        self.over = threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                number = self.sent = self.sent + 1
                place = LOAD_AT + number % SLOTS * SLOT
                self.session.expect(f"write -P {self.pattern(number)} {place} {SLOT}", "wrote")
                self.answered = number
        except gateway.ServerError as error:
            self.failed = error

    def stop(self):
        self.over.set()
        self.join()
        if self.failed:
            raise self.failed

    @staticmethod
    def pattern(number):
        return number % 251 + 1

    def held_by(self, image, least, most):
        """How many of them the image holds: from `least` to `most`, or none that is possible."""
        with open(image, "rb") as file:
            file.seek(LOAD_AT)
            places = [file.read(SLOT) for _ in range(SLOTS)]
        for count in range(least, most + 1):
            wanted = [0] * SLOTS  # where nothing was written yet
            for number in range(max(1, count - SLOTS + 1), count + 1):
                wanted[number % SLOTS] = self.pattern(number)
            if all(place == bytes([byte]) * SLOT for place, byte in zip(places, wanted)):
                return count
        raise gateway.ServerError(f"{image} holds no state of the disk between write {least} and {most}")


def checksum(path):
    """Of the part that holds the file system."""
    with open(path, "rb") as file:
        digest, left = hashlib.sha256(), SIZE
        while left:
            piece = file.read(min(left, 4 * MIB))
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def expect_checksum(path, wanted):
    if checksum(path) != wanted:
        raise gateway.ServerError(f"{path} does not have the checksum {wanted}")
    Steps.note(f"{pathlib.Path(path).name}: its file system has the checksum {wanted[:16]}...")


def cut_under_load(steps, server, load):
    with steps.step("a snapshot is cut while a host writes"):
        load.start()
        gateway.wait_until(lambda: load.answered > 100 or load.failed, 60, "the host to write")
        least, began = load.answered, time.monotonic()
        server.caisson("snapshot", "create", LUN, "--name", SNAPSHOT)
        took, most = time.monotonic() - began, load.sent
        gateway.wait_until(lambda: load.answered > most + 100 or load.failed, 60, "the host to go on")
        load.stop()
        steps.note(f"reported after {took * 1000:.0f} ms, while the host wrote; it went on writing")
    return least, most


def read_snapshot(steps, server, load, bounds, wanted):
    with steps.step("the snapshot is a read-only raw image in the store"):
        image = json.loads(server.caisson("--output", "json", "snapshot", "export", LUN, SNAPSHOT))["file"]
        steps.note(image)
        check_file_system(image)
        expect_checksum(image, wanted)
        count = load.held_by(image, *bounds)
        steps.note(f"of the host's writes it holds exactly the first {count}; {bounds[0]} were answered "
                   f"when the cut began, {bounds[1]} begun when it was reported, {load.answered} by now")
    return image


def compare(image, url):
    Steps.note(gateway.run(["qemu-img", "compare", "-f", "raw", "-F", "raw", image, url]).strip())


def clone(steps, server, image, wanted):
    with steps.step("a clone of the snapshot is a writable LUN of its own, at once"):
        server.caisson("snapshot", "clone", LUN, SNAPSHOT, CLONE)
        server.caisson("access", "grant", CLONE, "*")
        steps.note(server.url(CLONE))
        compare(image, server.url(CLONE))
        gateway.run(["qemu-io", "-f", "raw", "-c", f"write -P {MARK:#x} 0 {MIB}", "-c", "flush", server.url(CLONE)])
        steps.note("a host has written to it, and to nothing else:")
        expect_checksum(image, wanted)
        expect_checksum(server.container(LUN), wanted)


def check_clone(steps, server):
    with steps.step("the clone still holds what was written to it"):
        said = gateway.run(["qemu-io", "-f", "raw", "-c", f"read -P {MARK:#x} 0 {MIB}", server.url(CLONE)])
        if "verification failed" in said or f"read {MIB}/{MIB}" not in said:
            raise gateway.ServerError(f"the clone lost what was written to it: {said}")


def destroy(steps, server, session, image, wanted):
    with steps.step("a host destroys the file system"):
        session.expect(f"write -P 0xDD 0 {128 * MIB}", f"wrote {128 * MIB}")
        session.quietly("flush")
        container = server.container(LUN)
        broken = subprocess.run(["e2fsck", "-f", "-n", container], capture_output=True, timeout=120)
        if not broken.returncode or checksum(container) == wanted:
            raise gateway.ServerError("the file system is still there")
        steps.note(f"e2fsck of the container ends with {broken.returncode}")
        expect_checksum(image, wanted)


def restore(steps, server, session, image, wanted):
    with steps.step("the LUN becomes what it was"):
        try:
            server.caisson("snapshot", "restore", LUN, SNAPSHOT)
            raise RuntimeError("a LUN was restored under a host that uses it")
        except gateway.ServerError as refusal:
            said = [line for line in str(refusal).splitlines() if "in use" in line]
            steps.note("refused: " + (said or [str(refusal)])[0])
        session.child.kill()
        gateway.wait_until(lambda: not json.loads(server.caisson("--output", "json", "session", "list"))
                           .get("sessions"), 20, "the host to be gone")
        steps.note(" ".join(server.caisson("snapshot", "restore", LUN, SNAPSHOT).split()))
        container = server.container(LUN)
        expect_checksum(container, wanted)
        check_file_system(container)
        same_bytes(image, container, GROWN, "container and snapshot")
        compare(image, server.url(LUN))


def snapshots(steps, server):
    """Cuts, reads, clones, destroys, restores; a checksum proves each."""
    wanted = checksum(server.container(LUN))
    load = Load(server.url(LUN))
    with load.session as session:
        bounds = cut_under_load(steps, server, load)
        image = read_snapshot(steps, server, load, bounds, wanted)
        clone(steps, server, image, wanted)
        destroy(steps, server, session, image, wanted)
        restore(steps, server, session, image, wanted)
    check_clone(steps, server)


def demo(options, directory):
    steps = Steps()
    image, tree = directory / "image", directory / "tree"
    tree.mkdir()
    make_image(image, tree)
    with gateway.Gateway(options.bin, directory) as server:
        with steps.step("the gateway serves; a LUN is made and opened to every initiator"):
            server.create_lun(LUN, f"{SIZE // MIB}M")
            server.open_to_all(LUN)
            steps.note(f"{server.url(LUN)} is {server.container(LUN)}")
        write_image(steps, server, image)
        with QemuIo(server.url(LUN)) as session:
            grow(steps, server, session)
            crash(steps, server, session)
        read_back(steps, server, image, directory / "copy")
        snapshots(steps, server)
        with steps.step("orderly stop"):
            server.process.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", type=pathlib.Path, help="work in this folder, and leave it")
    options = parser.parse_args()
    began = time.monotonic()
    if options.keep:
        options.keep.mkdir(parents=True)
        demo(options, options.keep.resolve())
    else:
        with gateway.scratch() as directory:
            demo(options, directory)
    print(f"demo: all as it had to be, {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except gateway.ServerError as error:
        sys.exit(f"demo: {error}")
