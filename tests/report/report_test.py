#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The report of txbench, from made-up results: what it says, that it needs nothing from outside,
what bad input gives, and how it looks in chromium. Each check is also tried on a broken page.

usage: report_test.py REPORT [html|browser]      without the last: both
"""
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
import xml.etree.ElementTree as ET

try:
    import PIL.Image
    import matplotlib
    import numpy
    import scipy
except ModuleNotFoundError as error:
    print(f"skipped: needs python3 with {error.name} (tools/setup installs it)")
    sys.exit(77)

sys.dont_write_bytecode = True
sys.path.append(os.path.dirname(os.path.abspath(sys.argv[1])))
import browser
import report as subject
import results
import synthetic

TITLES = ("Wait against CPU", "How long frames wait", "Wait against load", "CPU against load",
          "What a frame costs", "States of the machine", "txringd: delay by rate", "Throughput",
          "Time line", "How long frames wait, host A: poisson 10,000/s, spinner")
failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}")


def run_program(report, *args):
    return subprocess.run([sys.executable, report, *args], capture_output=True, text=True,
                          check=False)


def run_report(report, *args):
    """The same without a process of its own, whose imports take a second and a half."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = [report, *args]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            results.run_command("report", subject.main)
    except SystemExit as end:
        status = end.code or 0
    except Exception:  # what the program would end with
        traceback.print_exc(file=err)
        status = 1
    finally:
        sys.argv = before
    return subprocess.CompletedProcess(args, status, out.getvalue(), err.getvalue())


# Texts of one figure that lie on each other by more than a sliver, as the browser sets them.
OVERLAPS = """JSON.stringify([...document.querySelectorAll('.figures svg')].flatMap(svg => {
    const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()])
        .filter(([, r]) => r.width > 0);
    return boxes.flatMap(([t, r], i) => boxes.slice(i + 1).filter(([, o]) =>
        Math.min(r.right, o.right) - Math.max(r.left, o.left) > 2 &&
        Math.min(r.bottom, o.bottom) - Math.max(r.top, o.top) > .4 * Math.min(r.height, o.height))
        .map(([o]) => [t, o]));
}))"""


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
        if not {title, f"{title}, host A"} & set(titles):
            wrong.append(f"no figure '{title}'")
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
    with PIL.Image.open(path) as image:
        pixels = numpy.asarray(image.convert("RGB")).astype(numpy.uint32)
    if pixels.shape[:2] != (size[1], size[0]):
        wrong.append(f"the picture is {pixels.shape[1]} x {pixels.shape[0]}, not {size}")
    flat = (pixels[:, :, 0] << 16 | pixels[:, :, 1] << 8 | pixels[:, :, 2]).ravel()
    counts = numpy.bincount(flat, minlength=1 << 24)
    kinds = numpy.count_nonzero(counts)
    if kinds < 100 or counts.max() > .99 * flat.size:
        wrong.append(f"nearly blank: {kinds} colours, one covers"
                     f" {100 * counts.max() / flat.size:.1f} %")
    for name, (r, g, b) in colours.items():
        seen = counts[r << 16 | g << 8 | b]
        if seen < share * flat.size:
            wrong.append(f"the colour of {name} is hardly seen: {seen} pixels")
    return wrong


def wrong_in_browser(chromium, page, scratch, colours, looks=((390, False), (390, True), (1280, False),
                                                              (1280, True))):
    """colours: (light, dark)."""
    wrong = []
    chromium.open(page)
    # Colours count in figures, not in what stands around them.
    chromium.evaluate("document.querySelectorAll('.tiles').forEach("
                      "e => e.style.visibility = 'hidden');"
                      "document.querySelectorAll('table').forEach(e => e.style.display = 'none')")
    for width, dark in looks:
        png = os.path.join(scratch, f"{width}.png")
        size = chromium.picture(png, width, dark)
        wrong += [f"{width} px: {w}" for w in wrong_in_picture(png, size, colours[dark])]
        wide = chromium.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            wrong.append(f"{width} px: the page is {wide} px wide")
    flat = chromium.evaluate("[...document.querySelectorAll('.figures svg')].filter(s =>"
                             "!s.closest('details') && s.getBoundingClientRect().height < 40)"
                             ".length")
    if flat:
        wrong.append(f"{flat} figures have no height")
    wrong += [f"'{t}' lies on '{other}'" for t, other in json.loads(chromium.evaluate(OVERLAPS))]
    wrong += [f"console: {level}: {text}" for level, text in chromium.messages]
    wrong += [f"it loads {url}" for url in chromium.requests[1:]]
    return wrong


# Tests.

def near(text, pattern, truth, share):
    """The number that pattern finds is truth, within a share."""
    found = re.search(pattern, text)
    value = found and float(re.sub(r"[^0-9.]", "", found[1]))
    expect(found and abs(value / truth - 1) < share, f"'{pattern}' is {value}, not {truth}: {text[:200]}")


