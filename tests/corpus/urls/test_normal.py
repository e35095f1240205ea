from __future__ import annotations

import re
import socket
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reasonforge.corpus.urls import REASONS, NormalURL, Refused, normalise
from reasonforge.corpus.urls.normal import MAX_BYTES


def normal(url: str) -> str:
    found = normalise(url)
    assert isinstance(found, NormalURL), f"{url}: {found}"
    return found.url


_WORDS = r"""http: // / \ ? # & = ; : @ % %2 %2e %2E%2e %25 %41 %7e %C3%A9 %zz . .. www. example.org bücher.de co.uk 127.0.0.1 [::1] xn--
:80 :443 :8080 user:pw@ < > [ | utm_source=a sid=1 jsessionid= ;jsessionid=9 amp; &amp; a=1 b=2 é 例え İ a"""
_PIECES = st.sampled_from([*re.split(r"\s", _WORDS), " ", "\t", "\n", "\ud800"])
_URLS = st.one_of(
    st.text(max_size=60),
    st.lists(_PIECES, max_size=14).map("".join),
    st.lists(_PIECES, max_size=12).map(lambda pieces: "http://example.org/" + "".join(pieces)),
    st.builds(lambda host, rest: f"http://{host}/{rest}", st.text(max_size=20), st.text(max_size=40)),
)


@given(_URLS)
@example("http://example.org/?amp;x=1&a=1")
@example("http://example.org/a/..;sid=1/b")
@example("http://www.www.example.org./%%34%31")
@example("HTTP:www.example.org//")
def test_the_normal_form_of_a_normal_form_is_itself(url: str) -> None:
    found = normalise(url)
    if isinstance(found, NormalURL):
        assert normalise(found.url) == found


@given(_URLS)
def test_a_url_has_a_normal_form_in_ascii_or_a_reason_that_is_explained(url: str) -> None:
    found = normalise(url)
    if isinstance(found, Refused):
        assert found.reason in REASONS
    else:
        assert found.url.isascii()
        assert len(found.url) <= MAX_BYTES
        assert found.url.startswith(f"https://{found.host}")
        assert found.path.startswith("/")
        assert found.path in found.url
        assert found.host.endswith(found.domain)
        assert not {".", ".."} & set(found.path.split("/"))


