from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError
from reasonforge.corpus.mixing.mixture import Entry, MixedSource, Mixture, plan_mixture
from reasonforge.corpus.packing.reader import Shards, Windows
from tests import oracle
from tests.corpus.packing.made import packed


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of 40, 20 and 12 tokens."""
    sizes = {"math": ["aaaaaaaaa"] * 4, "code": ["bbbbbbbbb"] * 2, "text": ["ccc"] * 3}
    return {name: packed(tmp_path_factory.mktemp(name), [texts])[0] for name, texts in sizes.items()}


def mixed(folders: dict[str, Path], weights: Mapping[str, float], *, seq_len: int = 3, seed: int = 0) -> Mixture:
    return Mixture(
        [
            MixedSource(name=name, weight=weight, windows=Windows(Shards(folders[name]), seq_len=seq_len, seed=seed + number))
            for number, (name, weight) in enumerate(weights.items())
        ]
    )


def test_the_papers_mixture_takes_the_papers_tokens() -> None:
    row = oracle.case("schedules_and_selection", "mixture")
    weights, total = row.inputs["weights"], row.inputs["total_tokens"]
    planned = plan_mixture(weights, total, {"deepseekmath": 120.2e9})
    assert {name: part.tokens for name, part in planned.items()} == pytest.approx(row.expected["tokens"], abs=row.tolerance)
    assert planned["deepseekmath"].epochs == pytest.approx(row.expected["epochs_over_120.2B_corpus"], abs=row.tolerance)
    assert planned["github"].epochs is None


def test_a_source_is_read_whole_before_any_of_it_comes_again(folders: dict[str, Path]) -> None:
    mixture = mixed(folders, {"math": 2, "code": 1, "text": 1})
    seen: dict[tuple[int, int], list[int]] = {}
    for entry in range(200):
        source, epoch, window = mixture[entry]
        seen.setdefault((source, epoch), []).append(window)
    whole = [key for key, windows in seen.items() if len(windows) == len(mixture.sources[key[0]].windows)]
    assert len(whole) >= 15
    for source, epoch in whole:
        assert sorted(seen[source, epoch]) == list(range(len(mixture.sources[source].windows)))
    assert all(len(set(windows)) == len(windows) for windows in seen.values())


def test_the_account_is_what_was_read(folders: dict[str, Path]) -> None:
    mixture = mixed(folders, {"math": 56, "code": 20, "text": 10})
    for entries in (0, 1, 7, 43, 100):
        read = Counter(mixture[entry].source for entry in range(entries))
        for number, use in enumerate(mixture.uses(entries)):
            assert use.windows == read[number]
            assert use.tokens == 3 * read[number]
            assert use.epochs == read[number] / len(mixture.sources[number].windows)
        assert sum(use.tokens for use in mixture.uses(entries)) == 3 * entries


def test_an_entry_holds_tokens_of_its_source(folders: dict[str, Path]) -> None:
    mixture = mixed(folders, {"math": 1, "code": 1, "text": 2})
    letters = [{int(token) for token in source.windows.shards.tokens(0, 1)} for source in mixture.sources]
    for entry in range(40):
        source = mixture[entry].source
        tokens = set(mixture.read(entry).tokens.tolist())
        assert tokens <= letters[source] | {mixture.sources[source].windows.shards.eos_id}


def test_entries_are_the_same_in_any_order_and_from_any_rank(folders: dict[str, Path]) -> None:
    weights = {"math": 5, "code": 3, "text": 1}
    straight = [mixed(folders, weights)[entry] for entry in range(60)]
    backwards = mixed(folders, weights)
    assert [backwards[entry] for entry in reversed(range(60))] == straight[::-1]
    for world_size in (2, 7):
        of_rank = [mixed(folders, weights) for _ in range(world_size)]
        assert [of_rank[entry % world_size][entry] for entry in range(60)] == straight


def test_another_seed_reads_other_windows_of_the_same_sources(folders: dict[str, Path]) -> None:
    weights = {"math": 2, "code": 1}
    one, other = ([mixed(folders, weights, seed=seed)[entry] for entry in range(30)] for seed in (0, 50))
    assert [entry.source for entry in one] == [entry.source for entry in other]
    assert one != other


def test_an_entry_of_the_far_future_is_there_at_once(folders: dict[str, Path]) -> None:
    mixture = mixed(folders, {"math": 3, "code": 1})
    found = mixture[4 * 10**14]  # the first of a period: mathematics, 13 windows an epoch
    assert found == Entry(0, 3 * 10**14 // 13, mixture.sources[0].windows.index(3 * 10**14 // 13, 3 * 10**14 % 13))


def test_a_source_that_would_be_repeated_too_often_is_refused(folders: dict[str, Path]) -> None:
    mixture = mixed(folders, {"math": 1, "text": 1})  # 13 and 3 windows of three tokens
    mixture.check_epochs(12, max_epochs=2)
    with pytest.raises(DataError, match=r"source 'text' would be read 2\.33 times, max_epochs is 2: .* pack at least 13 tokens"):
        mixture.check_epochs(14, max_epochs=2)
