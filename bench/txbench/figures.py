# SPDX-License-Identifier: MIT
"""The figures of the report: SVG for a page, drawn with matplotlib from cells of results.py.

Every figure is 360 points wide, so that a phone shows its text at 10 px. Colours are names of CSS
variables in the end, so that the page decides them for light, dark and print. It judges nothing.
"""
import io
import math
import re

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

# name: light, dark. The lines are of Okabe and Ito's palette and shades of it: one hue a family.
COLOURS = {
    "ink": ("#1c1c21", "#ececf1"), "soft": ("#63636b", "#a3a3ad"), "grid": ("#e4e4ea", "#33333b"),
    "band": ("#ebebef", "#2a2a31"), "paper": ("#fffffe", "#17171b"),
    "machine": ("#8c8c95", "#85858f"),
    "a0": ("#0072b2", "#3d9fdb"), "a1": ("#56b4e9", "#9bd3f5"), "a2": ("#003f63", "#6d8fd6"),
    "b0": ("#d55e00", "#ee7d26"), "b1": ("#e69f00", "#f6c245"), "b2": ("#7f3800", "#c9825a"),
    "c0": ("#009e73", "#2bbd92"), "c1": ("#74c9ae", "#a2e3cf"), "c2": ("#00543d", "#4f9a80"),
    "d0": ("#9a4878", "#cc79a7"), "d1": ("#cc79a7", "#eab4d2"), "d2": ("#5c2647", "#a8779a"),
    "e0": ("#5a5a63", "#b5b5be"), "e1": ("#9b9ba4", "#d6d6dc"), "e2": ("#2e2e35", "#8d8d96"),
    # as text, where the line's colour is too pale for it
    "t0": ("#2b7ba8", "#9bd3f6"), "t1": ("#946500", "#f6c246"), "t2": ("#2c836a", "#a2e3d0"),
    "t3": ("#a64f7d", "#eab4d3"), "t4": ("#6a6a73", "#d6d6dd"),
}
INK, SOFT, GRID, BAND, PAPER, MACHINE = (COLOURS[n][0] for n in
                                         ("ink", "soft", "grid", "band", "paper", "machine"))
DASHES = ("-", (0, (5, 2)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)))
MARKERS = ("o", "s", "^", "D")
MODES = {"iothread": 0, "bh": 0, "timer": 1, "poll": 2}
WIDTH = 5.0  # inches of 72 points

plt.rcParams.update({
    "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9.5, "axes.titlesize": 9.5,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 9.5,
    "xtick.labelsize": 9, "ytick.labelsize": 9, "text.color": INK, "axes.labelcolor": SOFT,
    "axes.edgecolor": MACHINE, "xtick.color": SOFT, "ytick.color": SOFT, "grid.color": GRID,
    "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
    "grid.linewidth": 0.7, "lines.linewidth": 1.7, "lines.markersize": 4.5,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "path.simplify_threshold": 0.3, "hatch.linewidth": 0.6,
})


class Style:
    """How one target looks in every figure."""

    def __init__(self, label, colour, dash, marker):
        self.label, self.colour, self.dash, self.marker = label, COLOURS[colour][0], dash, marker
        self.name = colour
        pale = f"t{'abcde'.index(colour[0])}" if colour[1] == "1" else colour
        self.text = COLOURS[pale][0]

    def line(self):
        return {"color": self.colour, "linestyle": self.dash}


class Name:
    """What a label says: "txringd:timer,delay=50us" is of the family txringd, in mode timer."""

    def __init__(self, label):
        words = [w for w in re.split(r"[\s,:/]+", label.replace("tx=", "")) if w]
        mode = next((w for w in words if w.lower().split("@")[0] in MODES), None)
        self.mode, self.family, self.variant = None, label, ""
        if mode:
            bare, at, backend = mode.lower().partition("@")
            self.mode = "iothread" if bare == "bh" else bare
            words.remove(mode)
            more = [w for w in words if "=" in w]
            self.family = " ".join(w for w in words if "=" not in w) + at + backend or "device"
            self.variant = " ".join([self.mode, *more])
        self.head = re.split(r"[\s,:/@]+", self.family)[0].lower()
        self.rank = (MODES.get(self.mode, 9), self.variant)


def styles_of(labels, ceilings=()):
    """A style for each label, grey for ceilings; its order is that in which they are shown."""
    names = {label: Name(label) for label in labels if label not in ceilings}
    heads = []
    first = {"txringd": 0, "qemu": 1}
    for name in sorted(names.values(), key=lambda n: first.get(n.head, 2)):
        if name.head not in heads:
            heads.append(name.head)
    used, styles = set(), {}
    for label, name in sorted(names.items(), key=lambda n: (heads.index(n[1].head), n[1].family,
                                                            n[1].rank)):
        hue = heads.index(name.head) % 4
        n = MODES.get(name.mode, 0)
        while (hue, n) in used:
            n += 1
        used.add((hue, n))
        styles[label] = Style(label, "abcde"[hue] + str(n % 3), DASHES[n % 4],
                              MARKERS[(n + n // 4) % 4])
    for n, label in enumerate(label for label in labels if label in ceilings):
        styles[label] = Style(label, f"e{n % 3}", DASHES[3 - n % 3], MARKERS[3 - n % 3])
    return styles


# Words and axes.

def three(value):
    """Three digits that matter, thousands apart."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)) + 1e-9)
    value = round(value, digits)
    digits = max(2 - math.floor(math.log10(abs(value)) + 1e-9), 0)
    return f"{value:,.{digits}f}".replace(",", "\u2009")


def time_text(ns):
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(ns) >= scale * 0.9995:
            return f"{three(ns / scale)}\u00a0{unit}"
    return f"{three(ns)}\u00a0ns"


def short_time(us):
    if us >= 1e6:
        return f"{us / 1e6:g} s"
    if us >= 1e3:
        return f"{us / 1e3:g} ms"
    return f"{us:g} µs" if us >= 1 else f"{us * 1e3:g} ns"


def short_number(value):
    for scale, unit in ((1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:g}{unit}"
    return f"{value:g}"


def log_ticks(low, high, most):
    """1, 2, 5, ... or powers of ten between these, at most so many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for subs in ((1, 2, 5), (1, 3), (1,)):
        ticks = [sub * 10.0 ** d for d in decades for sub in subs if low <= sub * 10.0 ** d <= high]
        if len(ticks) <= most:
            break
    if len(ticks) > most:
        ticks = ticks[::math.ceil(len(ticks) / most)]
    if len(ticks) > 1:
        return ticks
    return [t for t in MaxNLocator(most).tick_values(low, high) if low <= t <= high and t > 0]


def log_axis(axis, values, text, most=6, after=1.0):
    """Log scale over these values, with most ticks; after: more room at the end, as a factor."""
    values = [v for v in values if v and v > 0]
    low, high = (min(values), max(values)) if values else (1, 10)
    span = (high / low) ** .05 if high > 1.3 * low else 1.3
    low, high = low / span, high * span * after
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})
    axis.set_major_locator(FixedLocator(log_ticks(low, high, most)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda v, _: text(float(f"{v:.3g}"))))


def spread(places, gap):
    """Move numbers apart until neighbours are gap apart; keeps their order and middle."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    out = [places[i] for i in order]
    for _ in range(200):
        moved = False
        for i in range(len(out) - 1):
            lack = gap - (out[i + 1] - out[i])
            if lack > 1e-6:
                out[i] -= lack / 2
                out[i + 1] += lack / 2
                moved = True
        if not moved:
            break
    result = [0.0] * len(places)
    for i, place in zip(order, out):
        result[i] = place
    return result


def folded(label):
    """A long label, with a line of its own for its parameters."""
    head, comma, rest = label.partition(",")
    return f"{head}\n{rest.replace(',', ' ')}" if comma and len(label) > 18 else label


def width_of(labels):
    """Of the longest line, in letters."""
    return max((len(line) for label in labels for line in folded(label).split("\n")), default=10)


def lines_of(labels):
    return max((folded(label).count("\n") + 1 for label in labels), default=1)


def label_ends(ax, ends):
    """Names to the right of where lines end. ends: (x, y, text, colour)."""
    if not ends:
        return
    gap = 11 * max(text.count("\n") + 1 for _, _, text, _ in ends)
    ax.figure.canvas.draw()
    box = ax.get_window_extent()
    points = [ax.transData.transform((x, y)) for x, y, _, _ in ends]
    to_points = 72 / ax.figure.dpi
    places = spread([p[1] * to_points for p in points], gap)
    over, under = max(places) - box.y1 * to_points - 3, box.y0 * to_points + 3 - min(places)
    if over > 0:
        places = [p - over for p in places]
    elif under > 0:
        places = [p + under for p in places]
    right = box.x1 * to_points
    for (x, y, text, colour), place in zip(ends, places):
        ax.annotate(text, (x, y), xycoords="data", xytext=(right + 8, place),
                    textcoords="figure points", color=colour, va="center", fontsize=8.5,
                    annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.5, "alpha": 0.6,
                                "shrinkA": 0, "shrinkB": 3})


def svg(figure, name, title, desc):
    """The figure as an inline <svg>: names of its own, no outside reference, text as text."""
    out = io.StringIO()
    matplotlib.rcParams["svg.hashsalt"] = name
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None,
                                                "Type": None})
    plt.close(figure)
    text = out.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.S)
    box = re.search(r'viewBox="([^"]*)"', text).group(1)
    text = text[text.index(">") + 1:]
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(|href=")#', rf"\g<1>#{name}-", text)
    text = re.sub(r"(font: [^;\"]*?)'DejaVu Sans'", r"\1var(--face)", text)
    for variable, (light, _) in COLOURS.items():
        text = text.replace(light, f"var(--{variable})")
    return (f'<svg viewBox="{box}" role="img" aria-labelledby="{name}-t {name}-d">'
            f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(desc)}</desc>'
            f"{text}").rstrip()


def escape(text):
    for plain, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = str(text).replace(plain, entity)
    return text


def clipped(value):
    """An interval as what matplotlib wants beside the mean; never down to 0, for log axes."""
    if value.low is None:
        return [[0], [0]]
    return [[value.mean - max(value.low, value.mean / 50)], [value.high - value.mean]]


# The figures. Each gives a matplotlib figure; cells are in the order in which they are shown.

def answer(cells, styles, stage):
    """Wait (p50 to p99) and CPU per frame, a row for each target."""
    rows = len(cells)
    figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(WIDTH, 0.62 + 0.42 * rows),
                                         gridspec_kw={"width_ratios": (3, 2)})
    waits, costs = [], []
    for row, cell in enumerate(cells):
        style = styles[cell.label]
        p50, p99, cpu = (cell.interval(m) for m in (f"{stage}.p50_ns", f"{stage}.p99_ns",
                                                    "cpu.backend"))
        left.text(0, row - .3, cell.label, transform=left.get_yaxis_transform(), va="center",
                  fontsize=8.5, color=style.text, fontweight="bold")
        if p50 and p99:
            low, high = p50.mean / 1e3, p99.mean / 1e3
            waits += [low, high]
            left.plot([low, high], [row + .1] * 2, **style.line(), lw=2)
            for value, marker in ((p50, style.marker), (p99, "|")):
                left.errorbar(value.mean / 1e3, row + .1, color=style.colour, fmt=marker, ms=7,
                              xerr=[[e[0] / 1e3] for e in clipped(value)], capsize=2.5,
                              elinewidth=1, mew=1.6 if marker == "|" else 1)
        if cpu:
            costs.append(cpu.mean / 1e3)
            right.barh(row + .1, cpu.mean / 1e3, height=.34, color=style.colour)
            right.errorbar(cpu.mean / 1e3, row + .1, xerr=[[e[0] / 1e3] for e in clipped(cpu)],
                           color=INK, capsize=2.5, elinewidth=1, fmt="none")
            right.text(1, row - .3, time_text(cpu.mean), fontsize=8.5, color=INK, va="center",
                       ha="right", transform=right.get_yaxis_transform())
    log_axis(left.xaxis, waits, short_time, 5)
    left.set(title="wait: p50 ●—| p99", ylim=(rows - .45, -.6))
    right.set(title="CPU per frame")
    if costs and max(costs) > 20 * min(costs):
        log_axis(right.xaxis, [min(costs) / 2, *costs], short_time, 3)
    else:
        right.xaxis.set_major_locator(MaxNLocator(3))
        right.xaxis.set_major_formatter(FuncFormatter(lambda v, _: short_time(v) if v else "0"))
    for ax in (left, right):
        ax.spines["left"].set_visible(False)
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0, labelleft=False)
    figure.subplots_adjust(left=.03, right=.97, top=1 - .24 / figure.get_figheight(),
                           bottom=.3 / figure.get_figheight(), wspace=.08)
    return figure


def nines(share):
    return -math.log10(max(1 - share, 1e-9))


def cdf(cells, styles, stage, machine):
    """Percentiles against latency. machine: (share, low, mean, high) in ns of a bare wake-up."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.7))
    top, xs, curves = 3.0, [], []
    for cell in cells:
        pooled = cell.histogram(stage)
        if not pooled.n:
            continue
        curve = [(value / 1e3, min(nines(share), nines(1 - 1 / pooled.n)))
                 for value, share in pooled.curve()]
        curve.insert(0, (curve[0][0], 0.0))
        xs += [curve[0][0], curve[-1][0]]
        top = max(top, min(curve[-1][1], 5))
        style = styles[cell.label]
        ax.plot(*zip(*curve), **style.line(), drawstyle="steps-pre")
        curves.append((style, curve))
    if machine:
        lows, means, highs = zip(*[[v / 1e3 for v in point[1:]] for point in machine])
        ys = [nines(point[0]) for point in machine]
        ax.axvspan(means[0], means[1], color=BAND, zorder=0, lw=0)
        ax.plot(means, ys, color=MACHINE, lw=3.5, solid_capstyle="round", zorder=1)
        ax.fill_betweenx(ys, lows, highs, color=MACHINE, alpha=.3, lw=0)
        ax.annotate("bare wake-up", (means[-1], ys[-1]), textcoords="offset points", xytext=(0, 5),
                    ha="center", fontsize=8.5, color=SOFT)
        xs += [means[0], means[-1]]
    marks = [(0, "min"), (.5, "50 %"), (.9, "90 %"), (.99, "99 %"), (.999, "99.9 %"),
             (.9999, "99.99 %"), (.99999, "99.999 %")]
    ax.yaxis.set_major_locator(FixedLocator([nines(m) for m, _ in marks]))
    ax.set_yticks([nines(m) for m, _ in marks], [text for _, text in marks])
    ax.set(ylim=(0, top + .25), xlabel="latency", ylabel="share of frames that are faster")
    figure.subplots_adjust(left=.175, right=.97, top=.97, bottom=.13)
    name_curves(ax, curves, xs)
    return figure


def name_curves(ax, curves, xs):
    """Names with their lines, the fastest first, where no curve comes: low and right."""
    curves = sorted(curves, key=lambda c: next(x for x, y in c[1] if y >= nines(.5)))
    height = ax.figure.get_figheight() * 72 * ax.get_position().height
    width = ax.figure.get_figwidth() * 72 * ax.get_position().width
    names = [style.label for style, _ in curves]
    step = (2 + 11 * lines_of(names)) / height
    needed = (width_of(names) * 5.6 + 34) / width
    top = ax.get_ylim()[1] * (step * (len(curves) + .7))
    passed = max((x for _, curve in curves for x, y in curve if y <= top), default=1)
    low, high = min(xs), max(xs)
    # passed shall be at most at 1 - needed of the axis, unless curves would get too narrow
    after = math.exp(math.log(passed / low) / max(1 - needed, .3)) * low / high
    log_axis(ax.xaxis, xs, short_time, 6, min(max(after, 1.0), 30.0))
    for i, (style, _) in enumerate(reversed(curves)):
        y = step * (i + .8)
        ax.plot([1.02 - needed, 1.02 - needed + 22 / width], [y, y], transform=ax.transAxes,
                **style.line())
        ax.text(1.02 - needed + 27 / width, y, folded(style.label), transform=ax.transAxes,
                va="center", fontsize=8.5, color=style.text, fontweight="bold")


def against_load(cells, bad, styles, panels):
    """Metrics against the rate. panels: (title, metric, scale, text of the axis)."""
    figure, axes = plt.subplots(len(panels), 1, sharex=True, squeeze=False,
                                figsize=(WIDTH, .5 + 1.95 * len(panels)))
    rates = [c.setup.rate for c in cells + bad]
    labels = list(dict.fromkeys(c.label for c in cells))
    widest = width_of(labels)
    figure.subplots_adjust(left=.145, right=min(.95 - widest * .0165, .8), hspace=.2,
                           top=1 - .26 / figure.get_figheight(),
                           bottom=.46 / figure.get_figheight())
    for (title, metric, scale, text), ax in zip(panels, axes[:, 0]):
        values, ends = [], []
        ax.set(title=title)
        log_axis(ax.xaxis, rates, short_number, 4 if widest > 18 else 6)
        for label in labels:
            own = sorted((c for c in cells if c.label == label), key=lambda c: c.setup.rate)
            points = [(c.setup.rate, c.interval(metric)) for c in own]
            points = [(rate, value) for rate, value in points if value]
            if not points:
                continue
            style = styles[label]
            ys = [value.mean * scale for _, value in points]
            errors = [[e[0] * scale for e in side]
                      for side in zip(*(clipped(v) for _, v in points))]
            ax.errorbar([rate for rate, _ in points], ys, yerr=errors, **style.line(), capsize=2.5,
                        marker=style.marker, elinewidth=1)
            values += ys
            ends.append((points[-1][0], ys[-1], folded(label), style.text))
        for cell in bad:
            value = cell.interval(metric)
            if value:
                ax.plot(cell.setup.rate, value.mean * scale, "x", color=styles[cell.label].colour,
                        ms=7, mew=1.8)
                values.append(value.mean * scale)
        positive = values and min(values) > 0
        if positive and max(values) > 8 * min(values):
            log_axis(ax.yaxis, values, text)
        else:
            ax.set_ylim(0, max(values, default=1) * 1.1 or 1)
            ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _, t=text: t(v) if v else "0"))
        label_ends(ax, ends)
    axes[-1, 0].set_xlabel("load, frames/s")
    return figure


def bars(cells, styles, metric, scale, unit):
    figure, ax = plt.subplots(figsize=(WIDTH, .45 + .4 * len(cells)))
    high = 0
    for row, cell in enumerate(cells):
        value = cell.interval(metric)
        style = styles[cell.label]
        ax.text(0, row - .3, cell.label, transform=ax.get_yaxis_transform(), va="center",
                fontsize=8.5, color=style.text, fontweight="bold")
        if not value:
            continue
        ax.barh(row + .12, value.mean * scale, height=.34, color=style.colour)
        ax.errorbar(value.mean * scale, row + .12, color=INK, capsize=2.5, elinewidth=1, fmt="none",
                    xerr=[[e[0] * scale] for e in clipped(value)])
        high = max(high, (value.high or value.mean) * scale)
        ax.text(1, row - .3, f"{three(value.mean * scale)} {unit}", va="center", ha="right",
                fontsize=8.5, transform=ax.get_yaxis_transform())
    ax.set(ylim=(len(cells) - .45, -.6), xlim=(0, high * 1.03 or 1), xlabel=unit)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0, labelleft=False)
    figure.subplots_adjust(left=.03, right=.97, top=.99, bottom=.46 / figure.get_figheight())
    return figure


def merged(bins, k):
    """k bins of a time line as one."""
    out = []
    for i in range(0, len(bins), k):
        part = [b for b in bins[i:i + k] if b[0]]
        frames = sum(b[0] for b in part)
        out.append((frames, sum(b[0] * b[1] for b in part) / frames if frames else math.nan,
                    max(b[2] for b in part) if part else math.nan))
    return out


