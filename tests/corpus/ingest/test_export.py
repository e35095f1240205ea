"""``reasonforge corpus extract``: files in, one file of pages out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from reasonforge.cli.corpus_extract import extract
from reasonforge.cli.main import main
from reasonforge.core.errors import DataError, ReasonforgeError, RecipeError
from reasonforge.corpus import pool
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.ingest.export import extract_files
from reasonforge.corpus.pages import SCHEMA, read_table
from reasonforge.corpus.pool import InProcess, ProcessPool
from tests.corpus.warcs import members, page, starts, text_page, warcinfo, write, write_warc

UNPACK = {
    ".jsonl": bytes,
    ".jsonl.gz": gzip.decompress,
    ".jsonl.zst": lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed),
}


def files(*paths: Path, **more: Any) -> IngestConfig:
    return IngestConfig.model_validate({"inputs": [{"type": "warc", "paths": [str(path) for path in paths], **more}]})


def warc(folder: Path, name: str = "a.warc.gz", count: int = 3) -> Path:
    return write_warc(
        folder / name, [warcinfo(), *(page(f"<title>T</title><p>Page {n} of {name}.", f"http://h{n}.example/") for n in range(count))]
    )


@pytest.mark.parametrize("ending", UNPACK)
def test_pages_are_written_in_the_layout_of_datatrove(ending: str, tmp_path: Path) -> None:
    extract_files(files(warc(tmp_path)), tmp_path / f"pages{ending}", InProcess())
    lines = UNPACK[ending]((tmp_path / f"pages{ending}").read_bytes()).decode().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["text"] for row in rows] == [f"Page {n} of a.warc.gz." for n in range(3)]
    assert all(set(row) == {"text", "id", "metadata"} for row in rows)
    about = rows[0]["metadata"]
    assert (about["url"], about["normal_url"], about["date"], about["title"]) == (
        "http://h0.example/",
        "https://h0.example/",
        "2024-05-06T07:08:09Z",
        "T",
    )


def test_parquet_has_the_columns_of_pages(tmp_path: Path) -> None:
    extract_files(files(warc(tmp_path), warc(tmp_path, "b.warc")), tmp_path / "pages.parquet", InProcess())
    table = read_table(tmp_path / "pages.parquet")
    assert table.schema == SCHEMA
    assert table["warc"].to_list() == ["a.warc.gz"] * 3 + ["b.warc"] * 3


def test_what_was_written_can_be_read_in_again(tmp_path: Path) -> None:
    extract_files(files(warc(tmp_path)), tmp_path / "pages.jsonl.zst", InProcess())
    again = IngestConfig.model_validate({"inputs": [{"type": "jsonl", "paths": [str(tmp_path / "pages.jsonl.zst")]}]})
    counts = extract_files(again, tmp_path / "again.parquet", InProcess())
    extract_files(files(warc(tmp_path)), tmp_path / "pages.parquet", InProcess())
    same = ["url", "domain", "found_url", "text", "fetched_at"]
    assert read_table(tmp_path / "again.parquet", same).equals(read_table(tmp_path / "pages.parquet", same))
    assert counts.kept == 3


def test_the_same_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = warc(tmp_path)
    assert extract_files(files(path, path), tmp_path / "pages.jsonl", InProcess()).taken == 3


def test_nothing_is_left_beside_the_output(tmp_path: Path) -> None:
    path = warc(tmp_path)
    extract_files(files(path), tmp_path / "pages.jsonl", InProcess())
    with pytest.raises(DataError):
        extract_files(files(path, write(tmp_path / "b.warc.gz", [b"x"])), tmp_path / "more.jsonl", InProcess())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.warc.gz", "b.warc.gz", "pages.jsonl"]


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the verb work in this process: starting others takes longer than what is asked here."""
    monkeypatch.setattr(pool, "ProcessPool", lambda workers: InProcess())


def rows_file(folder: Path, name: str = "rows.jsonl") -> Path:
    """Write five rows of text that are good and two that are not."""
    lines = [json.dumps({"url": f"http://h{n}.example/", "text": f"Words {n}."}) for n in range(5)]
    return write(folder / name, ["\n".join([*lines, "nonsense", '{"url": "mailto:a@example.org", "text": "x"}']).encode()])


@pytest.mark.usefixtures("in_process")
def test_counts_and_reasons_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert extract([str(rows_file(tmp_path))], out=tmp_path / "pages.jsonl.zst", workers=1) == 0
    said = " ".join(capsys.readouterr().out.split())
    for line in (
        "rows.jsonl: 5 of 7 pages",
        "bad_row 1 a row that is no JSON object",
        "url_other_scheme 1 the URL is",
        "7 pages in, 5 out",
    ):
        assert line in said


