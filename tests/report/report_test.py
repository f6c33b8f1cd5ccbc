#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The report of txbench, from made-up results: what it says, that it needs nothing from outside,
what bad input gives, and how it looks in chromium. Each check is also tried on a broken page.

usage: report_test.py REPORT SWEEP [html|browser]      without the last: both
"""
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

try:
    import matplotlib.image
    import numpy
except ModuleNotFoundError:
    SYSTEM = "/usr/bin/python3"
    if os.access(SYSTEM, os.X_OK) and os.path.realpath(SYSTEM) != os.path.realpath(sys.executable):
        os.execv(SYSTEM, [SYSTEM, *sys.argv])
    print("skipped: needs python3 with matplotlib (tools/setup installs it)")
    sys.exit(77)

sys.dont_write_bytecode = True
import browser
import synthetic

TITLES = ("Wait and cost", "How long frames wait", "Wait against load", "CPU against load",
          "Notifications and system calls", "Throughput", "Back-end CPU per frame at full speed",
          "Where the time goes", "Time line")
failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}")


def run_report(report, *args):
    return subprocess.run([sys.executable, report, *args], capture_output=True, text=True,
                          check=False)


# Checks of a page: each gives a list of what is wrong.

def wrong_in_html(text):
    wrong = []
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        return [f"not well-formed: {error}"]
    for pattern in (r"https?:", r"\bsrc\s*=", r"@import", r"<script", r"<link", r"url\((?!#)",
                    r'href="(?!#)'):
        found = re.search(pattern, text)
        if found:
            wrong.append(f"reference to the outside, or script: {text[found.start():][:40]}")
    figures = root.findall(".//figure")
    titles = [figure.findtext("h3") for figure in figures]
    for title in TITLES:
        if f"{title}, host A" not in titles:
            wrong.append(f"no figure '{title}'")
    if not any(t.startswith("timer against iothread, ring of 1024") for t in titles):
        wrong.append("no figure of the sweep")
    for figure, title in zip(figures, titles):
        svg = figure.find("svg")
        names = (svg.get("aria-labelledby") or "").split() if svg is not None else []
        texts = [e.text for e in (svg if svg is not None else ()) if e.get("id") in names]
        if svg is None or svg.get("role") != "img" or len(texts) != 2 or not all(texts):
            wrong.append(f"figure '{title}' has no text alternative")
        elif not figure.findtext("figcaption"):
            wrong.append(f"figure '{title}' has no caption")
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    wrong += [f"id '{i}' is there twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
    wrong += [f"#{i} leads nowhere" for i in
              sorted(set(re.findall(r'(?:url\(|href=")#([^)"]+)', text)) - set(ids))]
    return wrong


def wrong_in_picture(path, size, colours, share=.0002):
    """colours: what must be seen in it, name: (r, g, b)."""
    wrong = []
    pixels = (matplotlib.image.imread(path)[:, :, :3] * 255).round().astype(numpy.uint32)
    if pixels.shape[:2] != (size[1], size[0]):
        wrong.append(f"the picture is {pixels.shape[1]} x {pixels.shape[0]}, not {size}")
    flat = (pixels[:, :, 0] << 16 | pixels[:, :, 1] << 8 | pixels[:, :, 2]).ravel()
    kinds, counts = numpy.unique(flat, return_counts=True)
    if len(kinds) < 100 or counts.max() > .99 * flat.size:
        wrong.append(f"nearly blank: {len(kinds)} colours, one covers"
                     f" {100 * counts.max() / flat.size:.1f} %")
    count = dict(zip(kinds.tolist(), counts.tolist()))
    for name, (r, g, b) in colours.items():
        if count.get(r << 16 | g << 8 | b, 0) < share * flat.size:
            wrong.append(f"the colour of {name} is hardly seen:"
                         f" {count.get(r << 16 | g << 8 | b, 0)} pixels")
    return wrong


def wrong_in_browser(page, scratch, colours, widths=(390, 1280)):
    wrong = []
    with browser.Browser() as chromium:
        chromium.open(page)
        for width in widths:
            png = os.path.join(scratch, f"{width}.png")
            # Colours count in figures, not in what stands around them.
            chromium.evaluate("document.querySelectorAll('.tiles, table').forEach("
                              "e => e.style.visibility = 'hidden')")
            size = chromium.picture(png, width)
            wrong += [f"{width} px: {w}" for w in wrong_in_picture(png, size, colours)]
            wide = chromium.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"{width} px: the page is {wide} px wide")
        flat = chromium.evaluate("[...document.querySelectorAll('.figures svg')].filter(s =>"
                                 "!s.closest('details') && s.getBoundingClientRect().height < 40)"
                                 ".length")
        if flat:
            wrong.append(f"{flat} figures have no height")
        wrong += [f"console: {level}: {text}" for level, text in chromium.messages]
        wrong += [f"it loads {url}" for url in chromium.requests[1:]]
    return wrong


# Tests.

def test_words(text):
    """The headline is that of the data; what does not count is named."""
    means = {}
    for label in ("txringd iothread", "txringd timer", "QEMU timer"):
        values = []
        for part in range(4):
            name = f"{label.replace(' ', '-')}-1000-{part}.json"
            with open(os.path.join(SCRATCH, "results", name), encoding="utf-8") as file:
                values.append(json.load(file)["repetitions"][0]["stages"]["wire"]["p50_ns"])
        means[label] = f"{sum(values) / 4 / 1e3:#.3g}".rstrip(".") + " µs"
    text = text.replace("\u00a0", " ")
    head = re.search("<h1>(.*?)</h1>", text).group(1)
    told = f"{means['txringd timer']} instead of {means['txringd iothread']} (txringd)"
    expect(told in head, f"the headline does not say '{told}': {head}")
    for words in ("incomplete: the back-end closed the connection", "incomplete: interrupted",
                  "failed: the generator was late: p99 31 us", "not compared: CPUs were far",
                  "host B", "Another CPU", "6.1.0-synthetic", "3 of 108 runs do not count",
                  "no difference beyond noise", "3 / 0 / 0", "--socket-path 'a socket'",
                  "&lt;&amp;", "there is no /dev/vhost-net", "bench/compare ended early",
                  *synthetic.TARGETS):
        expect(words in text, f"no word of '{words}'")


def test_bad_input(report):
    def write(name, content):
        path = os.path.join(SCRATCH, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path

    os.mkdir(os.path.join(SCRATCH, "none"))
    good = os.path.join(SCRATCH, "results", "far.json")
    bad = {
        "not JSON": ([write("a.json", "{ no")], "not JSON"),
        "a list": ([write("b.json", [])], "schema"),
        "another schema": ([write("c.json", {"schema": "txbench-9"})], "txbench-9"),
        "no load": ([write("d.json", {"schema": "txbench-1", "target": {}})], "'load'"),
        "wrong types": ([write("e.json", {"schema": "txbench-1", "target": {}, "host": {},
                                          "load": {"rate": "much"}, "complete": True,
                                          "repetitions": [{"frames": "x", "stages": []}]})],
                        "e.json"),
        "a sweep without points": ([write("f.json", {
            "schema": "txbench-sweep-1", "cells": [{"cpu_verdict": "timer"}]})], "sweep"),
        "empty directory": ([os.path.join(SCRATCH, "none")], "no result file"),
        "nothing": ([], "nothing to report"),
        "no such file": ([os.path.join(SCRATCH, "gone.json")], "No such file"),
        "option": (["--bogus"], "--bogus"),
        "binary": ([browser.program() or sys.executable], "not JSON"),
        "output": ([good, "-o", os.path.join(SCRATCH, "no", "dir.html")], "No such file"),
    }
    for name, (args, words) in bad.items():
        out = os.path.join(SCRATCH, "bad.html")
        done = run_report(report, *args, *([] if "-o" in args else ["-o", out]))
        expect(done.returncode == 1 and done.stderr.count("\n") == 1 and words in done.stderr
               and done.stderr.startswith("txbench: report: "),
               f"{name}: status {done.returncode}, says: {done.stderr.strip()}")
        expect(not os.path.exists(out), f"{name}: writes a report")


def test_verdicts(sweep):
    """bench/sweep tells a difference from noise, and compares only CPUs equally far apart."""
    loader = importlib.machinery.SourceFileLoader("sweep", sweep)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("sweep", loader))
    loader.exec_module(module)
    results = module.results

    def cells(label, cpus, distance="mid"):
        rng = synthetic.random.Random(1)
        repetitions = [synthetic.repetition(rng, label, 1000.0, 200, distance) for _ in cpus]
        for repetition, cpu in zip(repetitions, cpus):
            repetition["cpu_ns"]["backend"] = cpu * 200
        run = results.Run("x", synthetic.run(label, repetitions, rate=1000.0))
        return results.Results.cells([run])

    timer, iothread = "txringd timer", "txringd iothread"
    for cpus, verdict in (((500, 510, 505), "timer"), ((1000, 1010, 990), "noise"),
                          ((1500, 1510, 1505), "iothread"), ((500, 1800, 900), "noise")):
        told = module.compare(cells(timer, cpus), cells(iothread, (1000, 1005, 1010)))
        expect(told["cpu_verdict"] == verdict, f"CPU {cpus} against 1000: {told['cpu_verdict']}")
        expect(140e3 < told["added_p50_ns"]["mean"] < 165e3, f"added: {told['added_p50_ns']}")
    told = module.compare(cells(timer, (500, 510)), cells(iothread, (1000, 1005), "far"))
    expect(told["cpu_verdict"] is None and told["bad"], f"near and far are compared: {told}")
    told = module.compare(cells(timer, (500, 510), "mixed"), cells(iothread, (1000, 1005), "mixed"))
    expect(told["cpu_verdict"] is None and told["bad"], f"CPUs that moved are compared: {told}")
    told = module.compare(cells(timer, (500,)), cells(iothread, (1000,)))
    expect(told["cpu_verdict"] is None, f"a verdict without an interval: {told}")
    found = results.Results.cells([
        results.Run("x", synthetic.run(timer, [synthetic.repetition(
            synthetic.random.Random(1), timer, 1000.0, 200, distance)] * n, rate=1000.0))
        for distance, n in (("mixed", 3), ("mid", 2), ("far", 1))])
    told = {c.distance: c.compared for c in found}
    expect(told == {"mixed": False, "mid": True, "far": False}, f"compared are {told}")
    told = module.timer(1000000, 256)
    expect(told == "timer,delay=1000000us,burst=256", f"a delay of a second: {told}")


def test_html(report, sweep, page, text):
    for problem in wrong_in_html(text):
        expect(False, problem)
    test_words(text)
    test_bad_input(report)
    test_verdicts(sweep)
    # The checks see what is broken.
    cut = text.index("<figure", text.index("Wait against load") - 200)
    for name, broken in (
            ("a figure left out", text[:cut] + text[text.index("</figure>", cut) + 9:]),
            ("a tag not closed", text.replace("</figcaption>", "", 1)),
            ("an outside picture", text.replace("<main>", '<main><img alt="" src="x"/>')),
            ("a figure without words", re.sub("<desc.*?</desc>", "", text, count=1))):
        expect(wrong_in_html(broken), f"the check does not see {name}")


def test_browser(page, text):
    if not browser.program():
        print("skipped: needs chromium (tools/setup installs it)")
        sys.exit(77)
    variables = dict(re.findall(r"--([a-z0-9]+):(#[0-9a-f]{6})", text[:text.index("@media")]))
    colours = {label: tuple(bytes.fromhex(variables[name][1:])) for name, label in re.findall(
        r'border-left-color:var\(--([a-z0-9]+)\)">([^<]+)<', text)}
    expect(set(synthetic.TARGETS) <= set(colours), f"targets without a colour: {colours}")
    for problem in wrong_in_browser(page, SCRATCH, colours):
        expect(False, problem)
    small = text[:text.index('<div class="figures">')] + "</main></body></html>"
    for name, broken, sign in (
            ("a script error", small.replace("</main>", "<script>nope()</script></main>"),
             "console"),
            ("a blank page", small.replace("<body>", '<body style="visibility:hidden">'), "blank"),
            ("figures without colour", small, "hardly seen"),
            ("a wide page", small.replace("<main>", '<main><p style="width:500px">x</p>'), "wide")):
        path = os.path.join(SCRATCH, "broken.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(broken)
        found = wrong_in_browser(path, SCRATCH, colours, (390,))
        expect(any(sign in problem for problem in found), f"the check does not see {name}: {found}")


def main(report, sweep, *only):
    results_dir, page = os.path.join(SCRATCH, "results"), os.path.join(SCRATCH, "report.html")
    synthetic.main(results_dir)
    done = run_report(report, results_dir, "-o", page)
    if done.returncode or done.stderr:
        print(f"the report fails: {done.stderr}")
        return 1
    with open(page, encoding="utf-8") as file:
        text = file.read()
    if not only or "html" in only:
        test_html(report, sweep, page, text)
    if not only or "browser" in only:
        test_browser(page, text)
    return 1 if failures else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as SCRATCH:
        sys.exit(main(*sys.argv[1:]))
