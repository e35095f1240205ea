"""What a late stage would refuse, refused before the first one: a corpus takes days, and a wrong column an instant to notice.

``run`` and its dry run look at the same things: that files are there and not empty, and that the first rows of the first file of every
pattern have what is read from them. Benchmarks are small and read whole. Of URLs only the first file is asked for, and not for long.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final

from reasonforge.core.errors import DataError, ReasonforgeError
from reasonforge.corpus.config import CorpusRecipe, SourceConfig
from reasonforge.corpus.decontaminate.config import DecontaminateConfig
from reasonforge.corpus.ingest.columns import ReadHead, json_head, parquet_head
from reasonforge.corpus.ingest.config import Files, IngestConfig, JsonlFiles, ParquetFiles
from reasonforge.corpus.ingest.inputs import Found, as_input, find, opened
from reasonforge.corpus.ingest.remote import is_url
from reasonforge.corpus.ingest.rows import field
from reasonforge.corpus.loop.config import AutoAnnotation, FileAnnotation
from reasonforge.text.config import FolderTokenizer

REMOTE_SECONDS: Final = 15.0
"""For all URLs together. Who has not answered by then is asked again by the stage that needs the file."""
_MOST_COLUMNS = 12
_ABSENT: Final = object()


def check_inputs(recipe: CorpusRecipe, root: Path) -> None:
    """Look whether everything that the recipe names is there and can be read as what it should be. Writes nothing.

    Args:
        recipe: what is to be made.
        root: the corpus folder.

    Raises:
        ReasonforgeError: a line for each setting that names something wrong; a :class:`DataError` where the lines are of several kinds.
    """
    checks = _Checks()
    for name, config in (("crawl.inputs", recipe.crawl), ("seed_documents.inputs", recipe.seed_documents)):
        _check_files(checks, name, config)
    if recipe.truth is not None:
        with checks.of("truth"):
            _check_truth(recipe.truth.expanduser())
    if not isinstance(recipe.annotation, AutoAnnotation):
        with checks.of("annotation.path"):
            _check_annotations(recipe, root)
    if recipe.decontamination is not None:
        _check_benchmarks(checks, recipe.decontamination)
    if recipe.pack is not None:
        if isinstance(recipe.pack.tokenizer, FolderTokenizer):
            with checks.of("pack.tokenizer.path"):
                from reasonforge.corpus.packing.units import load_tokenizer

                load_tokenizer(Path(recipe.pack.tokenizer.path))
        for name, source in recipe.pack.sources.items():
            _check_source(checks, f"pack.sources.{name}", source)
    checks.finish()


class _Checks:
    """What was found to be wrong, setting by setting."""

    def __init__(self) -> None:
        self._found: list[tuple[str, ReasonforgeError]] = []
        self._asked: list[threading.Thread] = []

    @contextmanager
    def of(self, setting: str) -> Iterator[None]:
        """Collect the error of a block."""
        try:
            yield
        except ReasonforgeError as error:
            self._found.append((setting, error))

    def files(self, setting: str, patterns: Sequence[str], look: Callable[[Found], None]) -> None:
        """Look for the files of patterns, and into the first of each.

        Args:
            setting: that names them.
            patterns: paths or URLs.
            look: raises what is wrong with a local file.
        """
        for pattern in patterns:
            if is_url(pattern) and not pattern.startswith("file://"):
                self._ask(setting, pattern)
                continue
            with self.of(setting):
                found = find(pattern)
                empty = next((file.path for file in found if os.path.getsize(file.path) == 0), None)
                if empty is not None:
                    raise DataError(f"{empty}: is empty")
                look(found[0])

    def _ask(self, setting: str, pattern: str) -> None:
        def ask() -> None:
            with self.of(setting):
                as_input(find(pattern)[0], Path())

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        self._asked.append(thread)

    def finish(self) -> None:
        """Raise all that was found."""
        deadline = time.monotonic() + REMOTE_SECONDS
        for thread in self._asked:
            thread.join(max(0.0, deadline - time.monotonic()))
        found = list(self._found)
        if not found:
            return
        kinds = {type(error) for _, error in found}
        lines = dict.fromkeys(f"{setting}: {line}" for setting, error in found for line in str(error).splitlines())
        raise (kinds.pop() if len(kinds) == 1 else DataError)("\n".join(lines))


def _check_files(checks: _Checks, name: str, config: IngestConfig) -> None:
    for number, source in enumerate(config.inputs, start=1):
        setting = name if len(config.inputs) == 1 else f"{name} ({number})"
        checks.files(setting, source.paths, lambda file, source=source: _check_content(file.path, source, config))


def _check_content(path: str, source: Files, config: IngestConfig) -> None:
    """Look at the first rows or the first record of a file of pages."""
    if isinstance(source, (JsonlFiles, ParquetFiles)):
        content = [source.html] if source.html else [source.text] if source.text else ["text", "html"]
        wanted = {
            "the URL (url)": [source.url] if source.url else ["url", "metadata.url"],
            "the page (html)" if source.html else "the page (text)" if source.text else "the page (text or html)": content,
        }
        _check_columns(path, parquet_head if isinstance(source, ParquetFiles) else json_head, wanted)
        return
    from reasonforge.corpus.ingest.captures import captures

    with opened(path) as file:
        next(captures(file, path, source, config.limits), None)


def _check_columns(path: str, read: ReadHead, wanted: Mapping[str, Sequence[str]]) -> None:
    """Refuse a file whose first rows do not have a column, or something else than texts in it.

    Args:
        path: a local file.
        read: reads its first rows.
        wanted: what is to be there -> the columns of which one holds it.
    """
    head = read(path, list(dict.fromkeys(chain.from_iterable(wanted.values()))))
    if not head.rows:
        if head.num_rows:
            raise DataError(f"{path}: none of its first {head.num_rows} rows is a JSON object. Is it JSON Lines?")
        return
    missing = {what: columns for what, columns in wanted.items() if not _may_have_text(head.rows, columns)}
    if missing:
        raise DataError(f"{path}: {_missing(missing, head.names, len(head.rows))}")


def _may_have_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bool:
    """Say whether one of the columns has a text, or is there and empty so far: texts may come behind a hundred nulls."""
    values = [field(row, name, _ABSENT) for row in rows for name in columns]
    there = [value for value in values if value is not _ABSENT]
    return any(isinstance(value, str) for value in there) or (bool(there) and all(value is None for value in there))


def _missing(missing: Mapping[str, Sequence[str]], there: Sequence[str], num_rows: int) -> str:
    looked = ", and ".join(f"{' or '.join(map(repr, columns))}, for {what}" for what, columns in missing.items())
    listed = ", ".join(there[:_MOST_COLUMNS]) + (", ..." if len(there) > _MOST_COLUMNS else "")
    return f"none of its first {num_rows} rows has a text in the column {looked}. There are: {listed or 'none'}. Name the right one"


def _check_truth(path: Path) -> None:
    from reasonforge.corpus.loop.reader import TRUTH_SCHEMA
    from reasonforge.corpus.pages import read_table

    if not path.is_file():
        raise DataError(f"{path}: no such file. Leave truth out where nothing is known of the pages")
    read_table(path, list(TRUTH_SCHEMA))


def _check_annotations(recipe: CorpusRecipe, root: Path) -> None:
    from reasonforge.corpus.annotate.journal import Journal
    from reasonforge.corpus.loop.graph import annotations_path

    path = annotations_path(recipe, root)
    if isinstance(recipe.annotation, FileAnnotation) and not path.is_file():
        raise DataError(f'{path}: no such file. Name it with annotation.path, or let the loop wait for a person: annotation.type = "human"')
    Journal(path)


def _check_benchmarks(checks: _Checks, config: DecontaminateConfig) -> None:
    """Read the benchmarks whole, as the stage will: an item in the middle may lack a column."""
    from reasonforge.corpus.decontaminate.sources import source_files, texts_of
    from reasonforge.corpus.hashing import grams, is_word

    def is_looked_for(text: str) -> bool:
        found = tuple(grams(text))
        few = len(found) < config.n
        return not few or (len(found) >= config.min_n and sum(map(is_word, found)) >= config.short_min_words)

    whole, looked_for, num_texts = True, False, 0
    for source in config.sources:
        is_read = False
        with checks.of(f"decontamination.sources ({source.name})"):
            source_files(source)
            texts = texts_of(source, Path(source.path).expanduser(), config.fields)
            num_texts += len(texts)
            looked_for = looked_for or any(is_looked_for(entry.text) for entry in texts)
            is_read = True
        whole = whole and is_read
    if whole and not looked_for:
        with checks.of("decontamination"):
            raise DataError(f"none of the {num_texts} benchmark texts has {config.min_n} words: check sources and fields")


def _check_source(checks: _Checks, name: str, source: SourceConfig) -> None:
    def look(file: Found) -> None:
        wanted = {f"the text ({name}.text_field)": [source.text_field]}
        _check_columns(file.path, parquet_head if file.path.lower().endswith(".parquet") else json_head, wanted)

    checks.files(name, source.paths, look)
