#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A manual page from its template and from what programs say under --help, so that no option is told in one only.

usage: page.py TEMPLATE OUTPUT NAME=PROGRAM...

A line of the template "@synopsis NAME [ARGUMENT...]" becomes the usage lines of `NAME ARGUMENT... --help`; "@help NAME
[ARGUMENT...]" all that is below them: lines with entries become tagged paragraphs, a line above entries a heading.
"@section NAME TITLE" is what stands under the one heading of `NAME --help` that begins so. "@commands NAME" is a section for each
command that has a --help of its own: those that the usage names, or that stand under "Local commands". @VERSION@ is the version.
"""

import functools
import os
import re
import subprocess
import sys


def escape(text):
    """Text as roff prints it; a line that would be a request begins with nothing."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text)


def term(text):
    """What is typed is bold, what stands for something is italic."""
    parts = re.split(r"(?<![\w-])([A-Z][A-Z_]*\d*)(?![\w-])", text)
    return "".join(
        ("\\fI%s\\fR" if i % 2 else "\\fB%s\\fR") % escape(part)
        for i, part in enumerate(parts)
        if part
    )


def entry(line):
    """A line that begins an entry, as (depth, term, help); else None."""
    found = re.match(r"(  |    )(?=\S)(.*)", line)
    if not found:
        return None
    depth = len(found[1]) // 2
    for pattern in (
        r"(.*?)(?:\s{2,}|\t)(\S.*)$",  # two columns
        r"(--\S+(?: [A-Z\[(]\S*)?) ([a-z].*)$",  # a term that is longer than its column
    ):
        both = re.match(pattern, found[2])
        if both:
            return depth, both[1], both[2]
    return depth, found[2], ""


def split_usage(lines):
    """The lines of the usage, and those around it."""
    start = next(i for i, line in enumerate(lines) if line.startswith("usage: "))
    end = start + 1
    while end < len(lines) and lines[end].startswith("   "):
        end += 1
    return lines[start:end], lines[:start] + lines[end:]


def is_heading(lines, i):
    """A short line of its own, with a colon, right above entries."""
    below = lines[i + 1] if i + 1 < len(lines) else ""
    return (
        lines[i].endswith(":")
        and len(lines[i]) < 60
        and (not i or not lines[i - 1].strip())
        and not below.startswith(" " * 6)
        and entry(below) is not None
    )


class Body:
    """What is below the usage, as roff."""

    def __init__(self):
        self.out = []
        self.depth = 1  # of the entry that the last lines are about

    def to(self, depth):
        step = 1 if depth > self.depth else -1
        while self.depth != depth:
            self.out.append(".RS" if step > 0 else ".RE")
            self.depth += step

    def add_entry(self, item):
        self.to(item[0])
        self.out.extend([".TP", term(item[1].strip())])
        if item[2]:
            self.out.append(escape(item[2]))

    def add_text(self, kind, line):
        """A line of a paragraph, or of an example: one of a kind after the other."""
        self.to(1)
        if kind == "text":
            self.out.extend([".PP", escape(line)])
            return
        if self.out and self.out[-1] == ".fi":
            self.out.pop()
        else:
            self.out.extend([".PP", ".nf"])
        self.out.extend([escape(line), ".fi"])

    def told(self):
        """All lines; of --help nothing else is said."""
        self.to(1)
        whole = []
        for i, line in enumerate(self.out):
            whole.append(line)
            bare = i + 1 == len(self.out) or self.out[i + 1].startswith(".")
            if i and self.out[i - 1] == ".TP" and bare and "help" in line:
                whole.append("Print that, and end.")
        return whole


def render(lines):
    body, last = Body(), ""
    for i, line in enumerate(lines):
        item = entry(line)
        if not line.strip():
            kind = ""
        elif item and not line.startswith(" " * 6):
            kind = "entry"
            body.add_entry(item)
        elif line.startswith(" " * 5) and last == "entry":
            kind = "entry"
            body.out.append(escape(line.strip()))
        elif line.startswith(" "):
            kind = "example"
            body.add_text(kind, line.strip())
        elif is_heading(lines, i):
            kind = "heading"
            body.to(1)
            body.out.append(".SS " + escape(line[0].upper() + line[1:-1]))
        elif last == "text":
            kind = "text"
            body.out.append(escape(line))
        else:
            kind = "text"
            body.add_text(kind, line)
        last = kind
    return body.told()


class Programs:
    def __init__(self, words):
        self.paths = dict(word.split("=", 1) for word in words)

    @functools.cache
    def help(self, name, *arguments):
        """Its lines; None where Python's packages that the command needs are not here."""
        env = {**os.environ, "COLUMNS": "88", "LC_ALL": "C.UTF-8"}
        command = [self.paths[name], *arguments, "--help"]
        done = subprocess.run(command, env=env, text=True, capture_output=True)
        if "No module named" in done.stderr:
            return None
        if done.returncode or "usage: " not in done.stdout:
            sys.exit(f"{' '.join(command)}: {done.stderr or 'no usage'}")
        return done.stdout.replace("\t", "        ").splitlines()


def section(lines, title):
    start = next((i for i, line in enumerate(lines) if line.startswith(title)), None)
    if start is None:
        sys.exit(f"--help has no heading that begins with '{title}'")
    end = next((i for i, line in enumerate(lines) if i > start and not line.strip()), len(lines))
    return lines[start + 1 : end]


def commands(name, lines):
    """Those with a --help of their own."""
    start = next((i for i, line in enumerate(lines) if line.startswith("Local commands")), None)
    if start is not None:
        rest = (re.match(r"  ([a-z][a-z-]*) ", line) for line in lines[start:])
    else:
        rest = (re.match(rf"(?:usage:| {{6}}) {name} ([a-z]+) ", line) for line in lines)
    return [found[1] for found in rest if found]


def expand(line, programs):
    kind, name, *rest = line.split()
    if kind == "@commands":
        out = []
        for command in commands(name, programs.help(name)):
            out.append(".SH " + command.upper())
            out.extend(expand(f"@synopsis {name} {command}", programs))
            out.extend(expand(f"@help {name} {command}", programs))
        return out
    lines = programs.help(name, *(rest if kind != "@section" else []))
    if lines is None:
        return [".PP", escape(f"{name} {' '.join(rest)} --help"), "tells."]
    usage, body = split_usage(lines)
    if kind == "@synopsis":
        indent = min((len(part) - len(part.lstrip()) for part in usage[1:]), default=0)
        usage = [usage[0][7:], *(part[min(indent, 7) :] for part in usage[1:])]
        return [".nf", *map(escape, usage), ".fi"]
    return render(body if kind == "@help" else section(lines, " ".join(rest)))


def main(template, output, *words):
    programs = Programs(words)
    version = programs.paths.pop("version")
    out = []
    with open(template, encoding="utf-8") as lines:
        for line in lines.read().splitlines():
            if re.match(r"@(synopsis|help|section|commands) ", line):
                out.extend(expand(line, programs))
            else:
                out.append(line.replace("@VERSION@", version))
    with open(output, "w", encoding="utf-8") as page:
        page.write("\n".join(out) + "\n")


main(*sys.argv[1:])
