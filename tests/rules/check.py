#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a compiler does not check. Prints one line for each
breach, as FILE:LINE: RULE: what is wrong, and ends 1 if there was any."""

import argparse
import pathlib
import re
import subprocess
import sys

from functions import functions_of

CODE_FOLDERS = ("storage_object", "snapshot", "replication", "nbs", "gateway")
FILE_LINES = 500
FUNCTION_LINES = 60
MARKS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|(?i:not imple" r"mented|stub(?:bed)?))\b")
SLEEPS = re.compile(r"\bsleep_for\b|\bsleep_until\b|\busleep\(|(?:^|[;&|]\s*|\bdo\s+|\bwhile\s+)sleep\s+[0-9.]")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


class Tree:
    """The repository, or a test's imitation of it, with its written exceptions."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.breaches = []
        self.exceptions = {}
        self.used = set()
        for line in self.lines("tests/rules/exceptions.txt"):
            words = line.split(None, 2)
            if words and not line.startswith("#"):
                self.exceptions[tuple(words[:2])] = words[2] if len(words) > 2 else ""
        for (rule, where), reason in self.exceptions.items():
            if not reason:
                self.breach("exceptions", "tests/rules/exceptions.txt", 1, f"{rule} {where} has no reason")

    def lines(self, path):
        file = self.root / path
        return file.read_text(errors="replace").splitlines() if file.exists() else []

    def files(self, folders, suffixes):
        for folder in folders:
            for path in sorted((self.root / folder).rglob("*")):
                if path.suffix in suffixes and path.is_file():
                    yield path.relative_to(self.root).as_posix()

    def breach(self, rule, path, line, what, subject=None):
        key = (rule, f"{path}:{subject}" if subject else path)
        self.used.add(key)
        if key not in self.exceptions:
            self.breaches.append(f"{path}:{line}: {rule}: {what}")


def read_dependencies(tree):
    """The table: folder to the set of folders it may include; None is any."""
    allowed = {}
    for line in tree.lines("tests/rules/dependencies.txt"):
        folder, colon, names = line.partition(":")
        if colon and not line.startswith("#"):
            allowed[folder.strip()] = None if names.strip() == "*" else set(names.split())
    return allowed


def folder_of(path):
    """storage_object/base for storage_object/base/x.hpp; None outside the code."""
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 and parts[0] in CODE_FOLDERS else None


def check_includes(tree):
    """Every include from another folder of ours is one that the table allows."""
    allowed = read_dependencies(tree)
    for path in tree.files(CODE_FOLDERS, {".hpp", ".cpp"}):
        own = folder_of(path)
        for number, line in enumerate(tree.lines(path), 1):
            match = INCLUDE.match(line)
            other = folder_of(match[1]) if match else None
            if match and match[1].startswith(("tests/", "../", "./")):
                tree.breach("include", path, number, f'"{match[1]}" is not included from the repository root')
            elif own not in allowed:
                tree.breach("include", path, 1, f"{own} is not in tests/rules/dependencies.txt")
                break
            elif other and other != own and allowed[own] is not None and other not in allowed[own]:
                tree.breach("include", path, number, f"{own} must not include {other}")


def read_libraries(path):
    """What CMake wrote: a library's folder to the folders that it links."""
    lines = pathlib.Path(path).read_text().splitlines()
    raw = {name: deps.split(";") for name, _, deps in (line.partition(":") for line in lines if line)}
    return {name: {d for d in deps if d in raw} for name, deps in raw.items()}


def reachable(libraries, name):
    seen, todo = set(), [name]
    while todo:
        for dep in libraries.get(todo.pop(), ()):
            if dep not in seen:
                seen.add(dep)
                todo.append(dep)
    return seen


def check_links(tree, libraries):
    """DEPS in CMake and the table agree, and what is included is linked."""
    allowed = read_dependencies(tree)
    for folder in allowed:
        name = folder.replace("/", "_")
        where = f"{folder}/CMakeLists.txt"
        if name not in libraries:
            continue
        permitted = None if allowed[folder] is None else {f.replace("/", "_") for f in allowed[folder]}
        for dep in sorted(libraries[name] - (permitted if permitted is not None else libraries[name])):
            tree.breach("link", where, 1, f"{name} must not link {dep}")
        linked = reachable(libraries, name)
        for path in tree.files([folder], {".hpp", ".cpp"}):
            for number, line in enumerate(tree.lines(path), 1):
                match = INCLUDE.match(line)
                other = folder_of(match[1]) if match else None
                if other and other != folder and other.replace("/", "_") not in linked:
                    tree.breach("link", path, number, f"includes {other}, which DEPS of {name} do not name")


