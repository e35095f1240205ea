"""Rows of the files that benchmarks come in: JSON Lines, Parquet, JSON, CSV and TSV, one file or a folder of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from reasonforge.core.errors import DataError
from reasonforge.tasks.files import SUFFIXES, Row, read_rows, refuse_placeholder

MAX_FILE_BYTES = 256 << 20
"""A larger JSON or CSV file is taken for the wrong one; JSON Lines and Parquet have no limit."""
_WHOLE_FILES = (".json", ".json.gz", ".csv", ".tsv")
_KNOWN = (*SUFFIXES, *_WHOLE_FILES)
_SPLIT_WORDS = ("train", "test", "validation", "valid", "val", "dev")
_VALIDATION_WORDS = ("validation", "valid", "val", "dev")
_SPLIT_ENDING = re.compile(rf"[_-](?:{'|'.join(_SPLIT_WORDS)})\Z")
_SHARD = re.compile(r"-\d{5}-of-\d{5}\Z")
_LISTS = ("examples", "example", "data")
"""Keys under which a JSON object holds its rows: BIG-bench's, GAOKAO-Bench's, and the common one."""


class Place(NamedTuple):
    """A row and what its file's name says it is about: for benchmarks with a file per subject."""

    stem: str
    row: Row


def read_places(path: Path, *, split: str | None, default_split: str | None, columns: tuple[str, ...] | None = None) -> Iterator[Place]:
    """Yield the rows of a file, or of a folder's files of one split, sorted by their path.

    Args:
        split: a word in the files' paths below the folder; None = the default one, or every file where no path names a split.
        default_split: the split that scores are given for; None = the benchmark has no splits.
        columns: names for CSV and TSV files without a header; None = their first line is one.

    Raises:
        DataError: nothing is there, a file cannot be read, or the folder has other splits only.
    """
    path = path.expanduser()
    if path.is_dir():
        files = _of_split(path, split, default_split)
    elif split not in (None, "all"):
        raise DataError(f"{path}: is one file, and split {split!r} chooses among the files of a folder. Name the folder or leave it out")
    else:
        files = [path]
    for file in files:
        for row in _read(file, columns):
            yield Place(stem_of(file), row)


def stem_of(path: Path) -> str:
    """Return what a file's name says it is about; where it only names a split or a shard, the folder's name.

    >>> stem_of(Path("bbh/web_of_lies.json.gz")), stem_of(Path("anatomy_test.csv")), stem_of(Path("snarks/test-00000-of-00001.parquet"))
    ('web_of_lies', 'anatomy', 'snarks')
    """
    stem = _SPLIT_ENDING.sub("", _SHARD.sub("", path.name.split(".")[0]))
    return path.absolute().parent.name if stem.lower() in _SPLIT_WORDS else stem


def _of_split(folder: Path, split: str | None, default_split: str | None) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.lower().endswith(_KNOWN))
    if not found:
        raise DataError(f"{folder}: holds no data file. Known endings: {', '.join(_KNOWN)}")
    names = {path: path.relative_to(folder).as_posix() for path in found}
    if split == "all" or (split is None and default_split is None):
        chosen = found
    else:
        wanted = split or default_split or ""
        chosen = [path for path in found if _has_word(names[path], wanted)]
        if not chosen and wanted in _VALIDATION_WORDS:
            chosen = [path for path in found if any(_has_word(names[path], word) for word in _VALIDATION_WORDS)]
        if not chosen and split is None and not any(_has_word(name, word) for name in names.values() for word in _SPLIT_WORDS):
            chosen = found
        if not chosen:
            raise DataError(f"{folder}: no file of split {wanted!r}. Files there: {', '.join(list(names.values())[:6])}")
    stems: dict[tuple[Path, str], Path] = {}
    for path in chosen:
        first = stems.setdefault((path.parent, path.name.split(".")[0]), path)
        if first is not path:
            raise DataError(f"{folder}: {first.name} and {path.name} look like the same rows twice. Name one file, or remove one")
    return chosen


def _has_word(name: str, word: str) -> bool:
    return re.search(rf"(?:^|[^a-z0-9]){re.escape(word.lower())}(?:[^a-z0-9]|$)", name.lower()) is not None


def _read(path: Path, columns: tuple[str, ...] | None) -> Iterator[Row]:
    name = path.name.lower()
    if name.endswith((".json", ".json.gz")):
        yield from _json_rows(path)
    elif name.endswith((".csv", ".tsv")):
        yield from _separated_rows(path, "\t" if name.endswith(".tsv") else ",", columns)
    elif name.endswith(SUFFIXES) or path.exists():
        if not name.endswith(SUFFIXES):
            raise DataError(f"{path}: unknown kind of file. Known endings: {', '.join(_KNOWN)}")
        yield from read_rows(path, nan_is_null=True)
    else:
        raise DataError(f"{path}: no such file or folder")


def read_json(path: Path) -> Any:
    """Return the content of a whole JSON file.

    Raises:
        DataError: it is missing, too large, not UTF-8 or not JSON.
    """
    return _parsed(path, _text(path))


def _parsed(path: Path, text: str, line: str = "") -> Any:
    try:
        return json.loads(text, parse_constant=_as_null)
    except RecursionError:
        raise DataError(f"{path}{line}: nested too deeply") from None
    except ValueError as error:
        detail = f"{error.msg} at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else str(error)[:100]
        raise DataError(f"{path}{line}: not valid JSON: {detail}") from None


def _as_null(name: str) -> None:
    """Stand for NaN and Infinity, which are no JSON: pandas writes them for what is missing."""


def _json_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a list, of an object that holds one, or of an object of objects; else the object is the only row.

    MedMCQA's and other files hold JSON Lines in spite of their name.
    """
    text = _text(path)
    first, _, rest = text.strip().partition("\n")
    if first.startswith("{") and first.rstrip().endswith("}") and rest.startswith("{"):
        content: Any = [_parsed(path, line, f":{number}") for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    else:
        content = _parsed(path, text)
    if isinstance(content, dict):
        held = next((content[key] for key in _LISTS if isinstance(content.get(key), list)), None)
        if held is not None:
            content = held
        elif content and all(isinstance(value, dict) for value in content.values()):
            content = [{"key": key, **value} for key, value in content.items()]
        else:
            content = [content]
    if not isinstance(content, list):
        raise DataError(f"{path}: a {type(content).__name__}, not a list of rows")
    for number, values in enumerate(content, start=1):
        if not isinstance(values, dict):
            raise DataError(f"{path}: row {number} is a {type(values).__name__}, not an object with named columns")
        yield Row(f"{path}: row {number}", values)


def _separated_rows(path: Path, delimiter: str, columns: tuple[str, ...] | None) -> Iterator[Row]:
    # Quotes mean nothing in tab-separated files: MGSM's questions have single ones.
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    header = columns
    try:
        for cells in reader:
            place = f"{path}:{reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = tuple(cell.strip() for cell in cells)
                continue
            if len(cells) != len(header):
                raise DataError(f"{place}: {len(cells)} cells; {len(header)} are wanted: {', '.join(header)}")
            yield Row(place, dict(zip(header, cells)))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not readable as separated values: {error}") from None


def _text(path: Path) -> str:
    """Return a whole text file, unpacked."""
    try:
        with path.open("rb") as raw:
            reader = gzip.GzipFile(fileobj=raw) if path.name.lower().endswith(".gz") else raw
            data = reader.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file or folder") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip data is cut or corrupt ({error}). Copy the file again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    refuse_placeholder(path, data[:256])
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"{path}: more than {MAX_FILE_BYTES >> 20} MiB. Is it the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8") from None
