# SPDX-License-Identifier: Apache-2.0
"""Finds the functions of C++ text well enough to count their lines: by braces, and
by what stands before each of them. Tables (initializers) are not functions."""

import re

NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\\\s]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'|^[ \t]*#(?:\\\n|[^\n])*", re.S | re.M)
TYPE = re.compile(r"\b(?:class|struct|union|enum)\b")
NAMESPACE = re.compile(r"\b(?:namespace\b|extern\s*$)")
NAME = re.compile(r"([~\w:<>]*operator[^(]*|[~\w:]+)\s*\(")


def blank(match):
    """Comments and literals become spaces, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", match[0])


def without_parentheses(text):
    kept, depth = [], 0
    for char in text:
        depth += char in "(["
        if not depth:
            kept.append(char)
        depth -= char in ")]" and depth > 0
    return "".join(kept)


def kind_of(head):
    """What the brace behind this text opens."""
    plain = without_parentheses(head)
    if NAMESPACE.search(plain):
        return "namespace"
    if re.search(r"(?<![=!<>+\-*/%&|^])=(?!=)", plain.split("operator")[0]):
        return "table"
    if "(" in head:
        return "function"
    return "type" if TYPE.search(plain) else "table"


def functions_of(text):
    """Yields (name, first line, last line) of each function at namespace or class
    level; what is inside a function counts as part of it."""
    clean = NOISE.sub(blank, text)
    stack, head, line = [], "", 1
    for char in clean:
        if char == "{":
            inside = next((k for k, _, _ in stack if k in ("function", "table")), None)
            kind = "block" if inside else kind_of(head)
            named = NAME.search(head)
            first = line - head.lstrip().count("\n")
            stack.append((kind, named[1].strip() if named else "?", first))
            head = ""
        elif char == "}":
            if stack:
                kind, name, first = stack.pop()
                if kind == "function":
                    yield name, first, line
            head = ""
        elif char == ";":
            head = ""
        else:
            head += char
        line += char == "\n"
