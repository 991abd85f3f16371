#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libiscsi's SCSI and iSCSI conformance suite against Caisson (or, with --peer tgt,
against Debian's tgt), every test in a process of its own, compared with the table
of expected results. A result that is worse than the table fails the run; a better
one is reported, so that the table follows."""

import argparse
import collections
import concurrent.futures
import contextlib
import os
import pathlib
import queue
import re
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import gateway  # noqa: E402

SUITE = "iscsi-test-cu"
RANK = {"hang": 0, "fail": 1, "skip": 2, "pass": 3}

# What a LUN can be like. `TEST` in the table is run on a thin one, `TEST@KIND` on
# another: what a thin disk rightly refuses or skips is passed there.
Kind = collections.namedtuple("Kind", "size create grant daemon", defaults=[()])
KINDS = {
    "thin": Kind("128M", [], []),
    "thick": Kind("128M", ["--thick"], []),
    "512n": Kind("128M", ["--block-size", "512n"], []),
    "4096": Kind("128M", ["--block-size", "4096"], []),
    "removable": Kind("128M", ["--removable"], []),
    "read-only": Kind("128M", [], ["--read-only"]),
    # One that is being sanitized while the suite looks, however fast the machine is;
    # as the suite looks once a minute, and says nothing meanwhile, in the long form only.
    "paced": Kind("128M", [], [], ("--wipe-rate", "12", "--nop-interval", "300")),
}

# These want a LUN that nothing has written to: the suite clears blocks 0 to 255 and then
# compares 256 blocks and one more with zeros.
FRESH = {"MultipathIO.CompareAndWrite"}

Outcome = collections.namedtuple("Outcome", "result detail")
Expected = collections.namedtuple("Expected", "result reason")


def parse_expected(text):
    """The table: a test, its result, and for anything but a pass the reason."""
    table = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if len(words) < 2 or words[1] not in ("pass", "skip", "fail"):
            raise ValueError(f"line {number}: want TEST pass|skip|fail REASON, got {line!r}")
        if words[0] in table:
            raise ValueError(f"line {number}: {words[0]} appears twice")
        if words[1] != "pass" and len(words) < 3:
            raise ValueError(f"line {number}: {words[0]} is not a pass and has no reason")
        table[words[0]] = Expected(words[1], words[2] if len(words) > 2 else "")
    return table


def split_name(entry):
    """(test, kind) of a table's entry."""
    test, _, kind = entry.partition("@")
    return test, kind or "thin"


def passed_nowhere(table):
    """Tests that no kind of LUN passes."""
    passed = {split_name(entry)[0] for entry, want in table.items() if want.result == "pass"}
    return sorted({split_name(entry)[0] for entry in table} - passed)


def judge(exit_code, output):
    """The result of one test from what its process printed. CUnit counts a skipped
    test as passed, and the suite also skips things while it connects and cleans up,
    so only what stands between `Suite:` and CUnit's verdict on the test counts."""
    body = output.partition("Suite:")[2]
    asserts = re.search(r"asserts\s+(\d+)\s+\d+\s+(\d+)\s+(\d+)", body)
    verdict = re.search(r"(?:^|\.\.\.)(?:passed|FAILED)", body, re.M)
    test = body[: verdict.start()] if verdict else body
    failed = bool(exit_code) or not asserts or int(asserts[3]) > 0
    marks = re.findall(r"\[FAILED\][^\n]*|\d+\. test_[^\n]*", body) if failed else re.findall(
        r"\[SKIPPED\][^\n]*", test)
    detail = marks[0] if marks else ""
    if not asserts:
        return Outcome("fail", f"no summary, exit {exit_code}: {detail or output.strip()[-120:]}")
    if failed:
        return Outcome("fail", detail or f"exit {exit_code}")
    return Outcome("skip" if marks else "pass", detail)


def run_test(entry, urls, seconds, worker):
    """`urls`: of the same LUN, one for each portal."""
    test = split_name(entry)[0]
    name = f"iqn.2026-11.test:conformance-{worker}"
    command = ["stdbuf", "-oL", SUITE, "--dataloss", "--allow-sanitize", f"--test=ALL.{test}",
               "-i", name, "-I", name + "-second", urls[0]]
    if test.startswith("MultipathIO."):
        command.append(urls[-1])
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace").strip().splitlines()
        return Outcome("hang", f"no end in {seconds} s; last line: {said[-1] if said else ''}")
    return judge(done.returncode, done.stdout.decode(errors="replace"))


def run_all(tests, new_url, workers, seconds):
    """Every worker keeps a LUN of its own, and gets a new one after a test that did
    not pass, and for one that wants it fresh: what the last left behind must not spoil
    the next."""
    slots = queue.Queue()
    for worker in range(workers):
        slots.put((worker, {}))

    def one(entry):
        worker, kept = slots.get()
        kind = split_name(entry)[1]
        outcome = Outcome("fail", "the runner itself failed")
        try:
            if kind not in kept or split_name(entry)[0] in FRESH:
                kept[kind] = new_url(kind)
            outcome = run_test(entry, kept[kind], 5 * seconds if kind == "paced" else seconds, worker)
        finally:
            if RANK[outcome.result] < RANK["skip"]:
                kept.pop(kind, None)
            slots.put((worker, kept))
        return entry, outcome

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return dict(pool.map(one, tests))


