# SPDX-License-Identifier: Apache-2.0
"""What qemu offers in the place of a snapshot of ours, so far as it can be compared.

External: qemu-img makes an overlay, but only the process that serves the disk can put its
host upon it. So qemu-storage-daemon serves a raw file of the same make over NBD, and
`blockdev-snapshot-sync` moves it to the overlay under load. Its pause is compared; what comes
later differs: the base is no longer what is written to, and is merged back one day.
Internal: qemu-img takes it in a qcow2 file that nobody may have open meanwhile, so the
host's pause is at least the time of the whole command."""

import json
import pathlib
import shutil
import socket
import time

from snapshot_lab import Skip, gateway


class StorageDaemon:
    """qemu-storage-daemon with one raw file over NBD on loopback; for one `with` block."""

    def __init__(self, directory, disk):
        if not shutil.which("qemu-storage-daemon"):
            raise Skip("qemu-storage-daemon is not installed (Debian: qemu-system-common)")
        self.directory = pathlib.Path(directory)
        self.disk = disk
        self.overlay = self.directory / "overlay.qcow2"
        self.port = gateway.free_port()
        self.process = None

    def __enter__(self):
        monitor = self.directory / "qmp"
        monitor.unlink(missing_ok=True)
        self.process = gateway.Process(
            ["qemu-storage-daemon", "--blockdev", f"driver=file,node-name=file,filename={self.disk}",
             "--blockdev", "driver=raw,node-name=disk,file=file",
             "--nbd-server", f"addr.type=inet,addr.host=127.0.0.1,addr.port={self.port}",
             "--export", "type=nbd,id=export,node-name=disk,name=disk,writable=on",
             "--chardev", f"socket,id=qmp,path={monitor},server=on,wait=off",
             "--monitor", "chardev=qmp"], self.directory / "qemu.log")
        gateway.wait_until(lambda: gateway.accepts(self.port) or not self.process.running(),
                           gateway.READY_SECONDS, "qemu-storage-daemon")
        if not self.process.running():
            raise gateway.ServerError("qemu-storage-daemon ended; " + self.process.tail())
        return self

    def __exit__(self, *_):
        self.process.stop()
        self.overlay.unlink(missing_ok=True)

    @property
    def url(self):
        return f"nbd://127.0.0.1:{self.port}/disk"

    def snapshot(self):
        """The host's writes go to the overlay when this returns."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.directory / "qmp"))
            with monitor.makefile("rw") as lines:
                lines.readline()  # its greeting
                ask(lines, "qmp_capabilities")
                ask(lines, "blockdev-snapshot-sync", {"node-name": "disk", "snapshot-node-name": "overlay",
                                                      "snapshot-file": str(self.overlay), "format": "qcow2"})


def ask(lines, command, arguments=None):
    lines.write(json.dumps({"execute": command, "arguments": arguments or {}}) + "\n")
    lines.flush()
    answer = json.loads(lines.readline())
    while "event" in answer:
        answer = json.loads(lines.readline())
    if "error" in answer:
        raise gateway.ServerError(f"qemu-storage-daemon: {command}: {answer['error']['desc']}")


class InternalSnapshots:
    """A qcow2 file whose metadata are as those of a full disk; take() is one snapshot."""

    def __init__(self, directory, size):
        self.disk = pathlib.Path(directory) / "internal.qcow2"
        gateway.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata",
                     self.disk, size])

    def take(self):
        """Milliseconds; the snapshot is gone again afterwards."""
        began = time.monotonic()
        gateway.run(["qemu-img", "snapshot", "-c", "bench", self.disk])
        took = time.monotonic() - began
        gateway.run(["qemu-img", "snapshot", "-d", "bench", self.disk])
        return took * 1e3