def break_even(state):
    """By the truth of synthetic.py, on a straight line between logarithms as the report draws it."""
    logs = [numpy.log(synthetic.truth("txringd timer,delay=150us", rate, state)[1] /
                      synthetic.truth("txringd iothread", rate, state)[1])
            for rate in synthetic.RATES[:2]]
    return synthetic.RATES[0] * 10 ** (logs[0] / (logs[0] - logs[1]))


def test_words(text):
    """The headline is that of the data; what does not count is named."""
    text = text.replace("\u00a0", " ").replace("\u202f", "")
    head = re.search("<h1>(.*?)</h1>", text)[1]
    wait, iothread = (synthetic.truth(label, 1000.0)[0] / 1e3 for label in (
        "txringd timer,delay=150us", "txringd iothread"))
    expect(head.startswith("txringd timer,delay=150us adds "), f"the headline: {head}")
    near(head, r"adds ([\d.]+) µs at 1000 frames/s", wait - iothread, .15)
    near(head, r"Idle: saves CPU only above ([\d.]+) frames/s", break_even("idle"), .1)
    near(head, r"spinner: saves CPU only above ([\d.]+) frames/s", break_even("spinner"), .1)
    expect("neighbour: saves no CPU here, up to 10000 frames/s" in head, f"the headline: {head}")
    for words in ("incomplete: the back-end closed the connection", "incomplete: interrupted",
                  "failed: the machine was busy: the driver waited 3 %", "host B", "Another CPU",
                  "6.1.0-synthetic", "3 of 501 runs do not count", "not told apart (within ±",
                  "0 / 0 / 0", "--socket-path 'a socket'", "&lt;&amp;", "there is no /dev/vhost-net",
                  "ended early", "tried again: r01_qemu_bh", "n = 9 in 3 sessions", "mid 6, near 3",
                  "9 pairs, 3 sessions", *synthetic.TARGETS):
        expect(words in text, f"no word of '{words}'")
    for label, cpu in re.findall(r"<h3>([^<]*)</h3><b>.*?CPU ([\d.]+ .?s)<", text[:text.index("<figure")]):
        near(cpu.replace(" ms", "000"), r"([\d.]+)", synthetic.truth(label, 1000.0)[1] / 1e3, .2)


def test_few(report):
    """Files that stand alone share no round; one repetition gives no interval and no verdict."""
    rng = numpy.random.default_rng(3)
    for n, words, never in ((1, "too few pairs", "told apart"), (6, "6, not paired", "6 pairs")):
        paths = []
        for label in ("txringd iothread", "txringd timer"):
            synthetic.TARGETS.setdefault(label, synthetic.TARGETS["txringd timer,delay=150us"])
            data = synthetic.run(label, [synthetic.repetition(rng, label, 1000.0, 500)
                                         for _ in range(n)], rate=1000.0)
            synthetic.write(SCRATCH, f"{n}-{label}.json", data)
            paths.append(os.path.join(SCRATCH, f"{n}-{label}.json"))
        synthetic.TARGETS.pop("txringd timer")
        out = os.path.join(SCRATCH, "few.html")
        done = run_report(report, *paths, "-o", out)
        expect(done.returncode == 0, f"n = {n}: {done.stderr}")
        with open(out, encoding="utf-8") as file:
            text = file.read()
        expect(words in text and never not in text, f"n = {n}: '{words}' or '{never}'")
        expect("No ceiling was measured" in text, "the missing ceiling is not told")