def compare(results, expected):
    """(worse, better): lines to print. A test that the table does not know is worse,
    so that none goes unjudged."""
    worse, better = [], []
    for test, outcome in results.items():
        want = expected.get(test)
        line = f"{test}: {outcome.result}, expected {want.result if want else 'no entry'}"
        if want is None or RANK[outcome.result] < RANK[want.result]:
            worse.append(f"{line}  {outcome.detail}")
        elif RANK[outcome.result] > RANK[want.result]:
            better.append(line)
    return worse, better


@contextlib.contextmanager
def caisson(options, directory):
    with contextlib.ExitStack() as ending:
        servers = {}
        starting = threading.Lock()
        count = iter(range(10**6))

        def server_with(flags):
            with starting:
                if flags not in servers:
                    place = directory / f"gateway{len(servers)}"
                    place.mkdir()
                    server = gateway.Gateway(options.bin, place, flags=flags)
                    ending.push(server.__exit__)
                    server.start(["127.0.0.1:0", "127.0.0.1:0"])
                    server.caisson("host", "create", "*", "--no-auth")
                    servers[flags] = server
                return servers[flags]

        def new_url(kind):
            name = f"conformance-{next(count)}"
            like = KINDS[kind]
            server = server_with(like.daemon)
            server.create_lun(name, like.size, *like.create, *options.lun_flag)
            server.caisson("access", "grant", name, "*", *like.grant)
            path = server.url(name).removeprefix(f"iscsi://{server.iscsi}")
            return [f"iscsi://{portal}{path}" for portal in server.portals]

        yield new_url


@contextlib.contextmanager
def tgt(_options, directory):
    with gateway.Tgt(directory) as server:
        count = iter(range(10**6))

        def new_url(_kind):
            path = directory / f"disk{next(count)}"
            with open(path, "wb") as disk:
                disk.truncate(128 << 20)
            return [server.add(path)]

        yield new_url


def all_tests():
    names = gateway.run([SUITE, "--list"]).split()
    return [n.removeprefix("ALL.") for n in names if n.startswith("ALL.") and n.count(".") == 2]


def write_table(path, results, expected):
    """The results as a new table; keeps the reasons that the old one has."""
    lines = []
    for test, outcome in results.items():
        old = expected.get(test)
        reason = old.reason if old and old.result == outcome.result else outcome.detail
        lines.append(f"{test:<45} {outcome.result:<5} {'' if outcome.result == 'pass' else reason}".rstrip())
    path.write_text("# test, result, reason (see docs/testing.md)\n" + "\n".join(lines) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", help="folder of caissond and caisson")
    parser.add_argument("--peer", choices=["caisson", "tgt"], default="caisson")
    parser.add_argument("--table", type=pathlib.Path, default=HERE / "expected.txt")
    parser.add_argument("--record", type=pathlib.Path, help="write what was found as a table")
    parser.add_argument("--test", default="", help="only tests whose name contains this")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=60, help="limit of one test")
    parser.add_argument("--lun-flag", action="append", default=[], help="further flag of lun create")
    return parser.parse_args()


def main():
    options = parse_arguments()
    expected = parse_expected(options.table.read_text()) if options.table.exists() else {}
    long = bool(os.environ.get("CAISSON_LONG"))
    left_out = {entry for entry in expected if split_name(entry)[1] == "paced" and not long}
    tests = all_tests() + [entry for entry in expected if "@" in entry and entry not in left_out]
    tests = [t for t in tests if options.test in t and (options.peer == "caisson" or "@" not in t)]
    began = time.monotonic()
    with gateway.scratch() as directory, {"caisson": caisson, "tgt": tgt}[options.peer](options, directory) as new_url:
        results = run_all(tests, new_url, options.workers, options.seconds)
    counts = collections.Counter(outcome.result for outcome in results.values())
    worse, better = compare(results, expected)
    if options.record:
        write_table(options.record, results, expected)
    gone = [] if options.test else sorted(set(expected) - set(results) - left_out)
    for title, lines in (("better than the table, which is to be updated", better),
                         ("in the table, but not in this suite", gone), ("WORSE than the table", worse)):
        if lines:
            print(f"{title}:\n  " + "\n  ".join(lines))
    if options.peer == "caisson" and not options.test:
        print("passed on no kind of LUN: " + ", ".join(passed_nowhere(expected)))
    print(f"{options.peer}: {len(results)} tests in {time.monotonic() - began:.0f} s: "
          + ", ".join(f"{counts[k]} {k}" for k in ("pass", "skip", "fail", "hang")))
    return 1 if worse and not options.record else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (gateway.ServerError, ValueError) as error:
        sys.exit(f"conformance: {error}")