@pytest.mark.usefixtures("in_process")
def test_counts_are_one_object_of_json_where_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extract(
        [str(rows_file(tmp_path, "a.jsonl")), str(rows_file(tmp_path, "b.jsonl"))], out=tmp_path / "pages.parquet", workers=2, as_json=True
    )
    said = json.loads(capsys.readouterr().out)
    assert (said["taken"], said["kept"], said["dropped"]) == (14, 10, {"bad_row": 2, "url_other_scheme": 2})
    assert pl.read_parquet(tmp_path / "pages.parquet").height == 10


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    asked = files(*(warc(tmp_path, f"{name}.warc.gz") for name in "ab"))
    extract_files(asked, tmp_path / "here.jsonl.zst", InProcess())
    extract_files(asked, tmp_path / "there.jsonl.zst", ProcessPool(2))
    assert (tmp_path / "here.jsonl.zst").read_bytes() == (tmp_path / "there.jsonl.zst").read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.warc.gz", None, "no such file"),
        ("empty.warc.gz", b"", "is empty"),
        ("foreign.warc.gz", b"PK\x03\x04" + b"x" * 500, "no WARC record in it"),
        ("cut.warc.gz", b"".join(members([page("<p>a"), page("<p>b")]))[:-30], "the file is cut"),
        ("foreign.parquet", b"PK\x03\x04" + b"x" * 500, "cannot be read as Parquet"),
    ],
)
def test_a_bad_file_is_exit_code_65_and_no_output(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        write(tmp_path / name, [content])
    kind = "parquet" if name.endswith("parquet") else "warc"
    asked = IngestConfig.model_validate({"inputs": [{"type": kind, "paths": [str(tmp_path / name)]}]})
    with pytest.raises(ReasonforgeError, match=message) as caught:
        extract_files(asked, tmp_path / "pages.jsonl", InProcess())
    assert caught.value.exit_code == 65
    assert not (tmp_path / "pages.jsonl").exists()


def test_a_name_that_does_not_say_what_a_file_is_must_be_helped(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Say it with --type"):
        extract(["crawl.bin"], out=tmp_path / "pages.jsonl")


@pytest.mark.usefixtures("in_process")
def test_an_output_of_an_unknown_kind_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"its ending must say what to write: \.jsonl, "):
        extract([str(tmp_path / "absent.warc.gz")], out=tmp_path / "pages.txt", workers=1)


@pytest.mark.usefixtures("in_process")
def test_an_output_that_is_there_is_kept_unless_asked(tmp_path: Path) -> None:
    path, out = rows_file(tmp_path), tmp_path / "pages.jsonl"
    out.write_text("mine")
    with pytest.raises(RecipeError, match="--overwrite"):
        extract([str(path)], out=out, workers=1)
    assert out.read_text() == "mine"
    extract([str(path)], out=out, workers=1, overwrite=True, quiet=True)
    assert len(out.read_text().splitlines()) == 5


@pytest.mark.usefixtures("in_process")
def test_a_cut_file_is_taken_with_the_option(tmp_path: Path) -> None:
    packed = gzip.compress(rows_file(tmp_path).read_bytes() * 500)
    path = write(tmp_path / "cut.jsonl.gz", [packed[:-50]])
    with pytest.raises(DataError, match=r"or take what is there: --allow-truncated$"):
        extract([str(path)], out=tmp_path / "pages.jsonl", workers=1, quiet=True)
    assert extract([str(path)], out=tmp_path / "pages.jsonl", workers=1, allow_truncated=True, quiet=True) == 0
    assert starts([path.read_bytes()])[1] == len(packed) - 50


@pytest.mark.usefixtures("in_process")
def test_a_wet_file_under_another_name_is_recognised_as_what_it_may_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_warc(tmp_path / "a.warc.gz", [warcinfo(), text_page("Words.")])
    assert extract([str(path)], out=tmp_path / "pages.jsonl") == 0
    assert "1 conversion, 1 warcinfo. Is it a WET file? Say so with --type wet" in capsys.readouterr().out
    assert extract([str(path)], out=tmp_path / "text.jsonl", kind="wet", quiet=True) == 0
    assert json.loads((tmp_path / "text.jsonl").read_text())["text"] == "Words."


@pytest.mark.usefixtures("in_process")
def test_the_command_line_ends_with_the_code_that_says_what_happened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = warc(tmp_path)
    cut = write(tmp_path / "cut.warc.gz", [good.read_bytes()[:-40]])
    foreign = write(tmp_path / "foreign.warc.gz", [b"PK\x03\x04" + b"x" * 500])
    empty = write(tmp_path / "empty.warc.gz", [b""])
    for number, (given, code) in enumerate({(good,): 0, (cut,): 65, (cut, "--allow-truncated"): 0, (foreign,): 65, (empty,): 65}.items()):
        arguments = ["corpus", "extract", *map(str, given), "--out", str(tmp_path / f"{number}.jsonl.zst"), "--quiet"]
        assert main(arguments) == code
        assert (tmp_path / f"{number}.jsonl.zst").exists() == (code == 0)
    assert main(["corpus", "extract", str(tmp_path / "absent.warc.gz"), "--out", str(tmp_path / "x.jsonl")]) == 65
    assert main(["corpus", "extract", str(good), "--out", str(tmp_path / "x.txt")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.partition(": ")[0] for line in said.err.splitlines()] == ["error"] * 5


def odd_rows(folder: Path, name: str = "odd.jsonl") -> Path:
    """Write pages whose columns have names of their own."""
    rows = [{"link": f"http://h{n}.example/", "content": f"<title>T</title><p>Words {n}.", "n": n} for n in range(3)]
    return write(folder / name, ["\n".join(map(json.dumps, rows)).encode()])


@pytest.mark.usefixtures("in_process")
def test_columns_of_other_names_are_told_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        extract([str(odd_rows(tmp_path))], out=tmp_path / "pages.jsonl")
    assert str(caught.value) == (
        f"{tmp_path}/odd.jsonl: no row has a text in the columns 'url' or 'metadata.url' and 'text' or 'html'. "
        "There are: link, content, n. Name those of the URL and the page: --url-field, and --text-field or --html-field"
    )
    assert not (tmp_path / "pages.jsonl").exists()


@pytest.mark.usefixtures("in_process")
def test_columns_of_a_parquet_file_are_told(tmp_path: Path) -> None:
    pl.DataFrame({"link": ["http://h.example/"], "content": ["x"]}).write_parquet(tmp_path / "odd.parquet")
    with pytest.raises(DataError, match=r"'link' and 'text' or 'html'\. There are: link, content"):
        extract([str(tmp_path / "odd.parquet")], out=tmp_path / "pages.jsonl", url_field="link")


@pytest.mark.usefixtures("in_process")
def test_a_file_that_is_no_json_lines_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "page.jsonl", [b"url,text\nhttp://h.example/,Words.\n"])
    with pytest.raises(DataError, match=r"page\.jsonl: none of its rows is a JSON object. Is it JSON Lines\?"):
        extract([str(path)], out=tmp_path / "pages.jsonl")


@pytest.mark.usefixtures("in_process")
def test_one_file_of_wrong_columns_beside_a_good_one_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [str(odd_rows(tmp_path)), str(rows_file(tmp_path))]
    assert extract(given, out=tmp_path / "pages.jsonl", quiet=True) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {tmp_path}/odd.jsonl: no row has a text in the columns")
    assert len((tmp_path / "pages.jsonl").read_text().splitlines()) == 5


@pytest.mark.usefixtures("in_process")
def test_columns_can_be_named(tmp_path: Path) -> None:
    path = str(odd_rows(tmp_path))
    assert extract([path], out=tmp_path / "html.jsonl", url_field="link", html_field="content", quiet=True) == 0
    assert extract([path], out=tmp_path / "text.jsonl", url_field="link", text_field="content", quiet=True) == 0
    texts = [json.loads((tmp_path / name).read_text().splitlines()[0])["text"] for name in ("html.jsonl", "text.jsonl")]
    assert texts == ["Words 0.", "<title>T</title><p>Words 0."]


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        ("a.warc.gz", {"url_field": "link"}, r"--url-field: is about rows of JSON Lines and Parquet, and .*a\.warc\.gz is WARC"),
        ("a.jsonl", {"text_field": "a", "html_field": "b"}, "a page has one content"),
    ],
)
def test_columns_without_an_effect_are_refused(name: str, columns: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=words):
        extract([str(tmp_path / name)], out=tmp_path / "pages.jsonl", **columns)


@pytest.mark.usefixtures("in_process")
def test_rows_that_have_columns_and_no_words_are_no_matter_of_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [b'{"url": "http://h.example/", "text": " "}\n{"url": "http://h.example/"}\n'])
    assert extract([str(path)], out=tmp_path / "pages.jsonl", quiet=True) == 0


def test_no_file_is_read_before_it_is_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.corpus.ingest.inputs.file_input", lambda *_: pytest.fail("read for its digest"))
    assert extract_files(files(warc(tmp_path)), tmp_path / "pages.jsonl", InProcess()).kept == 3


@pytest.mark.usefixtures("in_process")
def test_a_file_that_two_patterns_match_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rows_file(tmp_path)
    assert extract([str(tmp_path / "*.jsonl"), str(path)], out=tmp_path / "pages.parquet", quiet=True) == 0
    assert "rows.jsonl is named by" in capsys.readouterr().err