def test_bad_input(report):
    def write(name, content):
        path = os.path.join(SCRATCH, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path

    os.mkdir(os.path.join(SCRATCH, "none"))
    good = os.path.join(SCRATCH, "results", "other-host.json")
    with open(good, encoding="utf-8") as file:
        whole = file.read()

    def changed(name, *path, value):
        data = json.loads(whole)
        where = data
        for key in path[:-1]:
            where = where[key]
        where[path[-1]] = value
        return [write(name, data)], name

    bad = {
        "not JSON": ([write("a.json", "{ no")], "not JSON"),
        "a list": ([write("b.json", [])], "schema"),
        "another schema": ([write("c.json", {"schema": "txbench-1"})], "another txbench's"),
        "no load": ([write("d.json", {"schema": "txbench-2", "target": {}})], "'load'"),
        "not a number": ([write("e.json", whole.replace("2000", "NaN", 1))], "NaN"),
        "a rate in words": changed("f.json", "load", "rate", value="much"),
        "a size of many": changed("g.json", "load", "size", value=[1]),
        "a repetition of text": changed("h.json", "repetitions", value=["x"]),
        "frames as text": changed("i.json", "repetitions", 0, "frames", value="x"),
        "stages as a list": changed("j.json", "repetitions", 0, "stages", value=[]),
        "half a bucket": changed("k.json", "repetitions", 0, "stages", "wire", "buckets", value=[[1]]),
        "a count below 0": changed("l.json", "repetitions", 0, "stages", "wire", "buckets",
                                   value=[[1, -1]]),
        "a number of 400 digits": changed("o.json", "repetitions", 0, "frames", value=10 ** 400),
        "a bucket of 400 digits": changed("p.json", "repetitions", 0, "stages", "wire", "buckets",
                                          value=[[10 ** 400, 1]]),
        "a distance below 0": changed("q.json", "repetitions", 0, "noise", "c2c_ns", value=[-3]),
        "no such state": changed("r.json", "load", "state", value="asleep"),
        "skipped without why": ([write("s.json", {"schema": "txbench-compare-2", "skipped": [["a"]]})],
                                "skipped"),
        "files of a number": ([write("m.json", {"schema": "txbench-compare-2", "files": 7})], "files"),
        "a pack without runs": ([write("n.json", {"packed": {"schema": "txbench-compare-2"}})], "runs"),
        "empty directory": ([os.path.join(SCRATCH, "none")], "no result file"),
        "nothing": ([], "nothing to report"),
        "no such file": ([os.path.join(SCRATCH, "gone.json")], "No such file"),
        "option": (["--bogus"], "--bogus"),
        "binary": ([browser.program() or sys.executable], "not JSON"),
        "output": ([good, "-o", os.path.join(SCRATCH, "no", "dir.html")], "No such file"),
    }
    for name, (args, words) in bad.items():
        out = os.path.join(SCRATCH, "bad.html")
        run = run_program if name in ("not JSON", "option") else run_report
        done = run(report, *args, *([] if "-o" in args else ["-o", out]))
        expect(done.returncode == 1 and done.stderr.count("\n") == 1 and words in done.stderr
               and done.stderr.startswith("txbench: report: "),
               f"{name}: status {done.returncode}, says: {done.stderr.strip()}")
        expect(not os.path.exists(out), f"{name}: writes a report")


def test_nothing_counts(report):
    """It says so, and why."""
    good = os.path.join(SCRATCH, "results", "other-host.json")
    with open(good, encoding="utf-8") as file:
        data = json.load(file)
    data["failed"] = "the machine was busy: it was"
    path, out = os.path.join(SCRATCH, "failed.json"), os.path.join(SCRATCH, "failed.html")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file)
    done = run_report(report, path, "-o", out)
    expect(done.returncode == 0, f"a run that does not count: {done.stderr.strip()}")
    with open(out, encoding="utf-8") as file:
        text = file.read()
    expect("No run here counts" in text and "it was" in text, "nothing counts: it says why")


def test_html(report, text):
    for problem in wrong_in_html(text):
        expect(False, problem)
    test_words(text)
    test_few(report)
    test_bad_input(report)
    test_nothing_counts(report)
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
    with browser.Browser() as chromium:
        look_at(chromium, page, text)


def look_at(chromium, page, text):
    variables = [dict(re.findall(r"--([a-z0-9]+):(#[0-9a-f]{6})", part))
                 for part in text[:text.index("html {")].split("@media")]
    named = re.findall(r'class="tile" style="border-color:var\(--([a-z0-9]+)\)"><h3>([^<]+)<', text)
    expect(set(synthetic.TARGETS) <= {label for _, label in named}, f"without a colour: {named}")
    colours = [{label: tuple(bytes.fromhex(theme[name][1:])) for name, label in named}
               for theme in variables]
    for problem in wrong_in_browser(chromium, page, SCRATCH, colours):
        expect(False, problem)
    small = text[:text.index('<div class="figures">')] + "</main></body></html>"
    for name, broken, sign in (
            ("a script error", small.replace("</main>", "<script>nope()</script></main>"),
             "console"),
            ("a blank page", small.replace("<body>", '<body style="visibility:hidden">'), "blank"),
            ("figures without colour", small, "hardly seen"),
            ("a text on another", small.replace("</main>", '<div class="figures"><svg viewBox="0 0 99 99">'
             '<text x="9" y="50">abc</text><text x="12" y="50">def</text></svg></div></main>'), "lies on"),
            ("a wide page", small.replace("<main>", '<main><p style="width:500px">x</p>'), "wide")):
        path = os.path.join(SCRATCH, "broken.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(broken)
        found = wrong_in_browser(chromium, path, SCRATCH, colours, ((390, False),))
        expect(any(sign in problem for problem in found), f"the check does not see {name}: {found}")


def main(report, *only):
    results_dir, page = os.path.join(SCRATCH, "results"), os.path.join(SCRATCH, "report.html")
    synthetic.main(results_dir)
    done = run_program(report, results_dir, "-o", page)
    if done.returncode or done.stderr:
        print(f"the report fails: {done.stderr}")
        return 1
    with open(page, encoding="utf-8") as file:
        text = file.read()
    if not only or "html" in only:
        test_html(report, text)
    if not only or "browser" in only:
        test_browser(page, text)
    return 1 if failures else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as SCRATCH:
        sys.exit(main(*sys.argv[1:]))
