#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Strangers push at the iSCSI port of a real caissond while an initiator does
verified I/O: its session goes on, memory stays bounded, half logins end in
time, and each stranger costs exactly one line of the log."""

import argparse
import contextlib
import pathlib
import random
import resource
import selectors
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import gateway as support  # noqa: E402

LOGIN_SECONDS = 3  # instead of 15, so that the test need not wait as long
SLACK_SECONDS = 20  # for a machine that is busy
MEMORY_BOUND = 96 << 20  # bytes the strangers may have added at the worst moment
IDLE = 2000
EACH = 200


def login_header(data_length):
    """A Login Request (RFC 7143 11.12) that announces so many bytes of text."""
    header = bytearray(48)
    header[0] = 0x43
    header[1] = 0x87
    header[5:8] = data_length.to_bytes(3, "big")
    header[8:14] = b"\x80\x12\x34\x56\x00\x01"
    return bytes(header)


def garbage(dice):
    return dice.randbytes(dice.randrange(48, 4096))


def truncated_login(_):
    return login_header(512) + b"InitiatorName=iqn.2026-11.test:half"


def oversized_login(_):
    return login_header(0xFFFFFF) + b"x" * 512


def truncated_header(_):
    return login_header(0)[:20]


def nothing(_):
    return b""


class Strangers:
    """Connections that send one thing and then wait to be closed."""

    def __init__(self, address):
        self.address = address
        self.open = selectors.DefaultSelector()
        self.made = 0

    def push(self, count, what, dice):
        for _ in range(count):
            stranger = socket.create_connection(self.address, 20)
            self.made += 1
            with contextlib.suppress(OSError):  # closed already: just as good
                stranger.sendall(what(dice))
            stranger.setblocking(False)
            self.open.register(stranger, selectors.EVENT_READ)
            self.take_closed(0)

    def take_closed(self, seconds):
        for key, _ in self.open.select(seconds):
            try:
                over = not key.fileobj.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                over = True
            if over:
                self.open.unregister(key.fileobj)
                key.fileobj.close()

    def wait_closed(self, seconds):
        deadline = time.monotonic() + seconds
        while self.open.get_map() and time.monotonic() < deadline:
            self.take_closed(0.2)
        return len(self.open.get_map())


class VerifiedLoad:
    """One foreign session that writes patterns and reads them back, all the while."""

    def __init__(self, url):
        self.disk = subprocess.Popen(["qemu-io", "-f", "raw", url], text=True, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.rounds = 0

    def go_on(self, rounds):
        for _ in range(rounds):
            self.rounds += 1
            where = self.rounds % 60 << 20
            pattern = self.rounds % 251 + 1
            self.disk.stdin.write(f"write -P {pattern} {where} 256K\nread -P {pattern} {where} 256K\n")
        self.disk.stdin.flush()

    def finish(self):
        said, _ = self.disk.communicate("quit\n", timeout=120)
        good = said.count("wrote ") + said.count("read 262144")
        return "failed" not in said and good >= 2 * self.rounds, said


def status_bytes(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) << 10
    raise support.ServerError(f"no {key} of {pid}")


def ended_lines(log):
    return sum("connection from" in line and "ended" in line for line in log.read_text().splitlines())


def check(condition, what):
    print(("ok: " if condition else "FAILED: ") + what, flush=True)
    return condition


def attack(gateway, seed):
    dice = random.Random(seed)
    host, port = gateway.iscsi.rsplit(":", 1)
    load = VerifiedLoad(gateway.url("a"))
    load.go_on(20)
    support.wait_until(lambda: "logged in" in gateway.log.read_text(), 30, "the session")
    before = status_bytes(gateway.process.pid, "VmRSS")
    lines_before = len(gateway.log.read_text().splitlines())
    strangers = Strangers((host, int(port)))
    for what in (garbage, truncated_login, oversized_login, truncated_header):
        strangers.push(EACH, what, dice)
        load.go_on(5)
    strangers.push(IDLE, nothing, dice)
    load.go_on(20)
    left = strangers.wait_closed(LOGIN_SECONDS + SLACK_SECONDS)
    good = check(left == 0, f"{strangers.made} strangers are closed, {left} are not")
    peak = status_bytes(gateway.process.pid, "VmHWM")
    good &= check(peak - before < MEMORY_BOUND,
                  f"memory grew by {(peak - before) >> 10} KiB at most")
    fine, said = load.finish()
    good &= check(fine, "the initiator's data is right" if fine else said[-2000:])
    support.wait_until(lambda: ended_lines(gateway.log) >= strangers.made, SLACK_SECONDS, "the log")
    good &= check(ended_lines(gateway.log) == strangers.made, "one line for each stranger")
    others = len(gateway.log.read_text().splitlines()) - lines_before - strangers.made
    good &= check(others <= 2, f"{others} lines beside those")  # the initiator's own logout
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 1500:
        print(f"skipped: only {hard} descriptors may be open")
        return support.SKIPPED
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    with support.scratch() as directory:
        config = directory / "caissond.toml"
        config.write_text(f"[iscsi]\nlogin_timeout = {LOGIN_SECONDS}\n")
        with support.Gateway(options.bin, directory, flags=["--config", str(config)]) as gateway:
            gateway.create_lun("a", "64M")
            gateway.open_to_all("a")
            return 0 if attack(gateway, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
