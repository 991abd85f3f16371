#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy on every source file that has changed since it last passed.

A pass is remembered, for all clones of the repository, under a key over what the
verdict depends on: the compiler's command, .clang-tidy, the version of the tool and
the contents of the file and of every header of ours that it includes. What a compiler
read is known from Ninja's log, so the tree has to be built before.

Exit 0: no finding. 1: findings, printed. 2: the tree is not built.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a built tree")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    parser.add_argument("--passed", type=pathlib.Path, default=pathlib.Path(cache) / "caisson/tidy")
    parser.add_argument("files", nargs="*", help="relative to the root; default: all tracked")
    return parser.parse_args()


def tracked(root):
    command = ["git", "-c", f"safe.directory={root}", "-C", root, "ls-files", "--", "*.cpp"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return [name for name in names if not name.startswith("tests/fuzz/")]


def dependencies(build):
    """What the compiler read for each object file, from Ninja's log."""
    log = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, capture_output=True, text=True)
    read, current = {}, None
    for line in log.stdout.splitlines():
        if line.startswith("    "):
            read[current].append(line.strip())
        elif ": #deps" in line:
            current = line.split(": #deps")[0]
            read[current] = []
    return read


def object_of(command):
    words = shlex.split(command)
    return words[words.index("-o") + 1]


class Keys:
    def __init__(self, root, build):
        self.root, self.build = root.resolve(), build.resolve()
        version = subprocess.run(["clang-tidy", "--version"], check=True, capture_output=True, text=True)
        self.common = version.stdout.encode() + (self.root / ".clang-tidy").read_bytes()
        self.read = dependencies(self.build)
        self.commands = {}
        for entry in json.loads((self.build / "compile_commands.json").read_text()):
            self.commands[os.path.relpath(entry["file"], self.root)] = entry["command"]
        self.digests = {}

    def digest(self, path):
        if path not in self.digests:
            self.digests[path] = hashlib.sha256(path.read_bytes()).digest()
        return self.digests[path]

    def key(self, name):
        """None when the file was not built, or something that it reads is gone."""
        command = self.commands.get(name)
        read = self.read.get(object_of(command)) if command else None
        if not read:
            return None
        key = hashlib.sha256(self.common)
        key.update(command.replace(str(self.build), "BUILD").replace(str(self.root), "ROOT").encode())
        for path in sorted((self.build / path).resolve() for path in read):
            if not path.is_relative_to(self.root):
                continue
            if not path.exists():
                return None
            key.update(self.digest(path))
        return key.hexdigest()


def check(name, build, stamp):
    result = subprocess.run(
        ["clang-tidy", "--quiet", "-p", str(build), "--warnings-as-errors=*", name],
        capture_output=True, text=True)
    if result.returncode == 0:
        stamp.touch()
    return name, result.returncode, result.stdout


def main():
    options = arguments()
    root = options.root.resolve()
    os.chdir(root)
    keys = Keys(root, options.build)
    options.passed.mkdir(parents=True, exist_ok=True)
    todo, unbuilt = [], []
    names = options.files or tracked(root)
    for name in names:
        key = keys.key(name)
        if key is None:
            unbuilt.append(name)
        elif not (options.passed / key).exists():
            todo.append((name, options.passed / key))
    if unbuilt:
        print("not built, so not checked:", *unbuilt, sep="\n  ", file=sys.stderr)
        return 2
    print(f"clang-tidy: {len(todo)} of {len(names)} files have changed since they passed", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name, code, output in pool.map(lambda job: check(job[0], options.build, job[1]), todo):
            if code:
                failed += 1
                print(f"{name}:\n{output}", flush=True)
    print(f"clang-tidy: {failed} of {len(names)} files with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
