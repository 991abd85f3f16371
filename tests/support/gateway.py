# SPDX-License-Identifier: Apache-2.0
"""Servers that the scripts under tests/ start for themselves: caissond, Debian's
tgt, nbdkit. Each picks free loopback ports, keeps its files under one directory
and is gone when its `with` block ends. Standard library only."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

READY_SECONDS = 60
STOP_SECONDS = 30
SKIPPED = 77  # what ctest's SKIP_RETURN_CODE is set to


class ServerError(RuntimeError):
    """A server or a command of ours did not do what it had to."""


def free_port():
    """A loopback TCP port that is free now: for peers that cannot be given port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what):
    """Asks condition() until it is true; raises ServerError naming `what`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"waited {seconds} s in vain for {what}")
        select.select([], [], [], 0.02)


def accepts(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def run(command, **options):
    """Runs a command to its end; raises ServerError with what it said if it failed."""
    options.setdefault("timeout", 120)
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, **options)
    if done.returncode:
        shown = " ".join(str(c) for c in command)
        raise ServerError(f"{shown}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def scratch(parent=None):
    """A directory that is removed at the end, whatever happened."""
    if parent:
        os.makedirs(parent, exist_ok=True)
    path = pathlib.Path(tempfile.mkdtemp(prefix="caisson-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Process:
    """A child that is killed at the end if it did not go by itself."""

    def __init__(self, command, log, env=None):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as stderr:
            self.child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                          stdout=subprocess.PIPE, stderr=stderr, env=env,
                                          start_new_session=True)  # Ctrl-C is for the script alone

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def read_line(self, seconds):
        """The next line of its stdout; ServerError when it ends or says nothing in time."""
        deadline = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                raise ServerError(f"pid {self.pid} said nothing in {seconds} s; {self.tail()}")
            byte = os.read(self.child.stdout.fileno(), 1)
            if not byte:
                raise ServerError(f"pid {self.pid} ended with {self.child.wait()}; {self.tail()}")
            line += byte
        return line.decode().strip()

    def tail(self):
        return "its log ends:\n" + self.log.read_text(errors="replace")[-2000:]

    def stop(self, how=signal.SIGTERM):
        if self.running():
            self.child.send_signal(how)
        try:
            return self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise ServerError(f"pid {self.pid} did not stop in {STOP_SECONDS} s; {self.tail()}") from None


class Gateway:
    """caissond on loopback ports of its own, with one store, and the command line to it."""

    def __init__(self, bin_dir, directory, store=None, flags=()):
        self.bin = pathlib.Path(bin_dir).resolve()
        directory = pathlib.Path(directory).resolve()
        self.state = directory / "state"
        self.store = pathlib.Path(store).resolve() if store else directory / "store"
        self.flags = list(flags)
        self.log = directory / "caissond.log"
        self.process = None
        self.portals = []
        for path in (self.state, self.store):
            path.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        if self.process and self.process.running():
            code = self.process.stop()
            if code and not kind:
                raise ServerError(f"caissond stopped with {code}; {self.process.tail()}")

    @property
    def iscsi(self):
        """The address of the first portal."""
        return self.portals[0]

    def start(self, portals=("127.0.0.1:0",)):
        """Returns once it serves; `self.portals` are then the addresses it listens on."""
        listen = [word for portal in portals for word in ("--iscsi", portal)]
        self.process = Process([self.bin / "caissond", "--state", self.state, "--store",
                                f"main={self.store}", *listen, *self.flags], self.log)
        line = self.process.read_line(READY_SECONDS)
        word, *pairs = line.split()
        if word != "ready":
            raise ServerError(f"caissond said {line!r}, not that it is ready")
        self.portals = [v for k, v in (p.split("=", 1) for p in pairs) if k == "iscsi"]

    def kill(self):
        """SIGKILL: nothing it had in memory is saved."""
        self.process.child.kill()
        self.process.child.wait()

    def restart(self):
        """Again on the same portals, so that initiators find it."""
        self.start(self.portals)

    def caisson(self, *words):
        return run([self.bin / "caisson", "--server", f"unix:{self.state}/caisson.sock", *words])

    def show(self, lun):
        """The LUN's description; 64-bit numbers may come as strings, as JSON of protobuf has them."""
        shown = json.loads(self.caisson("--output", "json", "lun", "show", lun))
        return shown.get("lun", shown)

    def luns(self):
        listed = json.loads(self.caisson("--output", "json", "lun", "list"))
        return [lun["name"] for lun in listed.get("luns", [])]

    def create_lun(self, name, size, *flags):
        self.caisson("lun", "create", name, "--size", size, *flags)

    def open_to_all(self, *luns):
        self.caisson("host", "create", "*", "--no-auth")
        for lun in luns:
            self.caisson("access", "grant", lun, "*")

    def target(self, lun):
        return self.show(lun)["target_name"]

    def url(self, lun):
        shown = self.show(lun)
        return f"iscsi://{self.iscsi}/{shown['target_name']}/{shown.get('target_lun', 0)}"

    def container(self, lun):
        return self.store / f"{lun}.img"


