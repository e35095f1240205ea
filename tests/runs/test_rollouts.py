from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Reward, RolloutGroup, SamplingParams
from reasonforge.runs.rollouts import COLUMNS, Advantage, TokenChoice, list_steps, read_groups, read_rollouts, step_file, write_rollouts
from tests.runs.fabricate import group, problem, scored


def write(path: Path, groups: list[RolloutGroup], advantages: Sequence[Advantage] | None, tokens: TokenChoice = "all") -> None:
    write_rollouts(path, groups, advantages, run="r", stage="rl", step=12, tokens=tokens)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    groups = [group(0, [0.0, 1.0]), group(1, [1.0, 1.0])]
    write(tmp_path / "a.parquet", groups, [-1.0, 1.0, 0.0, 0.25])
    rows = read_rollouts(tmp_path / "a.parquet", tokens=True)
    members = [member for one in groups for member in one.rollouts]
    assert [(r.run, r.stage, r.step) for r in rows] == [("r", "rl", 12)] * 4
    assert [r.advantage for r in rows] == [-1.0, 1.0, 0.0, 0.25]
    for row, member in zip(rows, members, strict=True):
        assert row.completion == member.rollout.text
        assert row.reward_parts == member.reward.parts
        assert row.reward == member.reward.total
        assert row.verdict == member.verdict.status
        assert row.seed == member.rollout.seed
        assert row.token_ids == member.rollout.completion.token_ids.tolist()
        np.testing.assert_array_equal(np.array(row.logprobs, np.float32), member.rollout.completion.logprobs)
        assert row.token_advantages is None
    assert rows[0].prompt == "What is 0 + 7?"
    assert rows[0].gold == "7"


def test_advantages_per_token_keep_their_tokens_and_their_mean(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [group(0, [0.0, 1.0])], [np.array([1, 2, 3, 4, 5], np.float32), np.zeros(6, np.float32)])
    rows = read_rollouts(tmp_path / "a.parquet", tokens=True)
    assert rows[0].token_advantages == [1, 2, 3, 4, 5]
    assert [r.advantage for r in rows] == [3.0, 0.0]
    assert read_rollouts(tmp_path / "a.parquet")[0].token_advantages is None


@pytest.mark.parametrize(("tokens", "kept"), [("all", 4), ("first", 2), ("none", 0)])
def test_token_arrays_are_kept_for_all_the_first_or_none(tmp_path: Path, tokens: TokenChoice, kept: int) -> None:
    write(tmp_path / "a.parquet", [group(i, [1.0]) for i in range(4)], [0.0] * 4, tokens)
    rows = read_rollouts(tmp_path / "a.parquet", tokens=True)
    assert [row.token_ids is not None for row in rows] == [i < kept for i in range(4)]
    assert all(row.num_tokens == 5 for row in rows)


def test_a_conversation_names_its_roles(tmp_path: Path) -> None:
    of = Problem(id="p", messages=(Message("system", "Think."), Message("user", "1+1?")), answer="2", source="s")
    write(tmp_path / "a.parquet", [RolloutGroup(problem=of, rollouts=(scored(of, 0, "2", reward=1.0),))], None)
    row = read_rollouts(tmp_path / "a.parquet")[0]
    assert row.prompt == "system: Think.\n\nuser: 1+1?"
    assert row.advantage is None


@pytest.mark.parametrize("text", ["", "\ud800 lone", "nul \0 inside", "עברית \u202e", "x" * 100_000, "😀\r\n\t"])
def test_any_text_can_be_stored(tmp_path: Path, text: str) -> None:
    of = problem(0, text=text or "?")
    write(tmp_path / "a.parquet", [RolloutGroup(problem=of, rollouts=(scored(of, 0, text, reward=float("nan")),))], [float("inf")])
    row = read_rollouts(tmp_path / "a.parquet")[0]
    assert row.completion == text.replace("\ud800", "?")
    assert row.reward is None
    assert row.advantage is None


def test_no_rollouts_is_a_file_with_no_rows(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [], [])
    assert read_rollouts(tmp_path / "a.parquet") == []


def test_advantages_must_be_one_per_rollout(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 advantages for 2 rollouts"):
        write(tmp_path / "a.parquet", [group(0, [0.0, 1.0])], [0.0])
    assert list(tmp_path.iterdir()) == []


def test_damage_is_a_data_error_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, [group(i, [0.0, 1.0] * 4) for i in range(8)], None)
    whole = path.read_bytes()
    damaged = {"empty": b"", "cut": whole[:-20], "not parquet": b"hello" * 100, "head": b"\0" * 4 + whole[4:-8] + b"\xff" * 8}
    for name, content in damaged.items():
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.parquet") as caught:
            read_rollouts(path)
        assert "\n" not in str(caught.value), name
    with pytest.raises(DataError):
        read_rollouts(tmp_path / "missing.parquet")


def test_a_flipped_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, [group(i, [0.0, 1.0] * 4) for i in range(4)], None)
    whole = path.read_bytes()
    refused = 0
    for position in range(4, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            read_rollouts(path)
        except DataError:
            refused += 1
    assert refused > 10


def test_another_table_is_not_a_rollout_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="not a rollout file"):
        read_rollouts(tmp_path / "a.parquet")


def test_steps_are_listed_in_order_and_half_written_files_are_not(tmp_path: Path) -> None:
    for step in (1_000_000, 3, 20):
        write(step_file(tmp_path, step), [group(0, [1.0])], None)
    (tmp_path / ".tmp-step-000099.parquet-ab").write_bytes(b"")
    assert list(list_steps(tmp_path)) == [3, 20, 1_000_000]
    assert list_steps(tmp_path / "none") == {}