def timelines(cells, styles):
    """p50 and max of each bin, frames of each bin; all repetitions one after the other."""
    cells = [c for c in cells if any(r.get("timeline") for r in c.repetitions)]
    if not cells:
        return None
    figure = plt.figure(figsize=(WIDTH, .75 + 1.25 * len(cells)))
    outer = figure.add_gridspec(len(cells), 1, hspace=.42, left=.13, right=.97,
                                top=1 - .2 / figure.get_figheight(),
                                bottom=.46 / figure.get_figheight())
    axes, first = [], None
    for row in range(len(cells)):
        inner = outer[row].subgridspec(2, 1, height_ratios=(4, 1), hspace=.16)
        first = first or figure.add_subplot(inner[0])
        upper = first if row == 0 else figure.add_subplot(inner[0], sharex=first)
        lower = figure.add_subplot(inner[1], sharex=first)
        upper.tick_params(axis="x", length=0, labelbottom=False)
        upper.spines["bottom"].set_visible(False)
        lower.tick_params(axis="x", labelbottom=row == len(cells) - 1)
        axes.append((upper, lower))
    everything = []
    for cell, (upper, lower) in zip(cells, axes):
        style, start = styles[cell.label], 0.0
        for r in cell.repetitions:
            line = r.get("timeline")
            if not line or not line.get("frames"):
                continue
            bins = list(zip(line["frames"], line["p50_ns"], line["max_ns"]))
            bins = [(b[0] or 0, b[1] or 0, b[2] or 0) for b in bins]
            k = max(1, math.ceil(len(bins) * len(cell.repetitions) / 500))
            bins, width = merged(bins, k), line["bin_ns"] * k / 1e9
            at = [start + width * (i + .5) for i in range(len(bins))]
            p50, most = ([b[i] / 1e3 for b in bins] for i in (1, 2))
            upper.plot(at, most, ".", color=style.colour, ms=2.2, alpha=.55)
            upper.plot(at, p50, color=style.colour, lw=1.3)
            lower.fill_between(at, [b[0] / width for b in bins], color=MACHINE, lw=0, step="mid")
            everything += [v for v in p50 + most if v == v and v > 0]
            start = at[-1] + width / 2
            for ax in (upper, lower):
                ax.axvline(start, color=PAPER, lw=2.5)
                ax.axvline(start, color=GRID, lw=.8)
        upper.set_title(cell.label, color=style.text, pad=2, fontsize=8.5)
        lower.set_ylim(0)
        lower.yaxis.set_major_locator(MaxNLocator(1))
        lower.yaxis.set_major_formatter(FuncFormatter(lambda v, _: short_number(v)))
        lower.tick_params(labelsize=7.5)
        lower.grid(visible=False)
    for upper, _ in axes:
        log_axis(upper.yaxis, everything, short_time, 4)
        upper.tick_params(labelsize=8, axis="y")
    lower.set_xlabel("seconds of load, repetitions one after the other")
    return figure