class Tgt:
    """Debian's tgt; luns are files, one target each. `tuned` allows large bursts."""

    TUNING = {"InitialR2T": "No", "FirstBurstLength": "262144", "MaxBurstLength": "1048576",
              "MaxRecvDataSegmentLength": "262144"}

    def __init__(self, directory, tuned=False):
        self.directory = pathlib.Path(directory)
        self.tuned = tuned
        self.env = dict(os.environ, TGT_IPC_SOCKET=str(self.directory / "tgt.sock"))
        self.port = free_port()
        self.targets = 0
        self.process = None

    def __enter__(self):
        self.process = Process(["tgtd", "-f", "-C", "0", "--iscsi",
                                f"portal=127.0.0.1:{self.port}"], self.directory / "tgtd.log", self.env)
        try:
            wait_until(lambda: self.answers() or not self.process.running(), READY_SECONDS, "tgtd")
            if not self.process.running():
                raise ServerError("tgtd ended; " + self.process.tail())
        except BaseException:
            self.process.child.kill()
            raise
        return self

    def __exit__(self, *_):
        self.process.child.kill()  # it waits for its sessions otherwise
        self.process.child.wait()

    def answers(self):
        asked = subprocess.run(["tgtadm", "--op", "show", "--mode", "sys"], env=self.env,
                               capture_output=True, timeout=10)
        return asked.returncode == 0

    def admin(self, *words):
        return run(["tgtadm", "--lld", "iscsi", *words], env=self.env)

    def add(self, path):
        """Serves the file; returns its URL."""
        self.targets += 1
        tid, name = str(self.targets), f"iqn.2026-11.test:disk{self.targets}"
        self.admin("--op", "new", "--mode", "target", "--tid", tid, "-T", name)
        self.admin("--op", "new", "--mode", "logicalunit", "--tid", tid, "--lun", "1", "-b", str(path))
        self.admin("--op", "update", "--mode", "logicalunit", "--tid", tid, "--lun", "1",
                   "--params", "thin_provisioning=1")
        for name_, value in self.TUNING.items() if self.tuned else ():
            self.admin("--op", "update", "--mode", "target", "--tid", tid, "--name", name_, "--value", value)
        self.admin("--op", "bind", "--mode", "target", "--tid", tid, "-I", "ALL")
        return f"iscsi://127.0.0.1:{self.port}/{name}/1"

    @property
    def pid(self):
        return self.process.pid


class Nbdkit:
    """nbdkit's file plugin over TCP on loopback; one file."""

    def __init__(self, directory, path):
        self.directory = pathlib.Path(directory)
        self.path = path
        self.port = free_port()
        self.process = None

    def __enter__(self):
        self.process = Process(["nbdkit", "--foreground", "--ipaddr", "127.0.0.1", "--port",
                                self.port, "file", f"file={self.path}"], self.directory / "nbdkit.log")
        wait_until(lambda: accepts(self.port) or not self.process.running(), READY_SECONDS, "nbdkit")
        if not self.process.running():
            raise ServerError("nbdkit ended; " + self.process.tail())
        return self

    def __exit__(self, *_):
        self.process.stop()

    @property
    def url(self):
        return f"nbd://127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid
