# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a server's /metrics."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Metrics
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.probing import read_metrics
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.vllm_server.engine import Engine
from tests.lab.vllm_server.faults import FAULTS, HEALTHY
from tests.lab.vllm_server.metrics import render_metrics

LABELS = 'engine="0",model_name="m"'
TOKENS, PROMPTS = "vllm:generation_tokens_total", "vllm:prompt_tokens_total"
RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"
START, SLEEP = "process_start_time_seconds", "vllm:engine_sleep_state"


def engine(fault: str = "", generated: int = 0, prompted: int = 0) -> Engine:
    made = Engine(FAULTS[fault] if fault else HEALTHY, 0)
    made.generated, made.prompted, made.started_at = generated, prompted, 1000.5
    return made


def test_a_server_that_has_done_nothing() -> None:
    assert read_metrics(render_metrics(engine(), "m")) == Metrics(0.0, 0.0, 0.0, False, 1000.5)


def test_tokens_are_those_read_and_those_written() -> None:
    assert read_metrics(render_metrics(engine(generated=40, prompted=2), "org/m")).tokens == 42.0


def test_requests_that_run() -> None:
    made = engine()
    made.running = 3
    assert read_metrics(render_metrics(made, "m")).running == 3.0


@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if fault.sleep_state != "awake"])
def test_a_server_that_sleeps(fault: str) -> None:
    assert read_metrics(render_metrics(engine(fault), "m")).asleep


def test_some_fault_makes_the_server_sleep() -> None:
    assert any(fault.sleep_state != "awake" for fault in FAULTS.values())


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ("", Metrics()),
        ("<html>\n<body>500 1</body>", Metrics()),
        ('{"error": "Not Found"}', Metrics()),
        (f"# HELP {TOKENS} Number\n# TYPE {TOKENS} counter\n", Metrics()),
        (f"{TOKENS} 5", Metrics(5.0)),
        (f"{TOKENS} 5.0\r\n{RUNNING} 2\r\n", Metrics(5.0, 2.0)),
        (f"{TOKENS} 5 1700000000000", Metrics(5.0)),
        (f"{TOKENS}\t 5", Metrics(5.0)),
        (f"{TOKENS}{{{LABELS}}} 1.5e3", Metrics(1500.0)),
        (f"{TOKENS}{{{LABELS}}} 5\n{PROMPTS}{{{LABELS}}} 2", Metrics(7.0)),
        (f"{PROMPTS} 2", Metrics(2.0)),
        (f"{TOKENS}_created 5\nx{TOKENS} 5\n{TOKENS.removesuffix('_total')} 5", Metrics()),
        (f" {TOKENS} 5", Metrics()),
        (f"{TOKENS}", Metrics()),
        (f"{TOKENS} five\n{RUNNING} 1", Metrics(running=1.0)),
        (f'{RUNNING}{{model_name="a b}} c"}} 3', Metrics(running=3.0)),
        (f'{RUNNING}{{engine="0"}} 3\n{RUNNING}{{engine="1"}} 4\n{WAITING}{{engine="1"}} 1', Metrics(None, 7.0, 1.0)),
        (f'{TOKENS}{{engine="0"}} 3\n{TOKENS}{{engine="1"}} 4\n{PROMPTS}{{engine="1"}} 1', Metrics(8.0)),
        (f"{START} 1.7e+09", Metrics(started_at=1.7e9)),
        (f'{SLEEP}{{{LABELS},sleep_state="awake"}} 1.0', Metrics()),
        (f'{SLEEP}{{{LABELS},sleep_state="awake"}} 0.0', Metrics()),
        (f'{SLEEP}{{{LABELS},sleep_state="discard_all"}} 0.0', Metrics()),
        (f'{SLEEP}{{{LABELS},sleep_state="discard_all"}} 1.0', Metrics(asleep=True)),
        (f'{SLEEP}{{{LABELS},sleep_state="weights_offloaded"}} 1.0', Metrics(asleep=True)),
        (f"{SLEEP}{{{LABELS}}} 1.0", Metrics(asleep=True)),
        (f'{SLEEP}{{engine="0",sleep_state="awake"}} 1\n{SLEEP}{{engine="1",sleep_state="x"}} 1', Metrics(asleep=True)),
    ],
)  # fmt: skip
def test_text(text: str, metrics: Metrics) -> None:
    assert read_metrics(text) == metrics


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "1e999"])
def test_what_is_no_number_is_not_said(value: str) -> None:
    """A start at +Inf would be younger than anything, and one at NaN would not be older."""
    names = (TOKENS, PROMPTS, RUNNING, WAITING, START, SLEEP)
    assert read_metrics("\n".join(f"{name} {value}" for name in names)) == Metrics()


def test_processes_are_as_old_as_the_oldest() -> None:
    """Behind several API servers, each has a start of its own; a sum of them lies in the future."""
    assert read_metrics(f'{START}{{pid="7"}} 1000\n{START}{{pid="8"}} 1010').started_at == 1000.0


def test_engines_are_added_up() -> None:
    texts = [
        render_metrics(engine(generated=count), "m").replace('engine="0"', f'engine="{count}"') for count in (1, 2)
    ]
    both = "\n".join(line for text in texts for line in text.splitlines() if not line.startswith(START))
    assert read_metrics(both) == replace(read_metrics(texts[0]), tokens=3.0, started_at=None)


SAMPLES = st.builds(
    "{}{} {}".format,
    st.sampled_from([TOKENS, PROMPTS, RUNNING, WAITING, START, SLEEP, "other"]),
    st.sampled_from(["", f"{{{LABELS}}}", "{", "}", '{a="}"}', '{sleep_state="awake"}']),
    st.sampled_from(["0", "1", "2.5", "", "x", "1e3"]) | st.floats(0, 1e9).map(str),
)


@given(st.lists(SAMPLES | st.text('a{}=" \t\r\n#1é', max_size=9), max_size=4).map("\n".join))
def test_any_text_can_be_read(text: str) -> None:
    found = read_metrics(text)
    for value in (found.tokens, found.running, found.waiting, found.started_at):
        assert value is None or (math.isfinite(value) and value >= 0)
