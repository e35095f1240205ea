"""``reasonforge corpus pack`` and ``export``: documents to token shards, shards to other trainers' files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reasonforge.core.errors import RecipeError

if TYPE_CHECKING:
    from reasonforge.corpus.packing.manifest import Manifest
    from reasonforge.corpus.packing.units import PackInput

_Format = Literal["megatron"]


def pack(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Documents: .jsonl, .jsonl.gz, .jsonl.zst or .parquet.")],
    tokenizer: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder with tokenizer.json: the model's that is to be trained.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the shards; it is made.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the source. Default: the folder's name.", show_default=False)] = None,
    text_field: Annotated[str, typer.Option("--text-field", metavar="COLUMN", help="Column of the text.")] = "text",
    id_field: Annotated[str, typer.Option("--id-field", metavar="COLUMN", help="Column of the ids that the tables below name.")] = "id",
    keep: Annotated[
        list[Path] | None,
        typer.Option(metavar="TABLE", help="Parquet with a column id: pack only these. One per file, in order.", show_default=False),
    ] = None,
    drop: Annotated[
        list[Path] | None,
        typer.Option(metavar="TABLE", help="Parquet with a column id: leave these out. Any number, for all files.", show_default=False),
    ] = None,
    actions: Annotated[
        list[Path] | None,
        typer.Option(metavar="TABLE", help="Decontamination's table of what to cut. One per file, in order.", show_default=False),
    ] = None,
    shard_tokens: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Tokens of a shard, about. Default: 250,000,000.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; the shards do not depend on it. Default: one per core.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Turn documents into token shards: what a pretrain stage reads as data of type "shards".

    A large file is a shard; of small ones, neighbours become one together. A run that was killed goes on where it stopped when the same
    command is given again.
    """
    from reasonforge.corpus.packing.batches import SHARD_TOKENS
    from reasonforge.corpus.packing.units import num_files, plan_pack, publish, published
    from reasonforge.corpus.pool import InProcess, ProcessPool, run_all, usable_cores
    from reasonforge.corpus.units import Receipt, Store

    source = name or out.absolute().name
    inputs = _inputs(files, keep=keep, drop=drop, actions=actions, text_field=text_field, id_field=id_field)
    units = plan_pack(inputs, tokenizer, shard_tokens=shard_tokens or SHARD_TOKENS)
    if published(units, out, source=source) is not None:
        print(f"shards in {out} already")
        return 0

    def say(receipt: Receipt) -> None:
        more = f" and {num_files(receipt.unit) - 1} more" if num_files(receipt.unit) > 1 else ""
        print(f"{receipt.unit.inputs[1].path}{more}: {receipt.counts.kept:,} of {receipt.counts.taken:,} documents", flush=True)

    store = Store(out.parent / f".{out.name}.units")
    processes = min(workers or usable_cores(), len(units))
    receipts = run_all(units, store, InProcess() if processes == 1 else ProcessPool(processes), say)
    manifest = publish(receipts, store, out, source=source)
    shutil.rmtree(store.root, ignore_errors=True)
    print("\n".join(_said(manifest)))
    print(f"shards in {out}")
    return 0


def _inputs(
    files: Sequence[Path],
    *,
    keep: Sequence[Path] | None,
    drop: Sequence[Path] | None,
    actions: Sequence[Path] | None,
    text_field: str,
    id_field: str,
) -> list[PackInput]:
    """Return what is to be packed, or refuse what would pack something else than was meant."""
    from reasonforge.corpus.packing.batches import tokens_by_size
    from reasonforge.corpus.packing.units import PackInput
    from reasonforge.corpus.units import file_input

    for option, tables in (("--keep", keep), ("--actions", actions)):
        if tables and len(tables) != len(files):
            raise RecipeError(f"{option}: {len(tables)} tables for {len(files)} files: give one per file, in the files' order")
    whole = [path.resolve() for path in files]
    if twice := [path for path, target in zip(files, whole, strict=True) if whole.count(target) > 1]:
        raise RecipeError(f"{twice[-1]}: is named twice: its documents would count twice")
    masks = tuple(file_input(path) for path in drop or ())
    return [
        PackInput(
            file=file_input(path),
            keep=file_input(keep[number]) if keep else None,
            drop=masks,
            actions=file_input(actions[number]) if actions else None,
            text_field=text_field,
            id_field=id_field,
            tokens=tokens_by_size(str(path)),
        )
        for number, path in enumerate(files)
    ]


def _said(manifest: Manifest) -> list[str]:
    ratio = manifest.num_tokens / max(manifest.num_characters, 1)
    return [
        f"{manifest.num_tokens:,} tokens of {manifest.num_documents:,} documents in {len(manifest.shards)} shards ({manifest.dtype})",
        f"{ratio:.3f} tokens per character, tokenizer {manifest.tokenizer_sha256[:12]}",
        *(f"left out: {number:,} {reason}" for reason, number in manifest.dropped.items()),
    ]


def export(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that corpus pack wrote, read as one.")],
    format: Annotated[_Format, typer.Option(help="Whose files to write.")],
    out: Annotated[Path, typer.Option(metavar="PREFIX", help="Of the two files, in a folder of their own: megatron/math.")],
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Write shards in the format of another trainer: megatron = NAME.bin and NAME.idx, one sequence per document.

    Every byte is held against the digest it was packed with: of damaged shards nothing is exported (exit code 65).
    """
    from reasonforge.corpus.packing.megatron import export_megatron
    from reasonforge.corpus.packing.reader import Shards

    shards = Shards(folders)
    written = export_megatron(shards, out)
    print(f"{written.num_tokens:,} tokens of {written.num_documents:,} documents in {written.bin} and {written.idx}")
    return 0
