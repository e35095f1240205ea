"""A WARC file of pages that look like those of a crawl, for benchmarks: the same bytes for the same seed.

A page of the real web is mostly not its text: of 30 to 100 KB there are a few thousand characters to extract. So here: a third of
the rest is scripts and style sheets, and the others are menus, comments and cards that lead to other pages, boxes within boxes. Two of
five pages have formulas, in the ways that sites write them.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

_WORDS = re.findall(
    r"\w+",
    """
    time year people way day man thing woman life child world school state family student group country problem hand part place case
    week company system program question work government number night point home water room mother area money story fact month lot
    right study book eye job word business issue side kind head house service friend father power hour game line end member law car
    city community name president team minute idea body information back parent face level office door health person art war history
    party result change morning reason research girl guy moment air teacher force education foot boy age policy music market sense
    nation plan college interest death experience effect use class control field development role effort rate heart drug show leader
    light voice wife police mind price report decision son view relationship town road arm difference value building action season
    society tax director position player record paper space ground form event official matter center couple site project activity
    star table need court oil situation cost industry figure
    """,
)
_SMALL = re.findall(
    r"\w+",
    """
    the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were
    """,
)
_MATHS = re.findall(
    r"\w+",
    """
    theorem lemma proof integral derivative matrix vector polynomial prime integer sequence limit series function continuous convex
    group ring field kernel basis dimension eigenvalue gradient tangent angle triangle circle probability variance expectation
    random graph vertex edge
    """,
)
FORMULAS = (
    r"x^2+y^2=z^2", r"\frac{a+b}{c}", r"\sum_{n=1}^{\infty}\frac{1}{n^2}=\frac{\pi^2}{6}", r"\int_0^1 f(x)\,dx", r"\sqrt{2}>1",
    r"\lim_{x\to 0}\frac{\sin x}{x}=1", r"A^{-1}=\frac{1}{\det A}\operatorname{adj}A", r"\alpha+\beta\leq\gamma", r"p\mid ab",
)  # fmt: skip
_MATHML = "<math><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><msup><mi>c</mi><mn>2</mn></msup></mfrac></math>"


def write_crawl(path: Path, *, pages: int, seed: int = 0) -> int:
    """Write a WARC file with a member per record, requests and metadata among the responses as crawlers store them.

    Returns:
        Bytes of HTML in it.
    """
    total = 0
    with path.open("wb") as file:
        for content in _records(pages, seed):
            total += len(content[1])
            for record in content[0]:
                file.write(gzip.compress(record, 6, mtime=0))
    return total


def _records(pages: int, seed: int) -> Iterator[tuple[list[bytes], bytes]]:
    yield [_record("warcinfo", None, b"software: benchmark\r\nformat: WARC File Format 1.0\r\n", "application/warc-fields")], b""
    for number in range(pages):
        draw = random.Random(f"{seed}/{number}")
        html = page(draw, number).encode()
        url = f"https://site{number % 97}.example/{draw.choice(_WORDS)}/{number}-{draw.choice(_WORDS)}.html"
        request = f"GET /{number} HTTP/1.1\r\nHost: site{number % 97}.example\r\nUser-Agent: crawler\r\nAccept: text/html\r\n\r\n".encode()
        head = (
            "HTTP/1.1 200 OK\r\nDate: Mon, 06 May 2024 07:08:09 GMT\r\nContent-Type: text/html; charset=UTF-8\r\nServer: nginx\r\n"
            f"X-Crawler-Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nContent-Length: {len(html)}\r\n\r\n"
        ).encode()
        kinds = "application/http; msgtype="
        yield (
            [
                _record("request", url, request, f"{kinds}request"),
                _record("response", url, head + html, f"{kinds}response"),
                _record("metadata", url, b"fetchTimeMs: 210\r\ncharset-detected: UTF-8\r\n", "application/warc-fields"),
            ],
            html,
        )


def _record(kind: str, url: str | None, block: bytes, content_type: str) -> bytes:
    target = f"WARC-Target-URI: {url}\r\n" if url else ""
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2024-05-06T07:08:09Z\r\nWARC-Record-ID: <urn:uuid:{len(block):032x}>\r\n{target}"
        f"Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def page(draw: random.Random, number: int) -> str:
    """Return one page of 30 to 100 KB."""
    writers: list[Callable[[random.Random], str]] = [_forum, _wiki, _article, _shop, _article]
    title = _sentence(draw, 7)
    main = writers[number % len(writers)](draw)
    html = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title} | Site {number % 97}</title>\n'
        f'{_head(draw, title)}</head>\n<body class="home page-{number}">\n{_menu(draw)}'
        f'<div id="wrapper"><main id="content" role="main">\n<h1>{title}</h1>\n{main}</main>\n'
        f'<aside class="sidebar">{_teasers(draw, 14)}</aside></div>\n'
    )
    wanted = draw.randint(30_000, 100_000)
    tail = f'<footer class="footer">{_links(draw, 40)}<p>&copy; 2024 Site {number % 97}. All rights reserved.</p></footer>\n'
    fillers = (_script, _script, _script, _style, _related, _comments)
    while len(html) + len(tail) < wanted:
        html += draw.choice(fillers)(draw)
    return f"{html}{tail}</body></html>\n"


def _forum(draw: random.Random) -> str:
    posts = []
    for number in range(draw.randint(3, 7)):
        text = "".join(f"<p>{_prose(draw, 60, _dollars)}</p>\n" for _ in range(draw.randint(1, 4)))
        votes = f'<div class="votes"><button>up</button><span>{draw.randint(-2, 90)}</span><button>down</button></div>'
        user = f'<div class="user"><img src="/a/{number}.png" alt=""><a href="/u/{number}">{draw.choice(_WORDS)}{number}</a></div>'
        posts.append(f'<article class="post" id="p{number}">{votes}<div class="body">{text}</div>{user}</article>\n')
    config = '<script type="text/x-mathjax-config">MathJax.Hub.Config({tex2jax:{inlineMath:[["$","$"]]}});</script>'
    return config + '<script src="/MathJax.js?config=TeX-AMS_HTML"></script>' + "".join(posts)


def _wiki(draw: random.Random) -> str:
    sections = []
    for _ in range(draw.randint(4, 9)):
        text = "".join(f"<p>{_prose(draw, 70, _image)}</p>\n" for _ in range(draw.randint(2, 4)))
        sections.append(f'<h2><span class="headline">{_sentence(draw, 3)}</span><a href="#e">edit</a></h2>\n{text}')
    cells = "".join(f"<tr><th>{draw.choice(_WORDS)}</th><td>{draw.randint(1, 999)}</td></tr>" for _ in range(12))
    return f'<table class="infobox">{cells}</table>' + "".join(sections) + f"<p>Hence {_MATHML} as claimed.</p>"


def _article(draw: random.Random) -> str:
    parts = [f'<p class="byline">By {draw.choice(_WORDS)} {draw.choice(_WORDS)}</p>']
    for _ in range(draw.randint(8, 22)):
        parts.append(f"<p>{_prose(draw, 75)}</p>\n")
        if draw.random() < 0.15:
            parts.append(
                f'<figure><img src="/i/{draw.random()}.jpg" alt="{_sentence(draw, 5)}">'
                f"<figcaption>{_sentence(draw, 9)}</figcaption></figure>\n"
            )
        if draw.random() < 0.1:
            parts.append("<ul>" + "".join(f"<li>{_sentence(draw, 12)}</li>" for _ in range(5)) + "</ul>\n")
    return "".join(parts)


def _shop(draw: random.Random) -> str:
    items = "".join(
        f'<div class="product"><a href="/p/{n}"><img data-src="/p/{n}.jpg" alt="{draw.choice(_WORDS)}"><h3>{_sentence(draw, 4)}</h3></a>'
        f'<span class="price">${draw.randint(5, 900)}.99</span><button data-id="{n}">Add to cart</button></div>\n'
        for n in range(draw.randint(20, 50))
    )
    return f'<p>{_prose(draw, 90)}</p><div class="grid">{items}</div><p>{_prose(draw, 120)}</p>'


def _dollars(draw: random.Random) -> str:
    return f"${draw.choice(FORMULAS)}$"


def _image(draw: random.Random) -> str:
    formula = draw.choice(FORMULAS)
    return f'<img class="tex" alt="{formula}" src="https://latex.codecogs.com/svg.latex?{formula.replace(" ", "%20")}">'


def _prose(draw: random.Random, words: int, formula: Callable[[random.Random], str] | None = None) -> str:
    names = _MATHS if formula else _WORDS
    said, length = [], 0
    while length < words:
        sentence = _sentence(draw, draw.randint(8, 22), names)
        length += sentence.count(" ") + 1
        if formula and draw.random() < 0.6:
            sentence += f" where {formula(draw)} holds"
        elif draw.random() < 0.1:
            sentence += f', see <a href="/{draw.choice(_WORDS)}">{draw.choice(_WORDS)}</a>'
        said.append(f"{sentence}.")
    return " ".join(said)


def _sentence(draw: random.Random, words: int, names: list[str] = _WORDS) -> str:
    return " ".join(draw.choice(_SMALL) if draw.random() < 0.45 else draw.choice(names) for _ in range(words)).capitalize()


def _links(draw: random.Random, count: int) -> str:
    return (
        "<ul>" + "".join(f'<li><a href="/{draw.choice(_WORDS)}/{n}">{draw.choice(_WORDS).title()}</a></li>' for n in range(count)) + "</ul>"
    )


def _menu(draw: random.Random) -> str:
    entries = "".join(
        f'<li class="item"><a href="/{draw.choice(_WORDS)}">{draw.choice(_WORDS).title()}</a>{_links(draw, 6)}</li>' for _ in range(9)
    )
    form = '<form action="/search"><input name="q"><button>Search</button></form>'
    return f'<header><div class="logo"><a href="/">Home</a></div>{form}<nav><ul>{entries}</ul></nav></header>\n'


def _teasers(draw: random.Random, count: int) -> str:
    return "".join(_card(draw, n) for n in range(count))


def _card(draw: random.Random, number: int) -> str:
    """Return what stands in every list of other pages: boxes in boxes, a picture in three sizes, a date, tags."""
    name, other = draw.choice(_WORDS), draw.choice(_WORDS)
    sizes = ", ".join(f"/img/{name}-{width}x{width * 2 // 3}.jpg {width}w" for width in (300, 768, 1024))
    tags = "".join(f'<a class="tag tag--{tag}" rel="tag" href="/tag/{tag}">{tag}</a>' for tag in draw.sample(_WORDS, 2))
    return (
        f'<div class="card card--small js-card" data-id="{number}" data-track="{name}|{other}"><div class="card__inner">'
        f'<a class="card__media" href="/{name}/{number}" tabindex="-1" aria-hidden="true"><picture><img loading="lazy" srcset="{sizes}" '
        f'src="/img/{name}.jpg" width="300" height="200" alt=""></picture></a><div class="card__body"><h4 class="card__title">'
        f'<a href="/{name}/{number}">{_sentence(draw, 6)}</a></h4><div class="card__meta">'
        f'<span class="by">By <a href="/u/{other}">{other}</a>'
        f'</span><time datetime="2024-05-{number % 28 + 1:02d}">{number % 28 + 1} May</time></div>'
        f'<p class="card__lead">{_sentence(draw, 12)}</p>'
        f'<div class="card__tags">{tags}</div></div></div></div>\n'
    )


def _related(draw: random.Random) -> str:
    return f'<section class="related"><h5>More</h5><div class="row"><div class="col-12">{_teasers(draw, 6)}</div></div></section>\n'


def _comments(draw: random.Random) -> str:
    said = "".join(
        f'<li class="comment depth-{n % 3}" id="c{n}"><div class="vcard"><img class="avatar" src="/a/{n}.png" alt="">'
        f'<cite>{draw.choice(_WORDS)}</cite><a href="#c{n}">{n} days ago</a></div>'
        f'<div class="said"><p>{_sentence(draw, 25)}.</p></div><a class="reply" href="#r">Reply</a></li>\n'
        for n in range(draw.randint(3, 9))
    )
    return f'<div id="comments" class="comments-area"><ol class="comment-list">{said}</ol></div>\n'


def _head(draw: random.Random, title: str) -> str:
    metas = "".join(f'<meta property="og:{draw.choice(_WORDS)}" content="{_sentence(draw, 9)}">\n' for _ in range(14))
    sheets = "".join(f'<link rel="stylesheet" href="/css/{n}.css?ver={draw.randint(1, 9)}">\n' for n in range(8))
    about = json.dumps({"@context": "https://schema.org", "@type": "Article", "headline": title, "description": _sentence(draw, 30)})
    return f'{metas}{sheets}<script type="application/ld+json">{about}</script>\n{_style(draw)}{_script(draw)}'


def _script(draw: random.Random) -> str:
    lines = "".join(
        f"window.{draw.choice(_WORDS)}_{n}=function(a,b){{if(a<{draw.randint(1, 99)}&&b){{"
        f"return '{draw.getrandbits(96):x}'}};return b.{draw.choice(_WORDS)}}};"
        for n in range(draw.randint(15, 50))
    )
    return f"<script>(function(){{{lines}}})();</script>\n"


def _style(draw: random.Random) -> str:
    rules = "".join(f".{draw.choice(_WORDS)}-{n}{{margin:{draw.randint(0, 40)}px;color:#{draw.getrandbits(24):06x}}}" for n in range(40))
    return f"<style>{rules}</style>\n"
