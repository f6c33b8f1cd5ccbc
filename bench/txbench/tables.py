# SPDX-License-Identifier: MIT
"""One table, three forms: text for a terminal, markdown for docs/, HTML for the report.

    table = Table("p50, us", ["load", "txringd timer"])
    table.add(["poisson 1,000", Cell("212.8", "188.5..237.1", n=9)])
    print(table.text(), table.markdown(), table.html())
"""
import html
from typing import NamedTuple, Optional


class Cell(NamedTuple):
    text: str
    around: str = ""          # its interval, in the same unit
    n: Optional[int] = None   # rounds, or pairs
    tone: str = ""            # "less", "more", "bad": for HTML

    def plain(self):
        around = f" [{self.around}]" if self.around else ""
        return self.text + around + ("" if self.n is None else f" n={self.n}")


def cell(value):
    return value if isinstance(value, Cell) else Cell("-" if value is None else str(value))


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def digits_of(value):
    """After the point, so that three count, more or less."""
    value = abs(value)
    return 0 if value >= 100 or not value else 1 if value >= 10 else 2 if value >= 1 else \
        3 if value >= 0.01 else 5


def figure(estimate, scale=1.0, digits=1, sign="", with_n=False):
    """An estimate of stats.py as a cell. digits: after the point; None: three that count."""
    if estimate is None:
        return Cell("-")
    digits = digits_of(estimate.value * scale) if digits is None else digits
    text, low, high = ("" if v is None else format(v * scale, f"{sign},.{digits}f")
                       for v in (estimate.value, estimate.low, estimate.high))
    return Cell(text, f"{low}..{high}" if low != high else "", estimate.n if with_n else None)


class Table:
    def __init__(self, title, head, note=""):
        self.title, self.head, self.note, self.rows = title, [cell(h) for h in head], note, []

    def add(self, row):
        row = [cell(c) for c in row]
        assert len(row) == len(self.head), (self.title, row)
        self.rows.append(row)

    def text(self, width=None):
        """Columns that do not fit into the width follow below, each part with the first column."""
        lines = [[c.plain() for c in row] for row in [self.head, *self.rows]]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        parts, used = [[]], widths[0]
        for i in range(1, len(widths)):
            if width and parts[-1] and used + 2 + widths[i] > width:
                parts, used = parts + [[]], widths[0]
            parts[-1].append(i)
            used += 2 + widths[i]
        blocks = ["\n".join("  ".join([line[0].ljust(widths[0])] + [
            line[i].rjust(widths[i]) for i in part]).rstrip() for line in lines) for part in parts]
        return "".join(f"{p}\n" for p in (self.title, "\n\n".join(blocks), self.note) if p)

    def markdown(self):
        """Without the title: a document has its own words."""
        lines = [[c.plain().replace("|", "\\|") for c in row] for row in [self.head, *self.rows]]
        lines.insert(1, ["---"] + ["---:"] * (len(self.head) - 1))
        out = "".join("| " + " | ".join(line) + " |\n" for line in lines)
        return out + (f"\n{self.note}\n" if self.note else "")

    def html(self):
        def td(c, tag="td"):
            tone = f' class="{html.escape(c.tone)}"' if c.tone else ""
            small = " ".join(p for p in (c.around, "" if c.n is None else f"n={c.n}") if p)
            small = f"<small>{html.escape(small)}</small>" if small else ""
            return f"<{tag}{tone}>{html.escape(c.text)}{small}</{tag}>"
        head = "".join(td(c, "th") for c in self.head)
        body = "".join("<tr>" + td(row[0], "th") + "".join(map(td, row[1:])) + "</tr>"
                       for row in self.rows)
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead>' \
               f"<tbody>{body}</tbody></table></div>{note}"
