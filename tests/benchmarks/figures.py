# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark has measured: said at once, and kept as JSON for the page."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(os.environ.get("BENCH_RESULTS") or Path(__file__).with_name("results"))
PACKAGES = ("ansible-core", "kubernetes", "psycopg2-binary")
SMALL = {"MB": 0, "1/s": 0}


@dataclass(frozen=True)
class Figure:
    """One figure, a value for each round. `reference` are those of the same rounds of what it is compared with."""

    what: str
    values: Sequence[float]
    goal: str = ""
    unit: str = "s"
    reference: Sequence[float] = ()

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        """The nearest rank."""
        return sorted(self.values)[math.ceil(0.95 * len(self.values)) - 1]

    @property
    def ratio(self) -> float | None:
        """Of the medians."""
        return self.median / statistics.median(self.reference) if self.reference else None

    @property
    def ratios(self) -> tuple[float, float]:
        """The least and the most of all rounds."""
        pairs = [one / other for one, other in zip(self.values, self.reference, strict=True)]
        return min(pairs), max(pairs)

    def told(self) -> str:
        """One line for a terminal."""
        spread = f"({number(min(self.values), self.unit)} to {number(max(self.values), self.unit)})"
        text = f"{self.what}: median {number(self.median, self.unit)} {spread}, p95 {number(self.p95, self.unit)}"
        if self.ratio is not None:
            least, most = self.ratios
            other = number(statistics.median(self.reference), self.unit)
            text += f"; {self.ratio:.2f} times the reference's {other}, round by round {least:.2f} to {most:.2f}"
        return f"{text}; {len(self.values)} rounds{f'; goal {self.goal}' if self.goal else ''}"


def number(value: float, unit: str) -> str:
    """With as many digits as mean something."""
    return f"{value:.{SMALL.get(unit, 3)}f}{f' {unit}' if unit else ''}"


@dataclass
class Figures:
    """Those of one benchmark."""

    name: str
    title: str
    found: list[Figure] = field(default_factory=list)
    loads: list[float] = field(default_factory=lambda: [os.getloadavg()[0]])

    def add(self, what: str, values: Sequence[float], goal: str = "", unit: str = "s") -> None:
        self._keep(Figure(what, tuple(values), goal, unit))

    def compare(self, what: str, ours: Sequence[float], reference: Sequence[float], goal: str = "") -> None:
        """Beside what the same rounds of the reference took."""
        self._keep(Figure(what, tuple(ours), goal, "s", tuple(reference)))

    def _keep(self, figure: Figure) -> None:
        assert figure.values, f"{figure.what}: nothing was measured"
        self.found.append(figure)
        print(figure.told(), flush=True)

    def save(self) -> None:
        """Write the file that the page is made of."""
        RESULTS.mkdir(exist_ok=True)
        content = {
            "title": self.title,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "load_average": [*self.loads, os.getloadavg()[0]],
            "figures": [asdict(figure) for figure in self.found],
        }
        (RESULTS / f"{self.name}.json").write_text(json.dumps(content, indent=1) + "\n")


def machine() -> str:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{os.cpu_count()} cores of {processor.strip()}, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, {packages}"
    )
