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
import pathlib
import queue
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import gateway  # noqa: E402

SUITE = "iscsi-test-cu"
RANK = {"hang": 0, "fail": 1, "skip": 2, "pass": 3}
LUN_SIZE = "128M"

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


def run_test(test, url, seconds, worker):
    name = f"iqn.2026-11.test:conformance-{worker}"
    command = ["stdbuf", "-oL", SUITE, "--dataloss", "--allow-sanitize", f"--test=ALL.{test}",
               "-i", name, "-I", name + "-second", url]
    if test.startswith("MultipathIO."):
        command.append(url)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace").strip().splitlines()
        return Outcome("hang", f"no end in {seconds} s; last line: {said[-1] if said else ''}")
    return judge(done.returncode, done.stdout.decode(errors="replace"))


def run_all(tests, new_url, workers, seconds):
    """Every worker keeps a LUN of its own, and gets a new one after a test that did
    not pass: what that left behind must not spoil the next."""
    slots = queue.Queue()
    for worker in range(workers):
        slots.put((worker, new_url()))

    def one(test):
        worker, url = slots.get()
        outcome = Outcome("fail", "the runner itself failed")
        try:
            outcome = run_test(test, url, seconds, worker)
        finally:
            slots.put((worker, url if RANK[outcome.result] >= RANK["skip"] else new_url()))
        return test, outcome

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
    with gateway.Gateway(options.bin, directory) as server:
        count = iter(range(10**6))
        server.caisson("host", "create", "*", "--no-auth")

        def new_url():
            name = f"conformance-{next(count)}"
            server.create_lun(name, LUN_SIZE, *options.lun_flag)
            server.caisson("access", "grant", name, "*")
            return server.url(name)

        yield new_url


@contextlib.contextmanager
def tgt(_options, directory):
    with gateway.Tgt(directory) as server:
        count = iter(range(10**6))

        def new_url():
            path = directory / f"disk{next(count)}"
            with open(path, "wb") as disk:
                disk.truncate(128 << 20)
            return server.add(path)

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
    tests = [t for t in all_tests() if options.test in t]
    began = time.monotonic()
    with gateway.scratch() as directory, {"caisson": caisson, "tgt": tgt}[options.peer](options, directory) as new_url:
        results = run_all(tests, new_url, options.workers, options.seconds)
    counts = collections.Counter(outcome.result for outcome in results.values())
    worse, better = compare(results, expected)
    if options.record:
        write_table(options.record, results, expected)
    gone = [] if options.test else sorted(set(expected) - set(results))
    for title, lines in (("better than the table, which is to be updated", better),
                         ("in the table, but not in this suite", gone), ("WORSE than the table", worse)):
        if lines:
            print(f"{title}:\n  " + "\n  ".join(lines))
    print(f"{options.peer}: {len(results)} tests in {time.monotonic() - began:.0f} s: "
          + ", ".join(f"{counts[k]} {k}" for k in ("pass", "skip", "fail", "hang")))
    return 1 if worse and not options.record else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (gateway.ServerError, ValueError) as error:
        sys.exit(f"conformance: {error}")
