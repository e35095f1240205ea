"""What a late stage would refuse is refused before the first one, and by a dry run, each with a line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from reasonforge.core.errors import DataError, RecipeError, UnavailableError
from reasonforge.corpus.loop import preflight
from reasonforge.corpus.loop.preflight import check_inputs
from tests.corpus.loop import web

Check = Callable[..., None]


@pytest.fixture
def check(tiny_web: Path, tmp_path: Path) -> Check:
    """Check the recipe of the small web with settings changed."""
    return lambda *overrides, annotation="file": check_inputs(
        web.load(tiny_web, *overrides, annotation=annotation).recipe, tmp_path / "corpus"
    )


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def inputs(part: str, kind: str, path: Path | str, more: str = "") -> str:
    return f'--{part}.inputs=[{{type="{kind}", paths=["{path}"]{more}}}]'


def test_what_is_as_it_should_be_passes(check: Check, tmp_path: Path) -> None:
    check()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ["--pack.sources.code.text_field=content"],
            r"pack\.sources\.code: .*code\.jsonl: none of its first 40 rows has a text in the column 'content', .*There are: text\.",
        ),
        (["--pack.sources.code.paths=['/nowhere/*']"], r"pack\.sources\.code: /nowhere/\*: no file matches"),
        (["--truth={web}/benchmark.jsonl"], r"truth: .*benchmark\.jsonl: cannot read this Parquet file"),
        (["--annotation.path={web}/seeds.jsonl"], r"annotation\.path: .*seeds\.jsonl"),
        (["--pack.tokenizer={type='folder', path='{web}'}"], r"pack\.tokenizer\.path: .*tokenizer\.json"),
    ],
)
def test_what_the_last_stages_read_is_looked_into(check: Check, tiny_web: Path, settings: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        check(*(setting.replace("{web}", str(tiny_web)) for setting in settings))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{type="file", name="farm", path="PATH", id_column="num"}', r"benchmark\.jsonl:1: no column 'num'\. There are: id, question"),
        ('{type="file", name="farm", path="PATH", columns=["prompt"]}', r"\(farm\): .*no column 'prompt'"),
        ('{type="benchmark", name="gsm8k", path="PATH"}', r"decontamination\.sources \(gsm8k\): .*benchmark\.jsonl"),
    ],
)
def test_a_benchmark_is_read_as_decontamination_reads_it(check: Check, tiny_web: Path, source: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check(f"--decontamination.sources=[{source.replace('PATH', f'{tiny_web}/benchmark.jsonl')}]")


def test_a_benchmark_is_read_to_its_end(check: Check, tmp_path: Path) -> None:
    path = lines(tmp_path / "b.jsonl", *({"id": "a", "question": "one two three four"} for _ in range(500)), {"id": "b"})
    with pytest.raises(DataError, match=r"b\.jsonl:501: no column 'question'"):
        check(f'--decontamination.sources=[{{type="file", name="x", path="{path}", id_column="id"}}]')


def test_a_benchmark_of_an_unknown_name_is_a_mistake_of_the_recipe(check: Check, tiny_web: Path) -> None:
    with pytest.raises(RecipeError, match="Did you mean 'gsm8k'"):
        check(f'--decontamination.sources=[{{type="benchmark", name="gsm8kk", path="{tiny_web}/benchmark.jsonl"}}]')


@pytest.mark.parametrize(("answer", "passes"), [("42", False), ("the hen lays", True)])
def test_benchmarks_of_which_nothing_would_be_looked_for_are_refused(check: Check, tmp_path: Path, answer: str, passes: bool) -> None:
    path = lines(tmp_path / "b.jsonl", {"question": "42"}, {"question": answer})
    setting = f'--decontamination.sources=[{{type="file", name="x", path="{path}"}}]'
    if passes:
        check(setting)
    else:
        with pytest.raises(DataError, match="none of the 2 benchmark texts has 3 words"):
            check(setting)


@pytest.mark.parametrize(
    ("row", "more", "words"),
    [
        ({"link": "https://a.org", "text": "x"}, "", r"'url' or 'metadata\.url', for the URL \(url\)\. There are: link, text\."),
        ({"url": "https://a.org", "content": "x"}, "", r"'text' or 'html', for the page \(text or html\)\. There are: url, content"),
        ({"url": "https://a.org", "text": "x"}, ', html="body"', r"'body', for the page \(html\)"),
        ({"url": 3, "text": "x"}, "", "'url'"),
        ({"url": "https://a.org", "metadata": {"body": "x"}}, ', text="metadata.text"', r"'metadata\.text'"),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("part", ["crawl", "seed_documents"])
def test_rows_without_a_url_or_a_page_are_told_what_was_looked_for(
    check: Check, tmp_path: Path, part: str, kind: str, row: dict[str, object], more: str, words: str
) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "parquet":
        pl.DataFrame([row] * 3).write_parquet(path)
    else:
        lines(path, *[row] * 3)
    with pytest.raises(DataError, match=rf"{part}\.inputs: .*x\.{kind}: none of its first 3 rows has a text in the column .*{words}"):
        check(inputs(part, kind, path, more))


@pytest.mark.parametrize(
    ("row", "more"),
    [
        ({"metadata": {"url": "https://a.org"}, "text": "x"}, ""),
        ({"metadata": '{"url": "https://a.org"}', "html": "<p>x"}, ""),
        ({"u": "https://a.org", "page": {"body": "x"}}, ', url="u", html="page.body"'),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_columns_are_found_wherever_ingestion_finds_them(
    check: Check, tmp_path: Path, kind: str, row: dict[str, object], more: str
) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "parquet":
        pl.DataFrame([row] * 3).write_parquet(path)
    else:
        lines(path, *[row] * 3)
    check(inputs("crawl", kind, path, more))


@pytest.mark.parametrize(
    "empty",
    [
        {"url": "https://a.org", "text": None},
        {"url": None, "text": "x"},
        {"url": None, "text": None},
        {"metadata": None, "text": "x"},
        {"metadata": {"url": None}, "text": "x"},
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_hundred_rows_without_a_text_in_a_column_that_is_there_may_have_good_ones_behind_them(
    check: Check, tmp_path: Path, kind: str, empty: dict[str, object]
) -> None:
    path = tmp_path / f"x.{kind}"
    rows = [*[empty] * 100, {"url": "https://a.org", "text": "x", "metadata": {"url": "https://a.org"}}]
    if kind == "parquet":
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    else:
        lines(path, *rows)
    check(inputs("crawl", kind, path))
    check(f"--pack.sources.code.paths=['{path}']")


@pytest.mark.parametrize(("first", "second"), [({"text": None}, {"text": 3}), ({"text": {}}, {"text": None}), ({}, {"txt": None})])
def test_nulls_do_not_excuse_what_is_neither_text_nor_null_nor_a_column_that_is_missing(
    check: Check, tmp_path: Path, first: dict[str, object], second: dict[str, object]
) -> None:
    url = {"url": "https://a.org"}
    path = lines(tmp_path / "x.jsonl", *({**url, **row} for row in (first, second)), *[url] * 98, {**url, "text": "x"})
    with pytest.raises(DataError, match="none of its first 100 rows has a text in the column 'text' or 'html'"):
        check(inputs("crawl", "jsonl", path))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_of_a_file_with_none_of_the_columns_those_are_listed_that_it_has(check: Check, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "parquet":
        pl.DataFrame({"a": [1], "b": ["x"]}).write_parquet(path)
    else:
        lines(path, {"a": 1, "b": "x"})
    with pytest.raises(DataError, match=r"for the URL \(url\), and .* for the page \(text or html\)\. There are: a, b\."):
        check(inputs("crawl", kind, path))


def test_a_few_bad_rows_are_not_the_checks_business(check: Check, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('nonsense\n{"text": "no URL"}\n{"url": "https://a.org", "text": "x"}\n')
    check(inputs("crawl", "jsonl", path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.jsonl", b"nonsense\nmore\n", "none of its first 2 rows is a JSON object"),
        ("x.jsonl", b"", "is empty"),
        ("x.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("x.parquet", b"nonsense", "cannot be read as Parquet"),
        ("x.warc", b"nonsense", "no WARC record in it"),
        ("x.wet", b"<!doctype html>", "is a web page, not data"),
    ],
)
def test_a_file_of_another_kind_is_named(check: Check, tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        check(inputs("crawl", name.partition(".")[2], tmp_path / name))


def test_every_problem_has_its_line(check: Check, tiny_web: Path) -> None:
    with pytest.raises(DataError) as refusal:
        check(
            inputs("crawl", "jsonl", "/nowhere/c*.jsonl"),
            inputs("seed_documents", "jsonl", f"{tiny_web}/code.jsonl"),
            "--truth=/nowhere/t.parquet",
            "--annotation.path=/nowhere/said.jsonl",
            '--decontamination.sources=[{type="benchmark", name="nobody", path="/nowhere"}, {type="file", name="b", path="/nowhere/b"}]',
            "--pack.tokenizer={type='folder', path='/nowhere/model'}",
            "--pack.sources.code.paths=['/nowhere/a', '/nowhere/b']",
        )
    assert [line.partition(": ")[0] for line in str(refusal.value).splitlines()] == [
        "crawl.inputs",
        "seed_documents.inputs",
        "truth",
        "annotation.path",
        "decontamination.sources (nobody)",
        "decontamination.sources (b)",
        "pack.tokenizer.path",
        "pack.sources.code",
        "pack.sources.code",
    ]


def test_of_a_url_the_first_file_is_asked_for(check: Check) -> None:
    with pytest.raises(DataError, match=r"pack\.sources\.code: memory://nowhere/x\.jsonl: no such file"):
        check("--pack.sources.code.paths=['memory://nowhere/x.jsonl']")


def test_a_url_that_nothing_reads_is_not_a_matter_of_data(check: Check) -> None:
    with pytest.raises(UnavailableError, match=r"pack\.sources\.code: nosuch://x"):
        check("--pack.sources.code.paths=['nosuch://x']")


def test_nobody_waits_for_a_server_that_is_silent(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def silent(found: object, root: Path) -> None:
        released.wait(5)
        raise DataError("who waits hears this")

    monkeypatch.setattr(preflight, "REMOTE_SECONDS", 0.05)
    monkeypatch.setattr(preflight, "as_input", silent)
    check("--pack.sources.code.paths=['memory://a/x.jsonl', 'memory://a/y.jsonl']")
    released.set()


def test_a_person_who_is_waited_for_needs_no_file(check: Check) -> None:
    check(annotation="human")
