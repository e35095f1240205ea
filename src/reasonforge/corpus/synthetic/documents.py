"""Documents: a title and blocks of text, before a site puts its menus around them."""

from __future__ import annotations

from html import escape
from random import Random
from typing import NamedTuple

from reasonforge.corpus.synthetic import formula
from reasonforge.corpus.synthetic.carriers import CARRIERS, TEXT, Carrier
from reasonforge.corpus.synthetic.grammar import Grammar, name_of
from reasonforge.corpus.synthetic.maths_texts import CHINESE, FORMAL, FORUM, TEXTBOOK, TOPICS, WIKI
from reasonforge.corpus.synthetic.near_texts import NEAR
from reasonforge.corpus.synthetic.other_texts import CHINESE_NEAR, CHINESE_OTHER, OTHER


class Block(NamedTuple):
    """A piece of a document."""

    kind: str
    """``h`` a heading, ``p`` a paragraph, ``d`` a paragraph with a formula of its own, ``pre`` source text, ``post`` what a member wrote."""
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
        return "\n\n".join([self.title, *(block.html for block in self.blocks)])




def _maths_slots(rng: Random, carrier: Carrier, makers: tuple[formula.Maker, ...], terms: tuple[str, ...] = ()):  # noqa: ANN202
    slots = {
        "f": lambda: carrier.render(formula.draw(rng, makers), False),
        "d": lambda: carrier.render(formula.draw(rng, makers), True),
    }
    if terms:
        slots["thing"] = lambda: terms[int(rng.random() * len(terms))]
        slots["Thing"] = lambda: slots["thing"]().capitalize()
    return slots


def textbook(rng: Random, carrier: Carrier = TEXT, *, terms: tuple[str, ...] | None = None) -> Document:
    """Return a section of an English textbook: definitions, theorems, proofs, exercises; dense in formulas."""
    slots = _maths_slots(rng, carrier, tuple(formula.HIGHER), terms or rng.choice(tuple(TOPICS.values())))
    return _sectioned(rng, TEXTBOOK, slots, sections=rng.randint(3, 6), sentences=(2, 5))


def wiki(rng: Random, carrier: Carrier = TEXT) -> Document:
    """Return an article of an encyclopaedia about a mathematical notion."""
    slots = _maths_slots(rng, carrier, tuple(formula.HIGHER), rng.choice(tuple(TOPICS.values())))
    return _sectioned(rng, WIKI, slots, sections=rng.randint(2, 5), sentences=(3, 5))


def chinese(rng: Random, carrier: Carrier = TEXT) -> Document:
    """Return Chinese school mathematics."""
    document = _sectioned(rng, CHINESE, _maths_slots(rng, carrier, tuple(formula.SCHOOL)), sections=rng.randint(3, 5), sentences=(3, 6))
    return document._replace(language="zh")


def _sectioned(rng: Random, grammar: Grammar, slots: dict, *, sections: int, sentences: tuple[int, int]) -> Document:  # type: ignore[type-arg]
    blocks: list[Block] = []
    for _ in range(sections):
        blocks.append(Block("h", grammar.draw(rng, "head", slots)))
        blocks.append(Block("p", grammar.paragraph(rng, "sentence", rng.randint(*sentences), slots)))
        if rng.random() < 0.6:
            blocks.append(Block("d", grammar.draw(rng, "display", slots)))
    return Document(grammar.draw(rng, "title", slots), blocks)


def forum(rng: Random, carrier: Carrier = TEXT) -> Document:
    """Return a thread of questions and answers, in the words of those who have homework."""
    slots = _maths_slots(rng, carrier, tuple(formula.SCHOOL), rng.choice(tuple(TOPICS.values())))
    draw = FORUM.draw
    blocks = [Block("post", FORUM.paragraph(rng, "ask", rng.randint(2, 4), slots), draw(rng, "who"))]
    for _ in range(rng.randint(2, 5)):
        text = FORUM.paragraph(rng, "answer", rng.randint(1, 4), slots)
        if rng.random() < 0.3:
            text += " " + draw(rng, "display", slots)
        blocks.append(Block("post", text, draw(rng, "who")))
    blocks.append(Block("post", draw(rng, "thanks"), blocks[0].by))
    return Document(draw(rng, "title", slots), blocks)


def formal(rng: Random) -> Document:
    """Return machine-checked mathematics: statements and tactics, hardly a word of prose."""
    blocks: list[Block] = []
    for _ in range(rng.randint(4, 9)):
        if rng.random() < 0.25:
            blocks.append(Block("p", escape(FORMAL.draw(rng, "note"), quote=False)))
        blocks.append(Block("pre", escape(FORMAL.draw(rng, "block"), quote=False)))
    return Document(escape(FORMAL.draw(rng, "title"), quote=False), blocks)


def near(rng: Random, subject: str | None = None) -> Document:
    """Return a page with figures that is no mathematics."""
    return _prose(rng, NEAR[subject or rng.choice(tuple(NEAR))], paragraphs=rng.randint(3, 6))


def other(rng: Random, subject: str | None = None) -> Document:
    """Return an English page about anything else."""
    return _prose(rng, OTHER[subject or rng.choice(tuple(OTHER))], paragraphs=rng.randint(3, 7))


def chinese_other(rng: Random, subject: str | None = None) -> Document:
    """Return a Chinese page about anything else."""
    return _prose(rng, (CHINESE_OTHER | CHINESE_NEAR)[subject or rng.choice(tuple(CHINESE_OTHER))], paragraphs=rng.randint(3, 6))._replace(language="zh")


def _prose(rng: Random, grammar: Grammar, *, paragraphs: int) -> Document:
    blocks = [Block("p", escape(grammar.paragraph(rng, "sentence", rng.randint(3, 6)), quote=False)) for _ in range(paragraphs)]
    return Document(escape(grammar.draw(rng, "title"), quote=False), blocks)


def diluted(rng: Random, document: Document) -> Document:
    """Return a document of which most is about something else: hard to tell for what it is, as real pages often are."""
    blocks = [block for block in document.blocks if rng.random() < 0.4] or document.blocks[:1]
    prose = chinese_other(rng) if document.language == "zh" else other(rng)
    for block in prose.blocks:
        blocks.insert(rng.randrange(len(blocks) + 1), block)
    return document._replace(blocks=blocks)


def with_aside(rng: Random, document: Document) -> Document:
    """Return a document with a formula or two that it is not about, quoted or made fun of."""
    grammar = CHINESE if document.language == "zh" else FORUM if rng.random() < 0.5 else TEXTBOOK
    rule = "ask" if grammar is FORUM else "sentence"
    text = grammar.paragraph(rng, rule, 2, _maths_slots(rng, CARRIERS["plain"], tuple(formula.SCHOOL), TOPICS["numbers"]))
    blocks = list(document.blocks)
    blocks.insert(rng.randrange(len(blocks) + 1), Block("p", text))
    return document._replace(blocks=blocks)


def edited(rng: Random, document: Document) -> Document:
    """Return a near duplicate: two words changed and a line of the copier's own, so that most shingles stay."""
    blocks = list(document.blocks)
    for _ in range(2):
        place = rng.randrange(len(blocks))
        words = blocks[place].html.split(" ")
        plain = [i for i, word in enumerate(words) if word.isalpha()]
        if plain:
            words[rng.choice(plain)] = name_of(rng)
            blocks[place] = blocks[place]._replace(html=" ".join(words))
    return document._replace(blocks=[*blocks, Block("p", f"Mirrored by {name_of(rng)}.")])
