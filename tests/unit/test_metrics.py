# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's runs leave for Prometheus: other programs read it back as it was meant."""

from __future__ import annotations

import stat
from pathlib import Path
from random import Random

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError, InvalidInputError
from ansible_collections.ai_aas.inference.plugins.module_utils._metrics import (
    FAMILIES,
    Sample,
    render,
    state_samples,
    write,
)
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.promtool import promtool

WHERE = {"model": "llama", "environment": "production"}
STATE = "ai_aas_model_health_state"
DRIFT = "ai_aas_model_drift"
STATES = ("ready", "degraded", "disabled")

# Any text that UTF-8 can hold.
texts = st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Return a sample of any metric, with any labels and any value."""
    name = draw(st.sampled_from(sorted(FAMILIES)))
    labels = {label: draw(texts) for label in FAMILIES[name].labels}
    return Sample(name, labels, draw(st.floats(allow_nan=False)))


def key(sample: Sample) -> tuple[str, tuple[tuple[str, str], ...]]:
    return sample.name, tuple(sorted(sample.labels.items()))


@given(st.lists(samples(), unique_by=key, max_size=12))
def test_what_is_written_is_read_back(written: list[Sample]) -> None:
    families = list(text_string_to_metric_families(render(written)))
    read = {(item.name, tuple(sorted(item.labels.items()))): item.value for each in families for item in each.samples}
    assert read == {key(sample): sample.value for sample in written}
    assert {each.name: (each.type, each.documentation) for each in families} == {
        sample.name: ("gauge", FAMILIES[sample.name].description) for sample in written
    }


@given(st.lists(samples(), unique_by=key, max_size=6), st.randoms())
def test_order_does_not_matter(written: list[Sample], chance: Random) -> None:
    shuffled = list(written)
    chance.shuffle(shuffled)
    assert render(shuffled) == render(written)


def test_text() -> None:
    odd = {"model": 'a "b"\\c\nd', "environment": "production"}
    assert render([Sample(DRIFT, WHERE, 0), Sample(DRIFT, odd, 1), *state_samples(STATE, WHERE, "ready", STATES)]) == (
        "# HELP ai_aas_model_drift Whether the last drift run found the model other than wanted (1) or not (0).\n"
        "# TYPE ai_aas_model_drift gauge\n"
        'ai_aas_model_drift{model="a \\"b\\"\\\\c\\nd",environment="production"} 1.0\n'
        'ai_aas_model_drift{model="llama",environment="production"} 0.0\n'
        "# HELP ai_aas_model_health_state Whether the model is in the state that the label names (1) or not (0).\n"
        "# TYPE ai_aas_model_health_state gauge\n"
        'ai_aas_model_health_state{model="llama",environment="production",state="degraded"} 0.0\n'
        'ai_aas_model_health_state{model="llama",environment="production",state="disabled"} 0.0\n'
        'ai_aas_model_health_state{model="llama",environment="production",state="ready"} 1.0\n'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (3, "3.0"),
        (1764000000.25, "1764000000.25"),
        (1e-9, "1e-09"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert render([Sample(DRIFT, WHERE, value)]).endswith(f" {text}\n")


def test_no_samples_no_text() -> None:
    assert render([]) == ""


def test_prometheus_finds_nothing_to_blame() -> None:
    every = [Sample(name, dict.fromkeys(family.labels, 'a\n"\\'), 1) for name, family in FAMILIES.items()]
    verdict = promtool("check", "metrics", text=render(every))
    assert verdict.accepted, verdict.text
    assert verdict.text == ""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([Sample("ai_aas_other", WHERE, 1)], "There is no metric 'ai_aas_other'"),
        ([Sample(DRIFT, {"model": "a"}, 1)], "The labels of ai_aas_model_drift are model, environment, and these were"),
        ([Sample(DRIFT, {**WHERE, "pod": "a"}, 1)], "these were given: environment, model, pod"),
        ([Sample(DRIFT, WHERE, 1), Sample(DRIFT, WHERE, 0)], "Two samples of the same series: ai_aas_model_drift{"),
    ],
    ids=["unknown", "a label less", "a label more", "twice"],
)
def test_what_would_mislead_is_refused(wrong: list[Sample], message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        render(wrong)
    assert message in refused.value.message


def test_unknown_state_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"has no state 'odd'\. States: degraded, disabled, ready\."):
        state_samples(STATE, WHERE, "odd", STATES)


def test_file_is_replaced_and_readable_to_all(tmp_path: Path) -> None:
    path = tmp_path / "health.prom"
    path.write_text("old\n", encoding="utf-8")
    path.chmod(0o600)
    write(path, "new é\n")
    assert path.read_text(encoding="utf-8") == "new é\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_file_is_never_written_in_place(tmp_path: Path) -> None:
    """Who opened the old file goes on reading all of it."""
    path = tmp_path / "health.prom"
    write(path, "old\n")
    with path.open(encoding="utf-8") as reader:
        write(path, "new\n")
        assert reader.read() == "old\n"


def test_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "health.prom"
    path.mkdir()
    with pytest.raises(InferenceError, match=r"could not be written to .*health\.prom: Is a directory"):
        write(path, "new\n")
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InferenceError) as failed:
        write(tmp_path / "none" / "health.prom", "new\n")
    assert failed.value.why == "No such file or directory"
    assert "Its folder must exist" in failed.value.remedy
