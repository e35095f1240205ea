"""Sites around documents: every host has its own menus, adverts and footers, so that text alone has to tell pages apart."""

from __future__ import annotations

from html import escape
from random import Random

from reasonforge.corpus.synthetic.carriers import Carrier
from reasonforge.corpus.synthetic.documents import Block, Document
from reasonforge.corpus.synthetic.grammar import name_of

_MENU = ("Home", "About", "Contact", "Archive", "Login", "Register", "Help", "Blog", "Topics", "FAQ", "Shop", "Members")
_MENU_ZH = ("首页", "关于我们", "联系方式", "登录", "注册", "帮助", "论坛", "资料下载")
_FOOTER = ("All rights reserved.", "Powered by {name} CMS.", "Cookie settings", "Follow us on {name}.", "Terms of use", "Sitemap")


class Site:
    """What all pages of a host share."""

    def __init__(self, host: str, rng: Random, *, language: str = "en") -> None:
        """Draw a theme for a host."""
        menu = _MENU_ZH if language == "zh" else _MENU
        chosen = rng.sample(menu, min(len(menu), rng.randint(4, 8)))
        links = "".join(f'<li><a href="/{i}">{word}</a></li>' for i, word in enumerate(chosen))
        name = name_of(rng)
        self.title = f"{name} | {host}"
        self._nav = f'<nav class="menu"><ul>{links}</ul></nav>'
        self._footer = f"<footer><p>© {name}. {' '.join(line.format(name=name) for line in rng.sample(_FOOTER, 3))}</p></footer>"
        related = "".join(f"<li><a href=/r/{i}>{name_of(rng)}</a></li>" for i in range(5))
        self._sidebar = f'<aside class="sidebar"><h4>Related</h4><ul>{related}</ul></aside>'
        self._wide = rng.random() < 0.5

    def html(self, document: Document, carrier: Carrier | None = None, *, charset: str = "utf-8") -> str:
        """Return a whole page."""
        head = carrier.head if carrier is not None else ""
        body = "\n".join(map(_block, document.blocks))
        aside = self._sidebar if self._wide else ""
        title = f"<title>{document.title} - {escape(self.title)}</title>"
        style = "<style>body{margin:0} .menu li{display:inline}</style>"
        script = f'<script>var t=[];t.push("{len(body)}");</script>'
        return (
            f'<!DOCTYPE html>\n<html lang="{document.language}"><head><meta charset="{charset}">{title}\n{head}{style}</head>\n'
            f"<body>\n<header>{self._nav}</header>\n{aside}<main><article><h1>{document.title}</h1>\n{body}\n</article></main>\n"
            f"{self._footer}\n{script}</body></html>\n"
        )


def _block(block: Block) -> str:
    if block.kind == "h":
        return f"<h2>{block.html}</h2>"
    if block.kind == "pre":
        return f"<pre><code>{block.html}</code></pre>"
    if block.kind == "post":
        return f'<div class="post"><div class="author">{block.by}</div><div class="body"><p>{block.html}</p></div></div>'
    return f"<p>{block.html}</p>"
