"""From files to ``pages.parquet``: what is kept, what is dropped and why, and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brotli
import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.ingest import dropped, writer
from reasonforge.corpus.ingest import units as ingest_units
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.ingest.dropped import DROPPED_CAPTURES, url_hash
from reasonforge.corpus.ingest.units import plan_pages
from reasonforge.corpus.pages import PAGES, SCHEMA, Flag, page_id, read_table
from reasonforge.corpus.reasons import REASONS
from reasonforge.corpus.units import Counts, Receipt, Store, execute, file_digest
from tests.corpus.warcs import http, members, page, record, starts, text_page, warcinfo, write, write_warc

TEXT = (
    "<html><head><title>On primes</title></head><body>"
    "<p>There are infinitely many of them, as <script type='math/tex'>p!+1</script> shows.</body></html>"
)


def config(
    *paths: Path | str, kind: str = "warc", extract: Mapping[str, Any] | None = None, limits: Mapping[str, Any] | None = None, **more: Any
) -> IngestConfig:
    inputs = [{"type": kind, "paths": [str(path) for path in paths], **more}]
    return IngestConfig.model_validate({"inputs": inputs, "limits": limits or {}, "extract": extract or {}})


def run(asked: IngestConfig, root: Path) -> list[tuple[Receipt, pl.DataFrame]]:
    store = Store(root)
    receipts = [execute(unit, store) for unit in plan_pages(asked, store)]
    return [(receipt, read_table(store.output(receipt, PAGES))) for receipt in receipts]


def one(asked: IngestConfig, root: Path) -> tuple[Counts, pl.DataFrame]:
    ((receipt, table),) = run(asked, root)
    return receipt.counts, table


def test_a_page_has_all_that_its_row_promises(tmp_path: Path) -> None:
    parts = members([warcinfo(), page(TEXT, "http://www.Example.org:80/a/../b?x=1#top")])
    path = write(tmp_path / "crawl.warc.gz", parts)
    counts, table = one(config(path, crawl="2024-20"), tmp_path / "out")
    assert table.schema == SCHEMA
    row = table.row(0, named=True)
    assert {name: row[name] for name in ("url", "host", "domain", "path", "found_url")} == {
        "url": "https://example.org/b?x=1",
        "host": "example.org",
        "domain": "example.org",
        "path": "/b",
        "found_url": "http://www.Example.org:80/a/../b?x=1#top",
    }
    assert (row["crawl"], row["warc"], row["fetched_at"], row["charset"]) == ("2024-20", "crawl.warc.gz", "2024-05-06T07:08:09Z", "utf-8")
    assert (row["title"], row["text"]) == ("On primes", "There are infinitely many of them, as $p!+1$ shows.")
    assert (row["num_chars"], row["num_formulas"], row["flags"]) == (len(row["text"]), 1, 0)
    assert row["id"] == page_id(row["found_url"], row["fetched_at"], "crawl.warc.gz", len(parts[0]))
    assert path.read_bytes()[row["offset"] : row["offset"] + row["length"]] == parts[1]
    assert counts == Counts(1, 1, {}, {"records_warcinfo": 1, "chars": len(row["text"]), "formulas": 1})


DROPPED = {
    "revisit": record(http(b""), kind="revisit"),
    "continuation": record(b"<p>more", kind="continuation"),
    "not_http": record(b"20240506070809\n192.0.2.1\n", content_type="text/dns"),
    "http_status": page("<p>gone", status="301 Moved Permanently"),
    "not_html": page(b"%PDF-1.4 ..."),
    "empty_body": page(" \r\n"),
    "no_text": page("<html><script>var a = '<p>text';</script></html>"),
    "soft_404": page("<title>404 Not Found</title><p>The page is not there."),
    "bomb": page(gzip.compress(b"\0" * 2_000_000), headers={"Content-Encoding": "gzip"}),
    "url_too_long": page(TEXT, "http://example.org/?" + "q" * 3_000),
    "url_empty": page(TEXT, ""),
    "url_other_scheme": page(TEXT, "data:text/html,<p>x"),
}


@pytest.mark.parametrize("reason", DROPPED)
def test_what_is_dropped_has_its_reason(reason: str, tmp_path: Path) -> None:
    path = write_warc(tmp_path / "a.warc.gz", [DROPPED[reason], page(TEXT)])
    counts, table = one(config(path, limits={"max_html_bytes": 1 << 16, "max_inflated_bytes": 1 << 20}), tmp_path / "out")
    assert (counts.taken, counts.kept, counts.dropped) == (2, 1, {reason: 1})
    assert table["text"].str.contains("infinitely many").all()


def test_every_reason_has_a_sentence() -> None:
    assert all(REASONS[reason] and not REASONS[reason].endswith(".") for reason in DROPPED)


def drops(asked: IngestConfig, root: Path) -> pl.DataFrame:
    ((receipt, _),) = run(asked, root)
    return read_table(Store(root).output(receipt, DROPPED_CAPTURES))


def test_what_is_dropped_is_listed_with_its_place_in_the_file(tmp_path: Path) -> None:
    url = "http://www.Example.org/gone#top"
    parts = members([page(TEXT), page(TEXT, url, status="404 Not Found")])
    table = drops(config(write(tmp_path / "a.warc.gz", [*parts, b"noise" * 20]), crawl="2024-20"), tmp_path / "out")
    assert table.schema == dropped.SCHEMA
    gone, span = table.rows(named=True)
    assert gone == {
        "id": page_id(url, "2024-05-06T07:08:09Z", "a.warc.gz", len(parts[0])),
        "url_hash": url_hash("https://example.org/gone"),
        "found_url": url,
        "crawl": "2024-20",
        "warc": "a.warc.gz",
        "offset": len(parts[0]),
        "fetched_at": "2024-05-06T07:08:09Z",
        "reason": "http_status",
    }
    assert (span["found_url"], span["offset"], span["reason"]) == ("", len(b"".join(parts)), "corrupt")


def test_a_url_that_is_no_text_is_listed_and_found(tmp_path: Path) -> None:
    gone = page(TEXT, "http://example.org/\x01ab", status="404 Not Found").replace(b"\x01ab", b"\x01\xff\xfe")
    path = write(tmp_path / "a.warc", [gone])
    rows = [r'{"url": "http://example.org/\ud800", "text": 1}']
    ((url,), (row,)) = (
        drops(config(path), tmp_path / "out")["found_url"],
        drops(config(write(tmp_path / "a.jsonl", ["\n".join(rows).encode()]), kind="jsonl"), tmp_path / "rows").rows(named=True),
    )
    assert url == "http://example.org/\x01\ufffd\ufffd"
    assert (row["found_url"], row["url_hash"]) == ("http://example.org/?", url_hash("http://example.org/?"))


def test_the_list_of_drops_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropped, "MAX_ROWS", 7)
    path = write(tmp_path / "a.jsonl", [b"nonsense\n" * 20])
    asked = config(path, kind="jsonl")
    assert drops(asked, tmp_path / "out")["offset"].to_list() == list(range(7))
    assert one(asked, tmp_path / "out")[0].dropped == {"bad_row": 20}


@pytest.mark.parametrize(
    "url", ["<http://example.org/a>", " http://example.org/a ", "http://user:pw@example.org/a", "http://example.org./a"]
)
def test_a_url_that_a_crawler_wrote_carelessly_is_read(url: str, tmp_path: Path) -> None:
    _, table = one(config(write_warc(tmp_path / "a.warc", [page(TEXT, url)])), tmp_path / "out")
    assert table["url"].to_list() == ["https://example.org/a"]


FLAGGED = {
    Flag.HTML_CUT: page(TEXT + "<p>word" * 5_000),
    Flag.RECORD_CUT: record(http(TEXT.encode()), headers={"WARC-Truncated": "length"}),
    Flag.DECODING_LOSSES: page(TEXT.encode() + b"\xff\xff" + "é".encode() * 90),
    Flag.NOT_ENCODED: page(TEXT, headers={"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}),
    0: page(TEXT),
}


@pytest.mark.parametrize("flag", FLAGGED)
def test_a_page_that_is_kept_in_spite_of_something_says_so(flag: int, tmp_path: Path) -> None:
    path = write_warc(tmp_path / "a.warc.gz", [FLAGGED[flag]])
    counts, table = one(config(path, limits={"max_html_bytes": 1 << 14, "max_inflated_bytes": 1 << 20}), tmp_path / "out")
    assert table["flags"].to_list() == [flag]
    assert sum(number for name, number in counts.noted.items() if name.startswith("flag_")) == (flag != 0)


def test_a_page_of_a_hundred_thousand_nested_tags_gives_its_flat_text(tmp_path: Path) -> None:
    path = write_warc(tmp_path / "a.warc.gz", [page("<div>" * 100_000 + "<p>Words at the bottom of it all.")])
    counts, table = one(config(path), tmp_path / "out")
    assert table.select("text", "flags").row(0) == ("Words at the bottom of it all.", Flag.FLAT)
    assert counts.noted["flag_flat"] == 1


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_compressed_page_is_read(coding: str, tmp_path: Path) -> None:
    packed = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.ZstdCompressor().compress}[coding](TEXT.encode())
    _, table = one(config(write_warc(tmp_path / "a.warc.gz", [page(packed, headers={"Content-Encoding": coding})])), tmp_path / "out")
    assert table["title"].to_list() == ["On primes"]


def test_a_corrupt_span_is_counted_and_the_pages_around_it_are_kept(tmp_path: Path) -> None:
    parts = members([page(TEXT, f"http://h{number}.example/") for number in range(5)])
    path = write(tmp_path / "a.warc.gz", [*parts[:2], b"noise" * 9 + parts[2][45:], *parts[3:]])
    counts, table = one(config(path), tmp_path / "out")
    assert (counts.taken, counts.kept, counts.dropped, counts.noted["lost_bytes"]) == (5, 4, {"corrupt": 1}, len(parts[2]))
    assert table["host"].to_list() == ["h0.example", "h1.example", "h3.example", "h4.example"]


def cut_file(folder: Path) -> Path:
    parts = members([page(TEXT, f"http://h{number}.example/") for number in range(4)])
    return write(folder / "cut.warc.gz", [b"".join(parts)[: starts(parts)[3] + 20]])


def test_a_cut_file_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"cut\.warc\.gz: the file is cut: .* after 3 pages\. Fetch it again, .*: allow_truncated = true in that table of inputs$",
    ):
        run(config(cut_file(tmp_path)), tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_cut_file_is_taken_as_far_as_it_goes_where_that_is_allowed(tmp_path: Path) -> None:
    counts, table = one(config(cut_file(tmp_path), allow_truncated=True), tmp_path / "out")
    assert (counts.kept, counts.dropped) == (3, {"truncated": 1})
    assert table.height == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 100, "no WARC record in it"),
        (gzip.compress(b"just text", mtime=0), "no WARC record in it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"<!DOCTYPE html><p>no such file", "is a web page, not data"),
    ],
)
def test_a_file_that_is_no_warc_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        run(config(write(tmp_path / "a.warc.gz", [content])), tmp_path / "out")


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_cut_json_lines_are_refused_unless_that_is_allowed(packing: str, tmp_path: Path) -> None:
    lines = "".join(json.dumps({"url": f"http://h{n}.example/", "text": "word " * n}) + "\n" for n in range(600)).encode()
    packed = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[packing](lines)
    path = write(tmp_path / f"a.jsonl.{packing}", [packed[:-200]])
    with pytest.raises(DataError, match="the file is cut"):
        run(config(path, kind="jsonl"), tmp_path / "out")
    counts, _ = one(config(path, kind="jsonl", allow_truncated=True), tmp_path / "out")
    assert counts.dropped.pop("truncated") == 1
    assert 0 < counts.kept < 600


def test_a_file_without_responses_gives_no_pages_and_is_no_error(tmp_path: Path) -> None:
    counts, table = one(config(write_warc(tmp_path / "a.warc.gz", [warcinfo(), record(b"GET /", kind="request")])), tmp_path / "out")
    assert (counts.taken, table.height, counts.noted) == (0, 0, {"records_warcinfo": 1, "records_request": 1})


def test_one_gzip_member_for_the_whole_file_gives_the_same_texts(tmp_path: Path) -> None:
    pages_of = [page(TEXT + str(number), f"http://h{number}.example/") for number in range(5)]
    _, table = one(config(write_warc(tmp_path / "a.warc.gz", pages_of)), tmp_path / "out")
    _, whole = one(config(write(tmp_path / "b.warc.gz", [gzip.compress(b"".join(pages_of))])), tmp_path / "out")
    assert whole["text"].to_list() == table["text"].to_list()
    assert whole["id"].n_unique() == 5


def test_wet_files_bring_their_text(tmp_path: Path) -> None:
    path = write_warc(tmp_path / "a.warc.wet.gz", [warcinfo(), text_page("One\r\n\n\n\nTwo\0 e\u0301\n", "http://h.example/")])
    counts, table = one(config(path, kind="wet"), tmp_path / "out")
    assert table["text"].to_list() == ["One\n\nTwo é"]
    assert (counts.taken, counts.kept) == (1, 1)


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_json_lines_of_datatrove_are_read_by_default(ending: str, tmp_path: Path) -> None:
    rows = [{"text": "Words.", "id": "1", "metadata": {"url": "http://h.example/", "date": "2024-01-02T03:04:05Z"}}, {"text": "Words."}]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode() + b"nonsense\n"
    packed = {".jsonl": bytes, ".jsonl.gz": gzip.compress, ".jsonl.zst": zstandard.ZstdCompressor().compress}[ending](content)
    counts, table = one(config(write(tmp_path / f"a{ending}", [packed]), kind="jsonl"), tmp_path / "out")
    assert counts.dropped == {"missing_field": 1, "bad_row": 1}
    assert table.select("text", "url", "fetched_at", "offset", "length").row(0) == (
        "Words.",
        "https://h.example/",
        "2024-01-02T03:04:05Z",
        0,
        0,
    )


def test_columns_are_what_the_settings_call_them(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame(
        {"page": ["http://h.example/"], "raw": [TEXT], "text": ["not this"], "meta": ['{"when": "2024-01-02 03:04:05"}']}
    ).write_parquet(path)
    _, table = one(config(path, kind="parquet", url="page", html="raw", date="meta.when"), tmp_path / "out")
    assert table.select("title", "fetched_at").row(0) == ("On primes", "2024-01-02T03:04:05Z")


def test_lone_surrogates_of_json_never_reach_the_pages(tmp_path: Path) -> None:
    lines = [r'{"url": "http://h.example/\ud800", "text": "a\ud800b"}', r'{"url": "http://h.example/2", "html": "<p>a\ud800b\u0000c"}']
    _, table = one(config(write(tmp_path / "a.jsonl", ["\n".join(lines).encode()]), kind="jsonl"), tmp_path / "out")
    assert table["text"].to_list() == ["ab", "a?bc"]


def test_text_that_came_as_such_with_more_marks_than_a_letter_has_is_cut_and_flagged(tmp_path: Path) -> None:
    lines = [json.dumps({"url": "http://h.example/", "text": f"a{marks * 90_000} end"}) for marks in ("\u0301\u0323", "x")]
    counts, table = one(config(write(tmp_path / "a.jsonl", ["\n".join(lines).encode()]), kind="jsonl"), tmp_path / "out")
    assert table["flags"].to_list() == [Flag.MARKS_CUT, 0]
    assert table["num_chars"][0] < 40
    assert counts.noted["flag_marks_cut"] == 1


def test_text_beyond_the_limit_is_cut_and_flagged(tmp_path: Path) -> None:
    line = json.dumps({"url": "http://h.example/", "text": "word " * 1_000}).encode()
    _, table = one(config(write(tmp_path / "a.jsonl", [line]), kind="jsonl", extract={"max_text_chars": 1_003}), tmp_path / "out")
    assert table.select("num_chars", "flags").row(0) == (1_003, Flag.TEXT_CUT)


def test_the_bytes_do_not_depend_on_how_much_is_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_warc(tmp_path / "a.warc.gz", [page(f"{TEXT}{number}", f"http://h{number}.example/") for number in range(50)])
    before = run(config(path), tmp_path / "one")[0][0].outputs
    for module in ("members", "rows"):
        monkeypatch.setattr(f"reasonforge.corpus.ingest.{module}._READ_BYTES", 11)
    assert run(config(path), tmp_path / "two")[0][0].outputs == before


def test_long_pages_make_short_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    monkeypatch.setattr(writer, "MAX_GROUP_CHARS", 1_000)
    path = write_warc(tmp_path / "a.warc.gz", [page(f"<p>{'x' * 400}", f"http://h{number}.example/") for number in range(10)])
    ((receipt, table),) = run(config(path), tmp_path / "out")
    file = parquet.ParquetFile(Store(tmp_path / "out").output(receipt, PAGES))
    assert [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)] == [3, 3, 3, 1]
    assert table["host"].to_list() == [f"h{number}.example" for number in range(10)]


def test_a_unit_keeps_its_key_when_its_folder_moves_and_files_are_added(tmp_path: Path) -> None:
    def keys(folder: Path) -> list[str]:
        return [unit.key for unit in plan_pages(config(folder / "*" / "*.warc.gz"), Store(tmp_path / "out"))]

    for name in ("x", "y"):
        (tmp_path / "one" / name).mkdir(parents=True)
        write_warc(tmp_path / "one" / name / "a.warc.gz", [page(TEXT, f"http://{name}.example/")])
    before = keys(tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "two")
    (tmp_path / "two" / "a").mkdir()
    write_warc(tmp_path / "two" / "a" / "a.warc.gz", [page(TEXT, "http://a.example/")])
    assert keys(tmp_path / "two")[1:] == before


def test_a_file_that_is_allowed_to_be_cut_changes_no_key_of_the_others(tmp_path: Path) -> None:
    whole, cut = write_warc(tmp_path / "a.warc.gz", [page(TEXT)]), cut_file(tmp_path)
    files = [{"type": "warc", "paths": [str(whole)]}, {"type": "warc", "paths": [str(cut)], "allow_truncated": True}]
    store = Store(tmp_path / "out")
    apart = plan_pages(IngestConfig.model_validate({"inputs": files}), store)
    assert apart[0].key == plan_pages(config(whole, cut), store)[0].key
    assert apart[1].key != plan_pages(config(whole, cut), store)[1].key


def test_two_files_of_one_name_are_refused_unless_a_pattern_tells_them_apart(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        write_warc(tmp_path / name / "a.warc.gz", [page(TEXT, f"http://{name}.example/")])
    store = Store(tmp_path / "out")
    with pytest.raises(DataError, match=r"another file is named a\.warc\.gz too"):
        plan_pages(config(tmp_path / "x" / "a.warc.gz", tmp_path / "y" / "a.warc.gz"), store)
    assert [unit.settings["name"] for unit in plan_pages(config(tmp_path / "*" / "a.warc.gz"), store)] == ["x/a.warc.gz", "y/a.warc.gz"]


def test_an_item_that_killed_workers_is_left_out_and_counted(tmp_path: Path) -> None:
    path = write_warc(tmp_path / "a.warc.gz", [page(TEXT, f"http://h{number}.example/") for number in range(3)])
    _, table = one(config(path), tmp_path / "one")
    store = Store(tmp_path / "two")
    (unit,) = plan_pages(config(path), store)
    receipt = execute(unit, store, skipped=frozenset({table["id"][1]}))
    assert receipt.counts.dropped == {"kills_worker": 1}
    (row,) = read_table(store.output(receipt, DROPPED_CAPTURES)).rows(named=True)
    assert (row["id"], row["reason"]) == (table["id"][1], "kills_worker")
    assert read_table(store.output(receipt, PAGES))["host"].to_list() == ["h0.example", "h2.example"]


def test_a_url_of_any_file_system_is_read(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    content = b"".join(members([warcinfo(), page(TEXT)]))
    for name in ("a", "b"):
        memory.pipe(f"/crawl/{name}/x.warc.gz", content)
    found = run(config("memory://crawl/*/x.warc.gz"), tmp_path / "out")
    assert [table["warc"].to_list() for _, table in found] == [["a/x.warc.gz"], ["b/x.warc.gz"]]
    local = write(tmp_path / "x.warc.gz", [content])
    ((_, table),) = run(config(f"file://{local}"), tmp_path / "out")
    assert table["text"].to_list() == found[0][1]["text"].to_list()


@pytest.mark.parametrize(
    "path", ["absent.warc.gz", "*.warc.gz", "memory://absent/x.warc.gz", "memory://absent/*.gz", "memory://empty/x.warc.gz", "."]
)
def test_a_path_without_a_file_is_an_error_that_names_it(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/empty/x.warc.gz", b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=path.replace("*", r"\*").replace(".", r"\.")):
        run(config(path), tmp_path / "out")


@settings(max_examples=20)
@given(st.lists(st.sampled_from([*DROPPED.values(), *FLAGGED.values(), b"noise", warcinfo()]), max_size=12), st.booleans())
def test_what_comes_in_goes_out_or_has_a_reason(tmp_path_factory: pytest.TempPathFactory, content: list[bytes], packed: bool) -> None:
    folder = tmp_path_factory.mktemp("mixed")
    parts = members(content) if packed else content
    path = write(folder / "a.warc", [*members([page(TEXT)])[:packed], *([page(TEXT)] if not packed else []), *parts])
    ((receipt, table),) = run(config(path, allow_truncated=True), folder / "out")
    counts = receipt.counts
    assert counts.taken == table.height + sum(counts.dropped.values())
    listed = read_table(Store(folder / "out").output(receipt, DROPPED_CAPTURES))
    assert dict(listed["reason"].value_counts().iter_rows()) == counts.dropped
    assert set(counts.dropped) <= set(REASONS)
    assert table["id"].n_unique() == table.height


def test_the_digest_of_a_run_is_that_of_another(tmp_path: Path) -> None:
    kinds = ["200 OK", "404 Not Found"]
    pages_of = [page(f"{TEXT}{number}", f"http://h{number}.example/", status=kinds[number % 2]) for number in range(40)]
    path = write_warc(tmp_path / "a.warc.gz", pages_of)
    digests = set()
    for name in ("one", "two"):
        store = Store(tmp_path / name)
        (unit,) = plan_pages(config(path), store)
        digests.add(tuple(file_digest(store.output(execute(unit, store), output)) for output in (PAGES, DROPPED_CAPTURES)))
    assert len(digests) == 1
    assert unit.function == f"{ingest_units.__name__}:extract_pages"


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    monkeypatch.setattr(writer, "MAX_GROUP_CHARS", 200_000)
    peaks = []
    for count in (20, 20, 200):
        text = json.dumps({"url": "http://h.example/", "text": "words " * 8_000}).encode() + b"\n"
        path = write(tmp_path / f"{count}.jsonl", [text] * count)
        tracemalloc.start()
        run(config(path, kind="jsonl"), tmp_path / f"out{len(peaks)}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1]


def test_a_file_that_is_named_twice_is_read_once_and_that_is_said(tmp_path: Path) -> None:
    for name in "ab":
        write_warc(tmp_path / f"{name}.warc.gz", [page(TEXT, f"http://{name}.example/")])
    said: list[str] = []
    asked = config(tmp_path / "*.warc.gz", tmp_path / "a.warc.gz", tmp_path / "?.warc.gz")
    units = plan_pages(asked, Store(tmp_path / "out"), warn=said.append)
    assert [unit.settings["name"] for unit in units] == ["a.warc.gz", "b.warc.gz"]
    assert [line.partition(": ")[2] for line in said] == [
        f"{tmp_path}/a.warc.gz is named by {tmp_path}/*.warc.gz too: read once, as named first",
        f"{tmp_path}/a.warc.gz and 1 more are named by {tmp_path}/*.warc.gz too: read once, as named first",
    ]


def test_a_copy_of_a_file_by_name_and_bytes_is_read_once_and_that_is_said(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        write_warc(tmp_path / name / "x.warc.gz", [page(TEXT)])
    said: list[str] = []
    units = plan_pages(config(tmp_path / "a/x.warc.gz", tmp_path / "b/x.warc.gz"), Store(tmp_path / "out"), warn=said.append)
    assert (len(units), len(said)) == (1, 1)
    assert said[0].startswith(f"{tmp_path}/b/x.warc.gz: a copy of {tmp_path}/a/x.warc.gz")


def test_planning_writes_nothing_where_no_corpus_is_yet(tmp_path: Path) -> None:
    plan_pages(config(write_warc(tmp_path / "a.warc.gz", [page(TEXT)])), Store(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_formulas_of_pages_that_came_as_text_are_counted(tmp_path: Path) -> None:
    texts = {"a": "We know $a^2+b^2=c^2$ and $$x=1$$ but pay $5 or $6.", "b": r"Here \(x\) is \[\frac{1}{2}\].", "c": "It costs $5 and $6."}
    rows = [json.dumps({"url": f"https://example.org/{name}", "text": text}) for name, text in texts.items()]
    path = tmp_path / "pages.jsonl"
    path.write_text("\n".join(rows))
    counts, table = one(config(path, kind="jsonl"), tmp_path / "out")
    assert dict(zip(table["path"], table["num_formulas"], strict=True)) == {"/a": 2, "/b": 2, "/c": 0}
    assert counts.noted["formulas"] == 4
    assert table["text"][0] == texts["a"]


def test_pages_that_are_too_costly_for_a_tree_are_counted_by_the_cause(tmp_path: Path) -> None:
    deep = "<div>" * 5000 + "<p>Words at the bottom of it.</p>"
    long = "<p " + " ".join(f"a{number}" for number in range(20_000)) + ">Words.</p>"
    path = write_warc(tmp_path / "crawl.warc.gz", [page(deep, "http://example.org/1"), page(long, "http://example.org/2"), page(TEXT)])
    counts, table = one(config(path), tmp_path / "out")
    assert (counts.kept, table["flags"].to_list()) == (3, [Flag.FLAT, Flag.FLAT, 0])
    causes = {name: number for name, number in counts.noted.items() if name.startswith("extraction_")}
    assert causes == {"extraction_too_deep": 1, "extraction_too_many_attributes": 1}


def test_a_file_compressed_in_blocks_gives_the_pages_of_one_compressed_by_record(tmp_path: Path) -> None:
    parts = [warcinfo(), *(page(TEXT.replace("primes", f"primes {number}"), f"http://example.org/{number}") for number in range(5))]
    plain = b"".join(parts)
    blocks = [gzip.compress(plain[at : at + 300], mtime=0) for at in range(0, len(plain), 300)]
    _, whole = one(config(write(tmp_path / "whole.warc.gz", members(parts))), tmp_path / "one")
    counts, table = one(config(write(tmp_path / "blocks.warc.gz", blocks)), tmp_path / "two")
    assert table.select("url", "title", "text").equals(whole.select("url", "title", "text"))
    assert (counts.kept, counts.dropped, table["length"].to_list()) == (5, {}, [0] * 5)