def check_registered(tree, registered):
    """No test file lies about that no caisson_test call names."""
    known = {str(pathlib.Path(p)) for p in registered}
    for path in tree.files(["tests"], {".cpp"}):
        if path.endswith("_test.cpp") and str(tree.root / path) not in known:
            tree.breach("registered", path, 1, "no caisson_test call names this file, so it never runs")


def check_sizes(tree):
    for path in tree.files((*CODE_FOLDERS, "tests"), {".hpp", ".cpp"}):
        lines = tree.lines(path)
        if len(lines) > FILE_LINES:
            tree.breach("file-size", path, 1, f"{len(lines)} lines, more than {FILE_LINES}: divide it, or give a reason")
        for name, first, last in functions_of("\n".join(lines)):
            if last - first + 1 > FUNCTION_LINES:
                tree.breach("function-size", path, first,
                            f"{name} has {last - first + 1} lines, more than {FUNCTION_LINES}", name)


def check_marks(tree):
    everywhere = [*tree.files((*CODE_FOLDERS, "tests"), {".hpp", ".cpp", ".proto", ".sh"}), "dev", ".ci/run"]
    for path in everywhere:
        for number, line in enumerate(tree.lines(path), 1):
            if MARKS.search(line):
                tree.breach("mark", path, number, f"unfinished work: {line.strip()[:80]}")
            if path.startswith("tests/") and SLEEPS.search(line):
                tree.breach("sleep", path, number, "a test waits for a condition, not for a while")
            if "DISABLED_" in line and path.endswith("_test.cpp"):
                tree.breach("disabled", path, number, "a disabled test never fails")


def check_heads(tree):
    for path in tree.files((*CODE_FOLDERS, "tests"), {".hpp", ".cpp", ".proto", ".py", ".sh"}):
        lines = tree.lines(path)
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:2]):
            tree.breach("head", path, 1, "no SPDX line at the top")
        if path.endswith(".hpp") and "#pragma once" not in lines:
            tree.breach("head", path, 1, "no #pragma once")


def manual_text(tree):
    return "\n".join("\n".join(tree.lines(p)) for p in tree.files(["docs/man"], {".md", ".1", ".5", ".8"}))


def undocumented(words, manual):
    """Those that the manual does not name; roff writes a hyphen as \\- and mdoc "--" as "Fl Fl "."""
    plain = manual.replace("\\-", "-").replace("Fl Fl ", "--")
    return [w for w in sorted(set(words)) if not re.search(re.escape(w) + r"(?![\w-])", plain)]


def check_manual(tree, programs, keys):
    """Every flag that a program prints and every configuration key is in docs/man."""
    manual = manual_text(tree)
    for program in programs:
        shown = subprocess.run([program, "--help-all"], capture_output=True, text=True, timeout=60)
        flags = FLAG.findall(shown.stdout)
        name = pathlib.Path(program).name
        if shown.returncode or not flags:
            tree.breach("manual", "docs/man", 1, f"{name} --help-all ends {shown.returncode} and names no flags")
        for flag in undocumented(flags, manual):
            tree.breach("manual", "docs/man", 1, f"{name} knows {flag}, which the manual does not name")
    for key in undocumented(keys, manual):
        tree.breach("manual", "docs/man", 1, f"configuration key {key} is not in the manual")


def check_exceptions(tree):
    """An exception that nothing needs any more is removed. Last, and with all rules."""
    for rule, where in sorted(set(tree.exceptions) - tree.used):
        tree.breach("exceptions", "tests/rules/exceptions.txt", 1, f"{rule} {where} is not needed any more")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--libraries", help="file that CMake wrote: what each library links")
    parser.add_argument("--registered", help="file that CMake wrote: the sources of all tests")
    parser.add_argument("--only-registered", action="store_true")
    parser.add_argument("--programs", nargs="*", default=[], help="whose flags the manual must name")
    parser.add_argument("--keys", help="program that prints the configuration keys, which it must name too")
    options = parser.parse_args()
    tree = Tree(options.root)
    registered = pathlib.Path(options.registered).read_text().split() if options.registered else None
    if options.programs:
        check_manual(tree, options.programs, subprocess.check_output([options.keys], text=True).split())
    elif options.only_registered:
        check_registered(tree, registered)
    else:
        for check in (check_includes, check_sizes, check_marks, check_heads):
            check(tree)
        if options.libraries:
            check_links(tree, read_libraries(options.libraries))
        if registered is not None:
            check_registered(tree, registered)
        check_exceptions(tree)
    print("\n".join(tree.breaches), end="\n" if tree.breaches else "")
    return 1 if tree.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
