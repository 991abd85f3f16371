#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Linux kernel as initiator: boots one on loopback (tests/support/guest-run.sh),
logs in and lets it work on a LUN, while this side looks at the container."""

import argparse
import glob
import os
import pathlib
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "support"))
import gateway  # noqa: E402

LUN, SIZE = "guest", "256M"
LOGIN_FAILED = 126  # of guest-run.sh
SECRET, WRONG = "correct-horse-1", "wrong-horse-123"


def cannot():
    """Why this machine cannot boot a guest; nothing if it can."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/dev/net/tun"):
        return "needs /dev/net/tun"
    if not os.path.exists("/usr/bin/apt-get"):
        return "needs apt-get, which fetches the guest"
    return None


def prepare(options):
    """What guest-run.sh leans on: lists of packages, unless its cache is there already."""
    if not (options.cache / "ready").exists() and not glob.glob("/var/lib/apt/lists/*Packages*"):
        gateway.run(["apt-get", "-q", "update"], timeout=300)


class Guest:
    """One boot of the guest with a script; `answers` maps what the script may ask to
    what is then done on this side."""

    def __init__(self, options, server, script, arguments=(), answers=None, words=(), login=True):
        self.answers = answers or {}
        self.failure = None
        with gateway.scratch() as job:
            portals = [word for portal in server.portals for word in ("-p" if login else "-f", portal)]
            target = ["-t", server.target(LUN)] if login else []
            command = [HERE.parents[1] / "support" / "guest-run.sh", "-j", job, *target, *portals,
                       *arguments, HERE / script, *words]
            environment = dict(os.environ, GUEST_CACHE=str(options.cache), GUEST_PRELOAD=str(options.preload))
            self.child = subprocess.Popen([str(c) for c in command], env=environment, stdin=subprocess.DEVNULL,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            helper = threading.Thread(target=self.answer, args=(job,))
            helper.start()
            self.output = self.child.communicate(timeout=600)[0]
            helper.join()
        print(self.output, flush=True)
        self.code = self.child.returncode
        if self.failure:
            raise gateway.ServerError(f"while the guest waited: {self.failure}")

    def answer(self, job):
        for name, action in self.answers.items():
            asked = job / f"{name}.asked"
            gateway.wait_until(lambda asked=asked: asked.exists() or self.child.poll() is not None, 600, name)
            if not asked.exists():
                return
            try:
                action()
            except (gateway.ServerError, AssertionError) as error:
                self.failure = self.failure or error
            (job / f"{name}.done").touch()


def allocated(server):
    return os.stat(server.container(LUN)).st_blocks * 512


def expect(condition, what):
    if not condition:
        raise gateway.ServerError(what)


def test_disk(options, server):
    server.create_lun(LUN, SIZE)
    server.open_to_all(LUN)
    seen = {}
    guest = Guest(options, server, "disk.sh", answers={
        "grow": lambda: server.caisson("lun", "resize", LUN, "512M"),
        "full": lambda: seen.update(full=allocated(server)),
        "trimmed": lambda: seen.update(trimmed=allocated(server))})
    expect(guest.code == 0, f"the guest's script ended with {guest.code}")
    freed = seen["full"] - seen["trimmed"]
    print(f"allocated before fstrim {seen['full']}, after {seen['trimmed']}")
    expect(freed >= 30 << 20, f"fstrim after deleting 36 MiB gave back only {freed} bytes")


def test_chap(options, server):
    server.create_lun(LUN, "64M")
    secret = server.state / "chap-secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    server.caisson("host", "create", "guest", "--iqn", "iqn.1993-08.org.debian:caisson-guest",
                   "--chap-user", "guest", "--chap-secret-file", secret)
    server.caisson("access", "grant", LUN, "guest")
    os.environ["GUEST_INITIATOR"] = "iqn.1993-08.org.debian:caisson-guest"
    right = Guest(options, server, "login.sh", ["-u", "guest", "-w", SECRET])
    expect(right.code == 0, f"with the right secret the guest ended with {right.code}")
    wrong = Guest(options, server, "login.sh", ["-u", "guest", "-w", WRONG])
    expect(wrong.code == LOGIN_FAILED, f"with a wrong secret the guest ended with {wrong.code}")
    none = Guest(options, server, "login.sh")
    expect(none.code == LOGIN_FAILED, f"without a secret the guest ended with {none.code}")
    os.environ["GUEST_INITIATOR"] = "iqn.1993-08.org.debian:stranger"
    stranger = Guest(options, server, "login.sh", ["-u", "guest", "-w", SECRET])
    expect(stranger.code == LOGIN_FAILED, f"a stranger who knows the secret ended with {stranger.code}")


FAST_TIMERS = ("node.session.timeo.replacement_timeout=2", "node.conn[0].timeo.noop_out_interval=1",
               "node.conn[0].timeo.noop_out_timeout=2")


def test_multipath(options, server):
    server.kill()
    server.start(["127.0.0.1:0", "127.0.0.2:0"])
    server.create_lun(LUN, "400M")
    server.open_to_all(LUN)

    def kill_and_restart():
        server.kill()
        server.restart()

    guest = Guest(options, server, "multipath.sh", [word for timer in FAST_TIMERS for word in ("-o", timer)],
                  answers={"kill1": kill_and_restart, "kill2": kill_and_restart})
    expect(guest.code == 0, f"the guest's script ended with {guest.code}")


def test_tools(options, server):
    server.kill()
    server.start(["127.0.0.1:0", "127.0.0.2:0"])
    server.create_lun(LUN, "64M")
    server.open_to_all(LUN)
    guest = Guest(options, server, "tools.sh")
    expect(guest.code == 0, f"the guest's script ended with {guest.code}")


def test_moves(options, server):
    """Redirects, portal groups, 0301 and 0203; kill, restart and boot order."""
    server.kill()
    server.start(["127.0.0.1:0", "127.0.0.2:0,7"])
    here, there = server.portals
    server.create_lun(LUN, "64M")
    server.create_lun("other", "64M")
    server.open_to_all(LUN)

    def start():
        server.start([here, f"{there},7"])

    def redirect(*words):
        server.caisson("access", "redirect", LUN, "*", *words)

    def redirected():
        start()
        redirect("--to", there)

    def offline():
        server.caisson("lun", "offline", LUN)

    def online():
        server.caisson("lun", "online", LUN)

    guest = Guest(options, server, "moves.sh", login=False,
                  words=[server.target(LUN), server.target("other"), here, there],
                  answers={"offline": offline, "online": online,
                           "stop": lambda: server.process.stop(), "redirected": redirected,
                           "back": lambda: redirect("--to", here, "--permanent"),
                           "killed": server.kill, "started": start,
                           "stopped": lambda: server.process.stop(), "again": start,
                           "away": offline, "served": online})
    expect(guest.code == 0, f"the guest's script ended with {guest.code}")
    log = server.log.read_text()
    for status in ("0101", "0203", "0301"):
        expect(f"({status} " in log, f"no login was answered {status}:\n{log}")


CASES = {"moves": test_moves, "tools": test_tools, "multipath": test_multipath, "disk": test_disk, "chap": test_chap}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cache", required=True, type=pathlib.Path)
    parser.add_argument("--preload", required=True, type=pathlib.Path)
    options = parser.parse_args()
    reason = cannot()
    if reason:
        print(f"skipped: a guest {reason}")
        return gateway.SKIPPED
    prepare(options)
    with gateway.scratch() as directory, gateway.Gateway(options.bin, directory) as server:
        CASES[options.case](options, server)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except gateway.ServerError as error:
        sys.exit(f"guest: {error}")
