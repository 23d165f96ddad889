# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of all figures that are kept, with a plot for each benchmark: docs/benchmarks.md."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import RESULTS, Figure, number

DOCS = Path(__file__).parents[2] / "docs"
WIDTH, ROW, LEFT, TEXT = 760, 34, 10, 12
INTRODUCTION = """# Benchmarks

What these jobs take, beside what people use without this collection, in the same run. `make bench` measures all of it
and writes this page; `make bench-quick` takes three rounds of the smallest sizes. A benchmark fails on a wrong result,
never on a slow one.

Machines are shared, so a second here is not a second elsewhere: the ratios are what can be compared. Each is that of
the medians, with the least and the most of all rounds behind it. p95 is the nearest rank.
"""


def main() -> None:
    (DOCS / "benchmarks").mkdir(exist_ok=True)
    found = {file.stem: json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))}
    order = sorted(found, key=lambda name: found[name]["title"])
    parts = [section(name, found[name]) for name in order]
    notes = (Path(__file__).with_name("notes.md")).read_text()
    (DOCS / "benchmarks.md").write_text("\n".join([INTRODUCTION, *parts, notes]))


def section(name: str, result: dict[str, Any]) -> str:
    """One benchmark: where and when, its figures, and their plot."""
    figures = [Figure(**each) for each in result["figures"]]
    (DOCS / "benchmarks" / f"{name}.svg").write_text(plot(result["title"], figures))
    loads = " and ".join(f"{load:.1f}" for load in result["load_average"])
    rows = "\n".join(row(figure) for figure in figures)
    return (
        f"## {result['title']}\n\n{result['at'][:10]}, {result['machine']}; load average {loads} before and after.\n\n"
        f"![{result['title']}](benchmarks/{name}.svg)\n\n"
        f"| | median | p95 | least to most | reference | ratio | goal | rounds |\n{'|---' * 8}|\n{rows}\n"
    )


def row(figure: Figure) -> str:
    """One figure in the table."""
    reference = ratio = ""
    if figure.ratio is not None:
        least, most = figure.ratios
        reference = number(statistics.median(figure.reference), figure.unit)
        ratio = f"{figure.ratio:.2f} ({least:.2f} to {most:.2f})"
    values = [number(value, figure.unit) for value in (figure.median, figure.p95)]
    spread = f"{number(min(figure.values), figure.unit)} to {number(max(figure.values), figure.unit)}"
    return f"| {' | '.join([figure.what, *values, spread, reference, ratio, figure.goal, str(len(figure.values))])} |"


def plot(title: str, figures: Sequence[Figure]) -> str:
    """Each round as a dot; the reference's above it, hollow. Each figure has a scale of its own, from 0 to its most."""
    height = 2 * ROW * len(figures) + ROW
    lines = [line(index, figure) for index, figure in enumerate(figures)]
    style = "text{font:12px sans-serif;fill:#555}.a{stroke:#bbb}.o{fill:#1f6fb2;fill-opacity:.6}"
    style += ".r{fill:none;stroke:#b3261e;stroke-opacity:.8}"
    legend = "filled: ours, hollow: the reference; each on its own scale from 0"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}"><style>{style}</style>\n'
        + "\n".join(lines)
        + f'\n<text x="{LEFT}" y="{height - 8}">{legend}</text></svg>\n'
    )


def line(index: int, figure: Figure) -> str:
    """One figure in the plot."""
    top = 2 * ROW * index
    base = top + ROW + 12
    most = max([*figure.values, *figure.reference, 1e-9])

    def dots(values: Sequence[float], kind: str, down: int) -> str:
        span = WIDTH - 2 * LEFT - 90
        places = (LEFT + span * value / most for value in values)
        return "".join(f'<circle cx="{place:.1f}" cy="{base - down}" r="4" class="{kind}"/>' for place in places)

    return (
        f'<text x="{LEFT}" y="{top + TEXT + 8}">{escape(figure.what)}</text>'
        f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - LEFT - 90}" y2="{base}" class="a"/>'
        f'<text x="{WIDTH - LEFT}" y="{base + 4}" text-anchor="end">{number(most, figure.unit)}</text>'
        + dots(figure.reference, "r", 8)
        + dots(figure.values, "o", 0)
    )


if __name__ == "__main__":
    main()
