from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.runs.metrics import SECTIONS, is_reproducible, metric_of, metrics_page


def test_the_page_of_docs_is_the_registry() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text() == metrics_page(), "run: python -m reasonforge.runs.metrics > docs/metrics.md"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("reward", "reward"),
        ("rewards/accuracy/mean", "rewards/*/mean"),
        ("eval/pass@1", "eval/pass@1"),
        ("eval/pass@16", "eval/pass@*"),
        ("clip_ratio/low_mean", "clip_ratio/low_mean"),
        ("perf/sample_seconds", "perf/*_seconds"),
        ("perf/seconds", "perf/seconds"),
    ],
)
def test_a_name_finds_its_most_specific_entry(name: str, pattern: str) -> None:
    assert metric_of(name).name == pattern


@pytest.mark.parametrize(
    "name", ["", "rewards//mean", "rewards/a/b/mean", "Reward", "reward ", "eval/pass@1\n", "<script>", "eval/", "lr/x"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a registered metric"):
        metric_of(name)


def test_names_are_unique_and_explained() -> None:
    metrics = [metric for section in SECTIONS.values() for metric in section]
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert all(metric.help.endswith(".") for metric in metrics)


def test_only_clocks_and_speeds_differ_between_equal_runs() -> None:
    assert not is_reproducible("time")
    assert not is_reproducible("perf/seconds")
    assert is_reproducible("reward")
    assert is_reproducible("step")
