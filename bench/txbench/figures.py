# SPDX-License-Identifier: MIT
"""The figures of the report: SVG for a page, drawn with matplotlib from cells of results.py.

Every figure is 360 points wide, so that a phone shows its text at 10 px. In the end colours are names
of CSS variables, so that the page decides them for light, dark and print. It judges nothing.
"""
import io
import math
import re

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

import stats
from results import Name

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
INK, SOFT, GRID, PAPER, MACHINE = (COLOURS[n][0] for n in
                                   ("ink", "soft", "grid", "paper", "machine"))
DASHES = ("-", (0, (5, 2)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)))
MARKERS = ("o", "s", "^", "D")
ROLES = {"iothread": 0, "timer": 1, "poll": 2}
POINTS = 72  # an inch
WIDTH = 5.0 * POINTS

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
    """How one back-end looks in every figure."""

    def __init__(self, label, colour, n):
        self.label, self.name, self.colour = label, colour, COLOURS[colour][0]
        self.dash, self.marker = DASHES[n % 4], MARKERS[(n + n // 4) % 4]
        pale = f"t{'abcde'.index(colour[0])}" if colour[1] == "1" else colour
        self.text = COLOURS[pale][0]

    def line(self):
        return {"color": self.colour, "linestyle": self.dash}


def styles_of(labels):
    """A style for each label, in the order in which they are shown: a hue for each kind, grey last."""
    def kind(label):
        return label.split()[0].partition("@")[0]

    first = {"txringd": 0, "qemu": 1, "ceiling": 9}
    kinds = sorted(dict.fromkeys(map(kind, labels)), key=lambda k: first.get(k, 2))
    names = sorted(map(Name, labels), key=lambda n: (
        kinds.index(kind(n.label)), n.family, ROLES.get(n.role, 9), n.delay_ns or 0, n.label))
    used, styles = set(), {}
    for name in names:
        at = kinds.index(kind(name.label))
        hue = "e" if kind(name.label) == "ceiling" else "abcd"[at % 4]
        n = ROLES.get(name.role, 0)
        while (hue, n) in used:
            n += 1
        used.add((hue, n))
        styles[name.label] = Style(name.label, f"{hue}{n % 3}", n)
    return styles


# Words and axes.

def three(value):
    """Three digits that matter, thousands apart."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)) + 1e-9)
    value = round(value, digits)
    digits = max(2 - math.floor(math.log10(abs(value)) + 1e-9), 0)
    return f"{value:,.{digits}f}".replace(",", "\u202f")


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


# The figures. Each gives a matplotlib figure, or None: nothing to draw. Cells are in the order shown.

def sheet(rows, row_points, keys=(), left=50, bottom=34, gap=.25, title=True, **more):
    """A figure of so many panels above each other, and below them a key of the styles."""
    top, key = 18 if title else 6, 14 * math.ceil(len(keys) / 2) + (2 if keys else 0)
    height = top + bottom + key + rows * row_points
    figure, axes = plt.subplots(rows, more.pop("columns", 1), squeeze=False,
                                figsize=(WIDTH / POINTS, height / POINTS), **more)
    figure.subplots_adjust(left=left / WIDTH, right=1 - 10 / WIDTH, top=1 - top / height,
                           bottom=(bottom + key) / height, hspace=gap, wspace=.1)
    if keys:
        lines = [Line2D([], [], **s.line(), marker=s.marker) for s in keys]
        made = figure.legend(lines, [s.label for s in keys], ncols=2, loc="lower left", frameon=False,
                             fontsize=8.5, handlelength=3, borderaxespad=0, columnspacing=1,
                             labelspacing=.35, bbox_to_anchor=(8 / WIDTH, 1 / height))
        for text, style in zip(made.get_texts(), keys):
            text.set_color(style.text)
    return figure, axes


def around(value, scale):
    """An interval as what matplotlib wants beside the value; never down to 0, for log axes."""
    if value.low is None:
        return [[0], [0]]
    return [[(value.value - max(value.low, value.value / 50)) * scale],
            [max(value.high - value.value, 0) * scale]]


def reach(values, scale):
    """What an axis must show: the values, and their intervals as far as those are not absurd."""
    ends = [v.value * scale for v in values]
    low, high = min(ends, default=1) / 3, max(ends, default=1) * 3
    return ends + [min(max(end * scale, low), high) for v in values for end in (v.low, v.high)
                   if end and end > 0]


def pareto(cells, styles, stage):
    """p50 and p99 against the whole CPU of a frame: best is low and left."""
    points = [(c, c.level("cpu.total"), c.level(f"{stage}.p50"), c.level(f"{stage}.p99"))
              for c in cells]
    points = [p for p in points if p[1] and p[2]]
    if not points:
        return None
    figure, axes = sheet(1, 250, [styles[p[0].label] for p in points])
    ax, ys = axes[0, 0], []
    for c, cost, p50, p99 in points:
        style, x = styles[c.label], cost.value / 1e3
        for value, face in ((p50, style.colour), (p99, PAPER)):
            if value:
                bars = ax.errorbar(x, value.value / 1e3, yerr=around(value, 1e-3), fmt=style.marker,
                                   xerr=around(cost, 1e-3), color=style.colour, ms=7, mfc=face,
                                   mew=1.4, elinewidth=2.2, zorder=3)
                for line in bars[2]:
                    line.set_alpha(.35)
                ys.append(value)
    front, best = [], math.inf
    for cost, wait in sorted((p[1].value / 1e3, p[2].value / 1e3) for p in points):
        if wait < best:
            front, best = [*front, (cost, wait)], wait
    ax.step(*zip(*front), where="post", color=MACHINE, lw=4, alpha=.3, zorder=1)
    log_axis(ax.xaxis, [p[1].value / 1e3 for p in points], short_time)
    log_axis(ax.yaxis, reach(ys, 1e-3), short_time)
    ax.set(title="filled: p50, hollow: p99; bars: 95 %", xlabel="CPU of a frame: back-end + interrupts + kick",
           ylabel="wait")
    return figure


def nines(share):
    return -math.log10(max(1 - share, 1e-9))


def cdf(cells, styles, stage):
    """Percentiles against latency; grey: a bare wake-up on this machine."""
    hists = [(styles[c.label], c.histogram(stage)) for c in cells]
    hists = [(style, hist) for style, hist in hists if hist.n]
    if not hists:
        return None
    figure, axes = sheet(1, 240, [style for style, _ in hists], left=62, title=False)
    ax, xs, top = axes[0, 0], [], 3.0
    for style, hist in hists:
        seen = hist.counts.cumsum() / hist.n
        last = nines(1 - 1 / hist.n)
        ys = [0.0] + [min(nines(s), last) for s in seen]
        curve = [hist.values[0] / 1e3, *(hist.values / 1e3)]
        ax.plot(curve, ys, **style.line(), drawstyle="steps-pre")
        xs += [curve[0], curve[-1]]
        top = max(top, min(last, 5))
    bare = stats.pooled([c.histogram("wake_up") for c in cells])
    if bare.n:
        shares = [s for s in (.5, .9, .99, .999) if bare.quantile(s) is not None]
        curve = [bare.quantile(s) / 1e3 for s in shares]
        ax.plot(curve, list(map(nines, shares)), color=MACHINE, lw=4, alpha=.6,
                solid_capstyle="round", zorder=1)
        xs += curve
    marks = [(0, "min"), (.5, "50 %"), (.9, "90 %"), (.99, "99 %"), (.999, "99.9 %"),
             (.9999, "99.99 %"), (.99999, "99.999 %")]
    ax.set_yticks([nines(m) for m, _ in marks], [text for _, text in marks])
    ax.set(ylim=(0, top + .25), xlabel="wait; that of a bare wake-up in grey")
    log_axis(ax.xaxis, xs, short_time)
    return figure


def against_load(cells, styles, panels):
    """Metrics against the rate. panels: (title, metric, text of the axis, scale)."""
    labels = list(dict.fromkeys(c.label for c in cells))
    figure, axes = sheet(len(panels), 130, [styles[label] for label in labels], sharex=True)
    for (title, metric, text, scale), ax in zip(panels, axes[:, 0]):
        values = []
        for label in labels:
            points = [(c.setup.rate, v) for c in cells if c.label == label and (v := c.level(metric))]
            if not points:
                continue
            errors = [[a[0] for a in side] for side in zip(*(around(v, scale) for _, v in points))]
            style = styles[label]
            ys = [v.value * scale for _, v in points]
            ax.errorbar([rate for rate, _ in points], ys, yerr=errors, **style.line(), capsize=2.5,
                        marker=style.marker, elinewidth=1)
            values += [v for _, v in points]
        log_axis(ax.xaxis, [c.setup.rate for c in cells], short_number)
        log_axis(ax.yaxis, reach(values, scale), text, 5)
        ax.set(title=title)
    axes[-1, 0].set_xlabel("load, frames/s")
    return figure


PARTS = (("back-end", "cpu.backend", 1.0), ("interrupts", "cpu.interrupts", .55),
         ("kick", "cpu.kick", .25))


def rows(groups, styles, stage=None):
    """
    groups: (label, [(what, cell)...]). A row for each cell: what a frame costs, in its parts; and with a
    stage, how long it waits, p50 to p99.
    """
    groups = [(label, [(what, c) for what, c in own if c.level("cpu.total")]) for label, own in groups]
    groups = [(label, own) for label, own in groups if own]
    if not groups:
        return None
    lines = sum(len(own) + 1.1 for _, own in groups)
    figure, axes = sheet(1, 12.5 * lines, left=62, bottom=22, columns=2 if stage else 1, sharey=True)
    left, right = (axes[0, 0], axes[0, -1]) if stage else (None, axes[0, 0])
    found = [c.level("cpu.total").value / 1e3 for _, own in groups for _, c in own]
    most = max(v for v in found if v <= 8 * stats.median(found))  # longer bars are cut there
    y, waits, ticks = 0.0, [], []
    for label, own in groups:
        style = styles[label]
        axes[0, 0].text(-.13 if stage else -.06, y, label, color=style.text, fontsize=8.5,
                        fontweight="bold", va="center", transform=axes[0, 0].get_yaxis_transform())
        for what, c in own:
            y += 1
            ticks.append((y, what))
            cost, at = c.level("cpu.total"), 0.0
            for _, metric, alpha in PARTS:
                part = c.level(metric)
                if part:
                    right.barh(y, min(part.value / 1e3, most - at), left=at, height=.7, alpha=alpha,
                               color=style.colour, lw=0)
                    at = min(at + part.value / 1e3, most)
            if cost.value / 1e3 <= most:
                right.errorbar(cost.value / 1e3, y, xerr=around(cost, 1e-3), color=INK, capsize=2,
                               elinewidth=.8, fmt="none")
                at = (cost.high or cost.value) / 1e3
            cut = "» " if cost.value / 1e3 > most else ""
            right.annotate(cut + time_text(cost.value), (at, y), textcoords="offset points",
                           xytext=(5, 0), va="center", fontsize=8)
            p50, p99 = (stage and c.level(f"{stage}.{q}") for q in ("p50", "p99"))
            if p50:
                spots = [v.value / 1e3 for v in (p50, p99) if v]
                left.plot(spots, [y] * len(spots), color=style.colour, lw=2.5, alpha=.45)
                left.plot(spots[0], y, style.marker, color=style.colour, ms=5)
                left.plot(spots[-1], y, "|", color=style.colour, ms=7, mew=1.6)
                waits += spots
        y += 1.1
    if stage:
        log_axis(left.xaxis, waits, short_time, 4)
        left.set_title("wait: p50 to p99")
    right.set(xlim=(0, most * (1.6 if stage else 1.3)), title="CPU of a frame: " + ", ".join(name for name, _, _ in PARTS)
              if not stage else "CPU of a frame")
    right.xaxis.set_major_locator(MaxNLocator(3))
    right.xaxis.set_major_formatter(FuncFormatter(lambda v, _: short_time(v) if v else "0"))
    axes[0, 0].set_yticks([t for t, _ in ticks], [name for _, name in ticks], fontsize=8)
    axes[0, 0].set_ylim(y - .5, -.7)
    for ax in axes[0]:
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="y", visible=False)
    return figure


def bars(cells, styles, metric, scale, unit):
    figure, axes = sheet(1, 27 * len(cells), left=12, title=False)
    ax, high = axes[0, 0], 0
    for row, cell in enumerate(cells):
        value, style = cell.level(metric), styles[cell.label]
        ax.text(0, row - .3, cell.label, transform=ax.get_yaxis_transform(), va="center",
                fontsize=8.5, color=style.text, fontweight="bold")
        if not value:
            continue
        ax.barh(row + .12, value.value * scale, height=.34, color=style.colour)
        ax.errorbar(value.value * scale, row + .12, color=INK, capsize=2.5, elinewidth=1, fmt="none",
                    xerr=around(value, scale))
        high = max(high, (value.high or value.value) * scale)
        ax.text(1, row - .3, f"{three(value.value * scale)} {unit}", va="center", ha="right",
                fontsize=8.5, transform=ax.get_yaxis_transform())
    ax.set(ylim=(len(cells) - .45, -.6), xlim=(0, high * 1.03 or 1), xlabel=unit)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0, labelleft=False)
    return figure


def merged(line, k):
    """k bins of a time line as one: (frames, p50, max) each."""
    bins = [[v or 0 for v in b] for b in zip(line["frames"], line["p50_ns"], line["max_ns"])]
    for i in range(0, len(bins), k):
        part = [b for b in bins[i:i + k] if b[0]]
        frames = sum(b[0] for b in part)
        yield (frames, sum(b[0] * b[1] for b in part) / frames if frames else math.nan,
               max((b[2] for b in part), default=math.nan))


def timelines(cells, styles):
    """p50 and longest wait of each bin, all repetitions one after the other."""
    lines = [(styles[c.label], [t for u in c.units if (t := u.repetition.get("timeline")) and
                                t.get("frames") and t.get("bin_ns")]) for c in cells]
    lines = [(style, own) for style, own in lines if own]
    if not lines:
        return None
    figure, axes = sheet(len(lines), 50, gap=.5, sharex=True, sharey=True)
    everything = []
    for (style, own), ax in zip(lines, axes[:, 0]):
        start = 0.0
        k = max(1, math.ceil(sum(len(line["frames"]) for line in own) / 400))
        for line in own:
            bins, width = list(merged(line, k)), line["bin_ns"] * k / 1e9
            at = [start + width * (i + .5) for i in range(len(bins))]
            p50, most = ([b[i] / 1e3 for b in bins] for i in (1, 2))
            ax.plot(at, most, ".", color=style.colour, ms=2.2, alpha=.55)
            ax.plot(at, p50, color=style.colour, lw=1.3)
            everything += [v for v in p50 + most if v > 0]
            start = at[-1] + width / 2
            ax.axvline(start, color=GRID, lw=1.2)
        ax.set_title(style.label, color=style.text, pad=2, fontsize=8.5)
    for ax in axes[:, 0]:
        log_axis(ax.yaxis, everything, short_time, 3)
        ax.tick_params(labelsize=8, axis="y")
    axes[-1, 0].set(xlabel="seconds of load, repetitions one after the other", xlim=(0, None))
    return figure


# Low ratios (timer is cheaper) blue, high ones orange: told apart by colour-blind eyes too.
RATIO_MAP = LinearSegmentedColormap.from_list(
    "ratio", ["#2a7fb8", "#9ecae6", "#f4f4f4", "#f9c58d", "#d9761a"])


def heat(points):
    """points: (rate, delay in us, cost ratio, whether it is told apart from 1, added p50, p99 in us)."""
    rates, delays = (sorted({p[i] for p in points}) for i in (0, 1))
    figure, axes = sheet(1, 31 * len(delays), title=False)
    ax = axes[0, 0]
    ax.set(xlim=(-.5, len(rates) - .5), ylim=(-.5, len(delays) - .5), xlabel="load, frames/s",
           ylabel="delay")
    ax.grid(visible=False)
    ax.set_yticks(range(len(delays)), [short_time(d) for d in delays])
    ax.set_xticks(range(len(rates)), [short_number(r) for r in rates])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for rate, delay, ratio, sure, *added in points:
        x, y = rates.index(rate), delays.index(delay)
        place = math.log(ratio) / math.log(4) + .5 if sure else .5
        ax.add_patch(plt.Rectangle((x - .48, y - .46), .96, .92, lw=.8, edgecolor="#b9b9c0",
                                   facecolor=to_hex(RATIO_MAP(min(max(place, 0), 1)))))
        ax.text(x, y + .17, f"{ratio:.2f}" if sure else f"≈ ({ratio:.2f})", ha="center", va="center",
                fontsize=9, color="#111114", fontweight="bold" if sure else "normal")
        added = "/".join(f"{us:+.0f}" for us in added if us is not None)
        ax.text(x, y - .22, f"{added} µs", ha="center", va="center", fontsize=8, color="#111114")
    return figure