@pytest.mark.parametrize(
    "same",
    [
        ["http://example.org", "https://example.org/", "HTTP://EXAMPLE.ORG/", "http://www.example.org", "//example.org/", "example.org"],
        ["http://example.org:80/a", "https://example.org:443/a", "http://example.org:0080/a", "http://example.org:/a", "example.org:80/a"],
        ["http://ada:secret@example.org/a", "http://@example.org/a", "http://a@b@example.org/a", "http://example.org/a"],
        [
            "http://example.org./a",
            "http://example.org../a",
            "<http://example.org/a>",
            " \thttp://example.org/a\n",
            "http:\\\\example.org\\a",
        ],
        ["http://bücher.de/", "http://BÜCHER.de/", "http://xn--bcher-kva.de/", "http://b%C3%BCcher.de/"],
        ["http://[::1]/a", "http://[0:0:0:0:0:0:0:1]:80/a", "https://[::0001]/a"],
        ["http://example.org/a/./b/../c", "http://example.org/a/%2E/b/%2e%2e/c", "http://example.org/../a/c"],
        ["http://example.org/a%20b", "http://example.org/a b"],
        ["http://example.org/%7Ea", "http://example.org/%7ea", "http://example.org/~a"],
        ["http://example.org/é", "http://example.org/%c3%a9", "http://example.org/%C3%A9"],
        ["http://example.org/100%", "http://example.org/100%25"],
        ["http://example.org/a#top", "http://example.org/a#", "http://example.org/a", "http://example.org/a?", "http://example.org/a?&&"],
        ["http://example.org/?b=2&a=1", "http://example.org/?a=1&b=2", "http://example.org?a=1&amp;b=2"],
        ["http://example.org/?a=1&utm_source=x&UTM_Medium=y&fbclid=z", "http://example.org/?a=1"],
        [
            "http://example.org/t?PHPSESSID=42",
            "http://example.org/t",
            "http://example.org/t;jsessionid=1F",
            "http://example.org/t?jsessionid=2",
        ],
        ["http://example.org/t?sid=0123456789abcdef0123456789abcdef&t=5", "http://example.org/t?t=5"],
    ],
)
def test_these_are_one_page(same: list[str]) -> None:
    for first, second in pairwise(same):
        assert normal(first) == normal(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("http://example.org/a", "http://example.org/a/"),
        ("http://example.org/a", "http://example.org/A"),
        ("http://example.org/a//b", "http://example.org/a/b"),
        ("http://example.org:8080/", "http://example.org/"),
        ("http://example.org/a%2Fb", "http://example.org/a/b"),
        ("http://example.org/?a=1&a=2", "http://example.org/?a=2&a=1"),
        ("http://example.org/?sid=12", "http://example.org/?sid=13"),
        ("http://example.org/?q=a+b", "http://example.org/?q=a%2Bb"),
        ("http://example.org/%25", "http://example.org/%2525"),
        ("http://example.org/a?b", "http://example.org/a%3Fb"),
        ("http://www.co.uk/", "http://co.uk/"),
        ("http://127.0.0.1/", "http://127.0.0.2/"),
    ],
)
def test_these_are_two_pages(first: str, second: str) -> None:
    assert normal(first) != normal(second)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "url_empty"),
        (" <> ", "url_empty"),
        ("data:text/html,hello", "url_other_scheme"),
        ("javascript:alert(1)", "url_other_scheme"),
        ("JavaScript://example.org/%0aalert(1)", "url_other_scheme"),
        ("mailto:ada@example.org", "url_other_scheme"),
        ("ftp://example.org/", "url_other_scheme"),
        ("dns:example.org", "url_other_scheme"),
        ("/a/b", "url_relative"),
        ("index.html", "url_relative"),
        ("a page", "url_relative"),
        ("http://", "url_bad_host"),
        ("http:///", "url_bad_host"),
        ("http://a..b/", "url_bad_host"),
        ("http://exa mple.org/", "url_bad_host"),
        ("http://example.org%2Fa/", "url_bad_host"),
        ("http://1.2.3.4.5/", "url_bad_host"),
        ("http://1.2.3.256/", "url_bad_host"),
        ("http://[::1/", "url_bad_host"),
        ("http://[::1]x/", "url_bad_port"),
        ("http://[fe80::1%25eth0]/", "url_bad_host"),
        (f"http://{'a' * 64}.org/", "url_bad_host"),
        ("http://\ud800.org/", "url_bad_host"),
        ("http://example.org:65536/", "url_bad_port"),
        ("http://example.org:８0/", "url_bad_port"),
        (f"http://example.org/{'a' * 2048}", "url_too_long"),
        (f"http://example.org/{'é' * 600}", "url_too_long"),
    ],
)
def test_what_is_no_page_of_the_web_is_refused_by_name(url: str, reason: str) -> None:
    assert normalise(url) == Refused(reason)


@pytest.mark.parametrize("url", ["<" * 500_000 + ">" * 500_000, "http://example.org/" + "/.." * 500_000, "%" * 1_000_000, "amp;" * 300_000])
def test_a_url_of_a_megabyte_is_refused_at_once(url: str) -> None:
    assert normalise(url) == Refused("url_too_long")


@pytest.mark.parametrize(("size", "kept"), [(MAX_BYTES, True), (MAX_BYTES + 1, False)])
def test_the_limit_of_2048_bytes_is_kept_to_the_byte(size: int, kept: bool) -> None:
    start = "https://example.org/"
    for last in ("a", "\N{MULTIPLICATION SIGN}"):  # one that the short way takes, one that it does not
        quoted = 6 if last != "a" else 1
        url = start + "a" * (size - len(start) - quoted) + last
        assert isinstance(normalise(url), NormalURL) == kept


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("http://forum.maths.example.co.uk/", "example.co.uk"),
        ("http://alice.github.io/", "alice.github.io"),
        ("http://www.example.org/", "example.org"),
        ("http://localhost/", "localhost"),
        ("http://intra.net.invalid/", "intra.net.invalid"),
        ("http://192.0.2.7:8080/", "192.0.2.7"),
        ("http://shop.bücher.de/", "xn--bcher-kva.de"),
    ],
)
def test_the_registered_domain_follows_the_public_suffix_list(url: str, domain: str) -> None:
    found = normalise(url)
    assert isinstance(found, NormalURL)
    assert found.domain == domain


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    from reasonforge.corpus.urls import normal as module

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    module._host.cache_clear()
    module._suffixes.cache_clear()
    assert normal("http://never-seen-before.example.com/") == "https://never-seen-before.example.com/"


@given(st.text(alphabet="abcXYZ019.-_~/!$'()*,=:@&+", max_size=40))
def test_the_short_way_for_plain_urls_leads_where_the_long_one_does(path: str) -> None:
    from reasonforge.corpus.urls import normal as module

    url = f"http://www.example.org/{path}"
    assert normalise(url) == module._normalise(url)
