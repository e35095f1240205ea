"""Documents: a title and blocks of text, before a site puts its menus around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape, unescape
from random import Random
from typing import NamedTuple

from reasonforge.corpus.synthetic import formula
from reasonforge.corpus.synthetic.carriers import CARRIERS, TEXT, Carrier
from reasonforge.corpus.synthetic.grammar import Grammar, Slots, name_of
from reasonforge.corpus.synthetic.texts import Collection, grammars, is_chinese, topics


class Block(NamedTuple):
    """A piece of a document."""

    kind: str
    """``h`` a heading, ``p`` a paragraph, ``d`` one that ends in a formula, ``pre`` source text, ``post`` what a member wrote."""
    html: str
    by: str = ""
    """Who wrote a post."""


class Document(NamedTuple):
    """What a page is about."""

    title: str
    blocks: list[Block]
    language: str = "en"

    def text(self) -> str:
        """Return a document without HTML, as a text corpus has it. Only for documents whose carrier is :data:`TEXT`."""
        return unescape("\n\n".join([self.title, *(block.html for block in self.blocks)]))


def textbook(rng: Random, carrier: Carrier = TEXT) -> Document:
    """Return a section of an English textbook: definitions, theorems, proofs, exercises; dense in formulas."""
    slots = _maths_slots(rng, carrier, formula.HIGHER, rng.choice(topics()))
    return _sectioned(rng, _maths("textbook"), slots, sections=rng.randint(3, 6), sentences=(2, 5))


def wiki(rng: Random, carrier: Carrier = TEXT) -> Document:
    """Return an article of an encyclopaedia about a mathematical notion."""
    slots = _maths_slots(rng, carrier, formula.HIGHER, rng.choice(topics()))
    return _sectioned(rng, _maths("wiki"), slots, sections=rng.randint(2, 5), sentences=(3, 5))


def chinese(rng: Random, carrier: Carrier = TEXT) -> Document:
    """Return Chinese school mathematics."""
    slots = _maths_slots(rng, carrier, formula.SCHOOL)
    return _sectioned(rng, _maths("chinese"), slots, sections=rng.randint(3, 5), sentences=(3, 6))._replace(language="zh")


def forum(rng: Random, carrier: Carrier = TEXT) -> Document:
    """Return a thread of questions and answers, in the words of those who have homework."""
    slots, grammar = _maths_slots(rng, carrier, formula.SCHOOL, rng.choice(topics())), _maths("forum")
    blocks = [Block("post", grammar.paragraph(rng, "ask", rng.randint(2, 4), slots), grammar.draw(rng, "who"))]
    for _ in range(rng.randint(2, 5)):
        text = grammar.paragraph(rng, "answer", rng.randint(1, 4), slots)
        if rng.random() < 0.3:
            text += " " + grammar.draw(rng, "display", slots)
        blocks.append(Block("post", text, grammar.draw(rng, "who")))
    blocks.append(Block("post", grammar.draw(rng, "thanks"), blocks[0].by))
    return Document(grammar.draw(rng, "title", slots), blocks)


def formal(rng: Random) -> Document:
    """Return machine-checked mathematics: statements and tactics, hardly a word of prose."""
    grammar = _maths("formal")
    blocks: list[Block] = []
    for _ in range(rng.randint(4, 9)):
        if rng.random() < 0.25:
            blocks.append(Block("p", _escaped(grammar.draw(rng, "note"))))
        blocks.append(Block("pre", _escaped(grammar.draw(rng, "block"))))
    return Document(_escaped(grammar.draw(rng, "title")), blocks)


def prose(rng: Random, collection: Collection, subject: str | None = None) -> Document:
    """Return a page that is no mathematics.

    Args:
        rng: draws.
        collection: ``near``, ``other`` or ``chinese``.
        subject: one of its grammars; None = draw one.
    """
    known = grammars(collection)
    name = subject or rng.choice(tuple(known))
    paragraphs = [known[name].paragraph(rng, "sentence", rng.randint(3, 6)) for _ in range(rng.randint(3, 6))]
    blocks = [Block("p", _escaped(paragraph)) for paragraph in paragraphs]
    return Document(_escaped(known[name].draw(rng, "title")), blocks, "zh" if is_chinese(name) else "en")


def _sectioned(rng: Random, grammar: Grammar, slots: Slots, *, sections: int, sentences: tuple[int, int]) -> Document:
    blocks: list[Block] = []
    for _ in range(sections):
        blocks.append(Block("h", grammar.draw(rng, "head", slots)))
        blocks.append(Block("p", grammar.paragraph(rng, "sentence", rng.randint(*sentences), slots)))
        if rng.random() < 0.6:
            blocks.append(Block("d", grammar.draw(rng, "display", slots)))
    return Document(grammar.draw(rng, "title", slots), blocks)


def _maths(dialect: str) -> Grammar:
    return grammars("maths")[dialect]


def _maths_slots(rng: Random, carrier: Carrier, makers: Sequence[formula.Maker], terms: Sequence[str] = ()) -> Slots:
    slots: dict[str, Callable[[], str]] = {
        "f": lambda: carrier.render(formula.draw(rng, makers), False),
        "d": lambda: carrier.render(formula.draw(rng, makers), True),
    }
    if terms:
        slots["thing"] = lambda: terms[int(rng.random() * len(terms))]
        slots["Thing"] = lambda: slots["thing"]().capitalize()
    return slots


def _escaped(text: str) -> str:
    return escape(text, quote=False)


def diluted(rng: Random, document: Document) -> Document:
    """Return a document of which most is about something else: hard to tell for what it is, as real pages often are."""
    blocks = [block for block in document.blocks if rng.random() < 0.4] or document.blocks[:1]
    for block in prose(rng, "chinese" if document.language == "zh" else "other").blocks:
        blocks.insert(rng.randrange(len(blocks) + 1), block)
    return document._replace(blocks=blocks)


def with_aside(rng: Random, document: Document) -> Document:
    """Return a document with a formula or two that it is not about, quoted or made fun of."""
    dialect = "chinese" if document.language == "zh" else rng.choice(("forum", "textbook"))
    grammar, rule = _maths(dialect), "ask" if dialect == "forum" else "sentence"
    text = grammar.paragraph(rng, rule, 2, _maths_slots(rng, CARRIERS["plain"], formula.SCHOOL, rng.choice(topics())))
    blocks = list(document.blocks)
    blocks.insert(rng.randrange(len(blocks) + 1), Block("p", text))
    return document._replace(blocks=blocks)


def edited(rng: Random, document: Document) -> Document:
    """Return a near duplicate: a word changed and a line of the copier's own, so that most shingles stay."""
    blocks = list(document.blocks)
    place = rng.randrange(len(blocks))
    words = blocks[place].html.split(" ")
    plain = [i for i, word in enumerate(words) if word.isascii() and word.isalpha()]
    if plain:
        words[rng.choice(plain)] = name_of(rng)
        blocks[place] = blocks[place]._replace(html=" ".join(words))
    return document._replace(blocks=[*blocks, Block("p", f"Mirrored by {name_of(rng)}.")])