def stages(cells, styles, names):
    """Each stage of each target: a bar from p50 to p99."""
    shown = [(cell, [s for s in names if cell.interval(f"{s}.p50_ns")]) for cell in cells]
    shown = [(cell, own) for cell, own in shown if own]
    if not shown:
        return None
    rows = sum(len(own) + 1.25 for _, own in shown)
    figure, ax = plt.subplots(figsize=(WIDTH, .45 + .165 * rows))
    y, values, ticks = 0.0, [], []
    for cell, own in shown:
        style = styles[cell.label]
        ax.text(0, y, cell.label, color=style.text, fontsize=8.5, fontweight="bold",
                va="center", transform=ax.get_yaxis_transform())
        for stage in own:
            y += 1
            p50, p99 = (cell.interval(f"{stage}.{q}_ns") for q in ("p50", "p99"))
            p50, p99 = p50.mean / 1e3, (p99 or p50).mean / 1e3
            ax.plot([p50, p99], [y, y], color=style.colour, lw=3, solid_capstyle="butt", alpha=.45)
            ax.plot(p50, y, style.marker, color=style.colour, ms=5)
            ax.annotate(time_text(p50 * 1e3), (p99, y), textcoords="offset points", xytext=(5, 0),
                        va="center", fontsize=8, color=SOFT)
            values += [p50, p99]
            ticks.append((y, stage))
        y += 1.25
    log_axis(ax.xaxis, values, short_time, 6, (max(values) / max(min(values), 1e-3)) ** .17)
    ax.set(ylim=(y - .5, -.9), xlabel="since the frame was due")
    ax.set_yticks([t for t, _ in ticks], [name for _, name in ticks], fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", visible=False)
    figure.subplots_adjust(left=.165, right=.97, top=.995, bottom=.46 / figure.get_figheight())
    return figure


# Low ratios (timer is cheaper) blue, high ones orange: told apart by colour-blind eyes too.
RATIO_MAP = LinearSegmentedColormap.from_list(
    "ratio", ["#2a7fb8", "#9ecae6", "#f4f4f4", "#f9c58d", "#d9761a"])


def sweep(cells, ring):
    """CPU ratio timer : iothread by rate and delay, a panel for each burst; added p50/p99."""
    cells = [c for c in cells if c["ring_size"] == ring]
    bursts, rates, delays = (sorted({c[k] for c in cells}) for k in ("burst", "rate", "delay_us"))
    figure, axes = plt.subplots(len(bursts), 1, squeeze=False, sharex=True,
                                figsize=(WIDTH, .5 + len(bursts) * (.3 + .42 * len(delays))))
    for burst, ax in zip(bursts, axes[:, 0]):
        ax.set(title=f"burst {burst}", xlim=(-.5, len(rates) - .5), ylim=(-.5, len(delays) - .5))
        ax.grid(visible=False)
        ax.set_yticks(range(len(delays)), [short_time(d) for d in delays])
        ax.set_xticks(range(len(rates)), [f"{short_number(r)}/s" for r in rates])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        for c in (c for c in cells if c["burst"] == burst):
            x, y = rates.index(c["rate"]), delays.index(c["delay_us"])
            ratio = c.get("cpu_ratio")
            sure = c.get("cpu_verdict") in ("timer", "iothread")
            place = (ratio and math.log(ratio["mean"]) / math.log(4) + .5 if sure else .5)
            face = to_hex(RATIO_MAP(min(max(place, 0), 1))) if ratio else "none"
            ax.add_patch(plt.Rectangle((x - .48, y - .46), .96, .92, facecolor=face, lw=.8,
                                       edgecolor="#b9b9c0", hatch=None if sure else "////"))
            words = "no figure"
            if ratio:
                words = f"{ratio['mean']:.2f}" if sure else f"≈ ({ratio['mean']:.2f})"
            ax.text(x, y + .17, words, ha="center", va="center", fontsize=9, color="#111114",
                    fontweight="bold" if sure else "normal",
                    bbox=None if sure else {"facecolor": "#f4f4f4", "edgecolor": "none", "pad": 1})
            if c.get("added_p50_ns"):
                added = [c[k]["mean"] for k in ("added_p50_ns", "added_p99_ns") if c.get(k)]
                added = "/".join(f"{ns / 1e3:+.0f}" for ns in added)
                ax.text(x, y - .22, f"{added} µs", ha="center", va="center", fontsize=8,
                        color="#111114",
                        bbox=None if sure else {"facecolor": "#f4f4f4", "edgecolor": "none",
                                                "pad": 1})
        ax.set_ylabel("delay")
    axes[-1, 0].set_xlabel("load, frames/s")
    figure.subplots_adjust(left=.145, right=.98, top=1 - .26 / figure.get_figheight(), hspace=.28,
                           bottom=.46 / figure.get_figheight())
    return figure
