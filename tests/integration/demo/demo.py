#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev demo`: a container file as an iSCSI disk, end to end, with foreign clients
(qemu-img, qemu-io, e2fsck). Prints each step with what it measured; ends 0 only if
every byte was where it had to be."""

import argparse
import contextlib
import os
import pathlib
import select
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "support"))
import gateway  # noqa: E402

LUN = "demo"
MIB = 1 << 20
SIZE, GROWN = 256 * MIB, 512 * MIB
MARK_AT, MARK_SIZE, MARK = 300 * MIB, 16 * MIB, 0xAB


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
