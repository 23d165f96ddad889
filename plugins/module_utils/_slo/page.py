# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One page that shows how far promises were kept: no script, nothing from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._slo.objectives import Objective, Point

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 640, 200, 56, 12, 28, 12
NONE = "&#8211;"
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --faint: #8a8a94; --line: #d9d9df; }
:root { --kept: #1f6fb2; --missed: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --faint: #9a9aa4; --line: #3a3a42; --kept: #6db3ee; --missed: #ff8a80; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 760px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2rem 0 0.2rem; } p { margin: 0 0 0.6rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: right; padding: 0.3rem 0.6rem; }
th:first-child, td:first-child { text-align: left; } tr { border-bottom: 1px solid var(--line); }
svg { width: 100%; height: auto; } text { font-size: 11px; fill: var(--faint); }
.axis { stroke: var(--line); } .most { stroke: var(--faint); stroke-dasharray: 4 3; }
.kept { fill: var(--kept); } .missed { fill: none; stroke: var(--missed); stroke-width: 2; }
.no { color: var(--missed); }
"""


def page(title: str, parts: Sequence[tuple[Objective, dict[str, Any], Sequence[Point]]]) -> str:
    """The page.

    Args:
        title: of the page.
        parts: each objective with its summary and what was measured.
    """
    rows = "".join(row(told) for _objective, told, _measured in parts)
    plots = "".join(section(*part) for part in parts)
    head = "".join(f"<th>{name}</th>" for name in ("", "Goal", "Kept", "Median", "95 %", "Worst", "Runs"))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n<table><tr>{head}</tr>{rows}</table>\n{plots}</body></html>\n"
    )


def row(told: dict[str, Any]) -> str:
    """One objective in the table."""
    cells = [f"≤ {number(told['most'])} {told['unit']}", share(told)]
    cells += [number(told[name]) for name in ("median", "p95", "worst")]
    cells.append(str(told["count"]))
    return f"<tr><td>{escape(told['title'])}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def share(told: dict[str, Any]) -> str:
    if told["share"] is None:
        return NONE
    text = f"{100 * told['share']:.4g} %"
    return text if told["kept"] == told["count"] else f'<span class="no">{text}</span>'


def section(objective: Objective, told: dict[str, Any], measured: Sequence[Point]) -> str:
    """One objective's plot over time."""
    if not measured:
        return f"<h2>{escape(objective.title)}</h2><p>Nothing was measured yet.</p>\n"
    missed = [each for each in measured if not each.kept][-5:]
    names = ", ".join(f"{escape(each.model)} in {escape(each.environment)} at {escape(each.at)}" for each in missed)
    kept = f"{told['kept']} of {told['count']} runs kept it."
    text = f"<p>{kept}{f' Missed last: {names}.' if missed else ''}</p>"
    return f"<h2>{escape(objective.title)}</h2>{text}\n{plot(objective, measured)}\n"


def plot(objective: Objective, measured: Sequence[Point]) -> str:
    """Values over time beside the goal; a run that failed without a value stands at the top."""
    times = [datetime.fromisoformat(each.at).timestamp() for each in measured]
    values = [each.value for each in measured if each.value is not None]
    highest = max([objective.most, *values]) * 1.05
    first, span = min(times), max(max(times) - min(times), 1.0)

    def across(moment: float) -> float:
        return round(LEFT + (moment - first) / span * (WIDTH - LEFT - RIGHT), 1)

    def down(value: float | None) -> float:
        portion = 1.0 if value is None else value / highest
        return round(HEIGHT - BOTTOM - portion * (HEIGHT - TOP - BOTTOM), 1)

    dots = "".join(
        f'<circle cx="{across(moment)}" cy="{down(each.value)}" r="3.5" class="{"kept" if each.kept else "missed"}">'
        f"<title>{escape(each.model)} in {escape(each.environment)}, {escape(each.at)}: "
        f"{'failed' if each.value is None else f'{each.value:.2f} {objective.unit}'}</title></circle>"
        for moment, each in zip(times, measured, strict=True)
    )
    base, goal = HEIGHT - BOTTOM, down(objective.most)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(objective.title)} over time">'
        f'<line class="axis" x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}"/>'
        f'<line class="most" x1="{LEFT}" y1="{goal}" x2="{WIDTH - RIGHT}" y2="{goal}"/>'
        f'<text x="{LEFT - 6}" y="{goal + 4}" text-anchor="end">{number(objective.most)} {objective.unit}</text>'
        f'<text x="{LEFT - 6}" y="{base + 4}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 8}">{escape(measured[0].at[:16])}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{escape(measured[-1].at[:16])}</text>'
        f"{dots}</svg>"
    )


def number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3g}"
