"""What comes after the rounds: near-duplicates of the selection, decontamination, shards. And what the whole graph shares."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from reasonforge.core.seeds import derive_seed
from reasonforge.corpus.config import OWN_SOURCE, CorpusRecipe, PackConfig
from reasonforge.corpus.decontaminate.units import ACTIONS, Documents, decontaminate
from reasonforge.corpus.ingest.survey import Survey
from reasonforge.corpus.loop.shards import TOKENIZER
from reasonforge.corpus.loop.steps import PageFile, Step
from reasonforge.corpus.neardup.units import near_dedup
from reasonforge.corpus.packing.batches import tokens_by_size
from reasonforge.corpus.packing.units import PackInput, plan_pack
from reasonforge.corpus.roles import unit_of
from reasonforge.corpus.units import Input, Receipt, Store, Unit, resolve
from reasonforge.corpus.urls.dedup import DROPPED
from reasonforge.text.config import FolderTokenizer

T = TypeVar("T")


def finish(
    recipe: CorpusRecipe, store: Store, files: Sequence[PageFile], survey: Survey | None = None
) -> Generator[Step, list[Receipt], dict[str, list[Receipt]]]:
    """Make shards of the pages that the last round selected; return the receipts of each source.

    Args:
        recipe: what to make.
        store: the corpus folder.
        files: the crawl, each file with its selection.
        survey: knows the files of the sources; None = they are read for their digests here and now.
    """
    survey = survey or Survey(store)
    if recipe.near_duplicates.where == "selection":
        files = yield from without_near_duplicates(recipe, store, files)
    mined = [PackInput(file=file.pages, keep=file.keep, drop=file.masks, tokens=file.num_tokens) for file in files]
    sources = {} if recipe.pack is None else recipe.pack.sources
    others = {name: _documents(source.paths, source.text_field, store, survey) for name, source in sources.items()}
    if recipe.decontamination is not None:
        checked = [(name, entry) for name, inputs in others.items() if sources[name].decontaminate for entry in inputs]
        documents = [Documents(source=name, file=entry.file, text_field=entry.text_field) for name, entry in checked]
        chain = decontaminate(
            receipts(files), store, recipe.decontamination, drop=masks(files), keep=selections(files), documents=documents
        )
        done = yield from chained("decontaminate", chain)
        actions = [store.input(receipt, ACTIONS) for receipt in done]
        mined = [replace(entry, actions=action) for entry, action in zip(mined, actions[len(documents) :], strict=True)]
        for name in dict.fromkeys(name for name, _ in checked):
            others[name] = []
        for (name, entry), action in zip(checked, actions):
            others[name].append(replace(entry, actions=action))
    if recipe.pack is None:
        return {}
    tokenizer = yield from _tokenizer(recipe.pack, recipe.seed, store, mined)
    packed: dict[str, list[Receipt]] = {}
    for name, inputs in {OWN_SOURCE: mined, **others}.items():
        units = plan_pack(inputs, tokenizer, stage=f"pack/{name}", root=store.root, shard_tokens=recipe.pack.shard_tokens)
        packed[name] = yield Step(stage="pack", units=units)
    return packed


def chained(stage: str, chain: Generator[list[Unit], list[Receipt], T]) -> Generator[Step, list[Receipt], T]:
    """Do what a planner yields, list by list, as steps of one stage; return what it returns."""
    try:
        units = next(chain)
        while True:
            receipts = yield Step(stage=stage, units=units)
            units = chain.send(receipts)
    except StopIteration as end:
        return end.value


def dropped(mask: Receipt) -> int:
    """Return how many pages a mask drops."""
    return sum(mask.counts.dropped.values())


def receipts(files: Sequence[PageFile]) -> list[Receipt]:
    """Return what wrote the pages, file by file."""
    return [file.receipt for file in files]


def masks(files: Sequence[PageFile]) -> list[tuple[Input, ...]]:
    """Return the masks, file by file."""
    return [file.masks for file in files]


def selections(files: Sequence[PageFile]) -> list[list[Input]]:
    """Return the tables of the only pages that count, file by file; empty = all pages count."""
    return [[file.keep] for file in files if file.keep is not None]


def without_near_duplicates(
    recipe: CorpusRecipe, store: Store, files: Sequence[PageFile]
) -> Generator[Step, list[Receipt], list[PageFile]]:
    """Find near-duplicates among the pages that are left, and return the files with one mask more."""
    chain = near_dedup(receipts(files), store, recipe.near_duplicates, drop=masks(files), keep=selections(files))
    found = yield from chained("near_duplicates", chain)
    return [file.masked(store.input(mask, DROPPED), dropped(mask)) for file, mask in zip(files, found, strict=True)]


def _tokenizer(config: PackConfig, seed: int, store: Store, mined: Sequence[PackInput]) -> Generator[Step, list[Receipt], Path]:
    """Return the folder of the tokenizer that packs; one that is learned is learned from the mined documents."""
    if isinstance(config.tokenizer, FolderTokenizer):
        return Path(config.tokenizer.path).expanduser()
    settings = {"tokenizer": config.tokenizer.model_dump(mode="json"), "documents": config.tokenizer_documents}
    unit = unit_of(
        "tokenizer",
        "reasonforge.corpus.loop.shards:learn_tokenizer",
        {
            "pages": [file.file for file in mined],
            "keep": [file.keep for file in mined if file.keep is not None],
            "mask": [mask for file in mined for mask in file.drop],
        },
        settings={**settings, "seed": derive_seed(seed, "tokenizer")},
    )
    (receipt,) = yield Step(stage="pack", units=[unit])
    return store.folder(receipt.unit) / TOKENIZER


def _documents(patterns: Sequence[str], text_field: str, store: Store, survey: Survey) -> list[PackInput]:
    found = {file.path: survey.input(file) for pattern in patterns for file in survey.find(pattern)}
    # Ids of strangers' files may be missing, repeated or anything at all: documents are named by their row.
    return [
        PackInput(file=given, text_field=text_field, id_field=None, tokens=tokens_by_size(resolve(given.path, store.root)))
        for given in found.values()
    ]
