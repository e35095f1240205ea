"""Seeds and ids depend on what they are derived from, and on nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.ids import content_id
from reasonforge.core.seeds import derive_seed

coordinates = st.lists(st.integers() | st.text(), max_size=4).map(tuple)
jsonable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def identity(parts: tuple[object, ...]) -> tuple[tuple[type, object], ...]:
    return tuple((type(part), part) for part in parts)


@given(coordinates, coordinates)
def test_different_coordinates_give_different_seeds(first: tuple[int | str, ...], second: tuple[int | str, ...]) -> None:
    same = identity(first) == identity(second)
    assert (derive_seed(0, "x", *first) == derive_seed(0, "x", *second)) == same


@pytest.mark.parametrize(
    ("first", "second"), [(("a", "bc"), ("ab", "c")), ((1,), ("1",)), ((1, 23), (12, 3)), ((), ("",)), (("a;str:1:b",), ("a", "b"))]
)
def test_coordinates_that_look_alike_are_told_apart(first: tuple[int | str, ...], second: tuple[int | str, ...]) -> None:
    assert derive_seed(0, "x", *first) != derive_seed(0, "x", *second)


def test_run_and_purpose_count() -> None:
    assert len({derive_seed(run, purpose, 1) for run in range(100) for purpose in ("rollout", "data", "init")}) == 300


@given(st.integers(), st.text(st.characters(exclude_categories=["Cs"])))
def test_seeds_fit_every_generator(run_seed: int, purpose: str) -> None:
    assert 0 <= derive_seed(run_seed, purpose) < 2**63


def test_seeds_are_spread_evenly() -> None:
    seeds = [derive_seed(0, "rollout", step) for step in range(4000)]
    for bit in (0, 1, 31, 32, 61, 62):
        ones = sum(seed >> bit & 1 for seed in seeds)
        assert abs(ones - 2000) < 5 * 4000**0.5 / 2  # five standard deviations


def test_seeds_and_ids_are_the_same_in_every_process() -> None:
    # Written down: a change would make every old run unrepeatable.
    assert derive_seed(7, "rollout", 12, "p-1", 3) == 8436030787825506169
    assert content_id({"question": "1+1?", "level": [1, 2.5, None]}) == "8f624ebb4c8614d0"
    program = (
        "from reasonforge.core.seeds import derive_seed; from reasonforge.core.ids import content_id;"
        "print(derive_seed(7, 'rollout', 12, 'p-1', 3), content_id({'question': '1+1?', 'level': [1, 2.5, None]}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "5"}
    output = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True).stdout
    assert output.split() == ["8436030787825506169", "8f624ebb4c8614d0"]


@given(st.dictionaries(st.text(), jsonable, max_size=5))
def test_the_order_of_keys_does_not_change_an_id(content: dict[str, object]) -> None:
    assert content_id(content) == content_id(dict(reversed(content.items())))


@given(jsonable, jsonable)
def test_different_content_has_different_ids(first: object, second: object) -> None:
    assert (content_id(first) == content_id(second)) == (repr(sorted_keys(first)) == repr(sorted_keys(second)))


def sorted_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("length", [8, 16, 32])
def test_an_id_is_hex_of_the_asked_length(length: int) -> None:
    assert len(content_id("x", length=length)) == length
    int(content_id("x", length=length), 16)


def test_broken_text_has_an_id_too() -> None:
    assert content_id("a\ud800") != content_id("a\ud801")