def test_the_columns_are_plain_types_that_other_tools_read(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [group(0, [1.0])], [1.0])
    table = pq.read_table(tmp_path / "a.parquet")
    assert tuple(table.schema.names) == COLUMNS
    assert table.schema.field("reward_parts").type == pa.map_(pa.string(), pa.float64())
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def assert_same_groups(left: Sequence[RolloutGroup], right: Sequence[RolloutGroup]) -> None:
    """Equal to the last bit; arrays also in their types."""
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert one.problem == other.problem
        for a, b in zip(one.rollouts, other.rollouts, strict=True):
            for name in ("token_ids", "logprobs", "mask"):
                x, y = getattr(a.rollout.completion, name), getattr(b.rollout.completion, name)
                assert x.dtype == y.dtype
                np.testing.assert_array_equal(x, y)
            assert (a.reward, a.verdict) == (b.reward, b.verdict)
            bare = replace(a.rollout.completion, token_ids=0, logprobs=0, mask=0)  # type: ignore[arg-type]
            assert replace(a.rollout, completion=bare) == replace(
                b.rollout, completion=replace(b.rollout.completion, token_ids=0, logprobs=0, mask=0)
            )  # type: ignore[arg-type]


def rich_group(index: int) -> RolloutGroup:
    """A group in which no field has its default."""
    of = Problem(
        id=f"q-{index}",
        messages=(Message("system", "Think."), Message("user", "1+1?\ud83d")),
        answer="2",
        kind="logic",
        source="task:x",
        language="zh",
        difficulty=3,
        solution="1+1=2",
        meta={"numbers": [1, 2], "target": 2.5, "nested": {"a": None}},
    )
    one = scored(of, 0, "2 \u202e\n", reward=1.0)
    completion = replace(one.rollout.completion, mask=np.array([True, True, False, False, True]), finish_reason="tool_error")
    sampling = SamplingParams(max_new_tokens=9, temperature=0.7, top_p=0.9, top_k=5, stop_token_ids=(0, 4), stop_strings=("\n\n",))
    first = replace(
        one,
        rollout=replace(one.rollout, completion=completion, sampling=sampling, prompt_ids=(7, 8)),
        reward=Reward(total=0.1 + 0.2, parts={"accuracy": 1.0, "b": -0.3}, steps=((1, 0.25), (4, -1.0))),
        verdict=Verdict(status="timeout", prediction=None, reason="10 s"),
    )
    return RolloutGroup(problem=of, rollouts=(first, scored(of, 1, "", reward=0.0, num_tokens=0)))


def test_groups_are_rebuilt_exactly(tmp_path: Path) -> None:
    groups = [rich_group(0), group(0, [0.0, 1.0]), rich_group(1)]
    write(tmp_path / "a.parquet", groups, None)
    assert_same_groups(read_groups(tmp_path / "a.parquet"), groups)


def test_groups_of_a_stage_come_in_the_order_of_its_steps(tmp_path: Path) -> None:
    for step in (10, 2):
        write(step_file(tmp_path, step), [group(step, [1.0, 0.0], step=step)], None)
    assert [one.problem.id for one in read_groups(tmp_path)] == ["p-2", "p-10"]


def test_a_problem_drawn_twice_in_a_step_stays_two_groups(tmp_path: Path) -> None:
    twice = [group(0, [1.0, 0.0]), group(0, [0.0, 0.0], step=2)]
    write(tmp_path / "a.parquet", twice, None)
    assert [len(one.rollouts) for one in read_groups(tmp_path / "a.parquet")] == [2, 2]


def test_groups_without_their_tokens_say_which_setting_keeps_them(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [group(i, [1.0]) for i in range(4)], None, "first")
    with pytest.raises(DataError, match=r"a\.parquet: the tokens of 2 of 4 rollouts .* run\.rollout_tokens = 'all'"):
        read_groups(tmp_path / "a.parquet")


def older_file(path: Path) -> None:
    """A file as the first version of the format wrote it."""
    write(path, [group(0, [0.0, 1.0])], None)
    added = ("prompt_ids", "mask", "step_ends", "step_rewards", "problem_json", "sampling_json")
    pq.write_table(pq.read_table(path).drop_columns(list(added)), path)


def test_a_file_of_an_older_version_still_shows_its_rollouts(tmp_path: Path) -> None:
    older_file(tmp_path / "a.parquet")
    rows = read_rollouts(tmp_path / "a.parquet", tokens=True)
    assert [(row.verdict, row.prompt_ids) for row in rows] == [("wrong", None), ("correct", None)]


def test_groups_of_an_older_file_say_in_one_line_what_is_missing(tmp_path: Path) -> None:
    older_file(tmp_path / "a.parquet")
    with pytest.raises(
        DataError, match=r"a\.parquet: written by an older version, without prompt_ids, mask.*Draw the samples again"
    ) as caught:
        read_groups(tmp_path / "a.parquet")
    assert "\n" not in str(caught.value)


def test_groups_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    write_rollouts(tmp_path / "a.parquet", [group(0, [1.0])], None, run="r", stage="s", step=1, tokens="all", tokenizer="abc")
    assert len(read_groups(tmp_path / "a.parquet", tokenizer="abc")) == 1
    with pytest.raises(DataError, match=r"another tokenizer \(abc, this model's is def\)"):
        read_groups(tmp_path / "a.parquet", tokenizer="def")


def test_a_folder_without_rollouts_has_no_groups_to_read(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="no rollouts here"):
            read_groups(folder)
