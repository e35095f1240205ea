"""The words after a number. A unit may be dropped; a word that changes the value ("5 or more", "5 million") makes it no number at all."""

from __future__ import annotations

import re

_MAX_WORDS = 4
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]{0,19}\.?(?:\^(?:[23]|\{[23]\}))?(?:/[A-Za-z]{1,12}(?:\^(?:[23]|\{[23]\}))?)?")
# Words of one or two letters are variables (5 x, 5 xy) unless they are one of these.
_SHORT_WORDS = "mm cm dm km kg mg ml cl dl hr ft yd lb oz mi sq in of a an"
# Without a space between, only these: 5cm is a length, 5th is not.
_ATTACHED_WORDS = "mm cm dm km kg mg ml cl dl hr hrs ft yd lb lbs oz km/h kmh mph kph min mins sec secs usd rmb"
_VALUE_WORDS = """
or and and/or more less fewer least most about around approximately approx roughly nearly almost over under above below between than to
if when where for not no non minus plus times divided by squared cubed square-root sqrt root half halves third thirds quarter quarters
fourth fourths fifth fifths sixth sixths seventh eighth eighths ninth tenth tenths hundredth hundredths thousandth thousandths dozen
dozens score hundred thousand million billion trillion hundreds thousands millions billions pct percent percentage point points pi sin
cos tan cot csc log ln exp mod modulo choose factorial one two three four five six seven eight nine ten eleven twelve twenty thirty forty
fifty sixty seventy eighty ninety zero infinity maybe perhaps probably possibly either neither but actually wait except without is are
was were equals equal unknown wrong correct false true base bits negative positive up down
mil mln mio bln bil lakh lakhs crore crores mille permille gross fold double doubled twice triple thrice inverse reciprocal conjugate
transpose opposite complement plusminus otherwise sometimes usually always never hopefully guess guessed invalid rejected incorrectly
unlikely likely mistaken onwards upwards onward upward
"""
_SYNONYM_WORDS = """
mm millimeter millimetre; cm centimeter centimetre; km kilometer kilometre; metre meter; kg kilogram; gramme gram;
ml milliliter millilitre; litre liter; pound lb lbs; oz ounce; ft foot feet; hr hour hrs; min minute mins; sec second secs; mi mile;
inch inche; dollar usd; degree deg
"""

_SHORT = frozenset(_SHORT_WORDS.split())
_ATTACHED = frozenset(_ATTACHED_WORDS.split())
_CHANGES_VALUE = frozenset(_VALUE_WORDS.split())
_SYNONYMS = {word: words.split()[0] for words in _SYNONYM_WORDS.split(";") for word in words.split()[1:]}

_LETTERS = re.compile(r"[b-df-hj-np-tv-z]{3,4}|abc|abx|aby|abd|xya")
_SYMBOL = re.compile(
    r"(?:[kKMGmnµ]?(?:m|s|N|J|W|V|g|A|K|F|C|L|T|l|Hz|Pa|eV|Wh|mol|bar)|gm|cc|rad|h)(?:\^\{?-?[1-3]\}?)?(?:/(?:s|h|m|kg|L|mol)(?:\^\{?[1-3]\}?)?)?"
)
_CONNECTIVES = frozenset(["of", "a", "an", "per"])

_CHINESE_UNIT = re.compile(r"[\u4e00-\u9fff]{1,6}(?:/[\u4e00-\u9fff]{1,3})?")
_CHINESE_CHANGES_VALUE = re.compile(r"[十百千万亿兆半成余多约或和与至到不点负几零一二两三四五六七八九]|分之|以上|以下|左右|百分")
_CHINESE_THOUSANDS = re.compile(r"千[克米瓦卡]")


def read_unit(text: str, *, attached: bool, symbols: bool = False) -> str | None:
    """Return the normal form of the words after a number ("" = none); None where they are no unit.

    Args:
        text: what follows the number, dressing removed.
        attached: no space stands between the number and the text.
        symbols: the text is set upright, so that m is a metre and no variable.

    >>> read_unit("eggs per day", attached=False), read_unit("or more", attached=False), read_unit("x", attached=False)
    ('egg per day', None, None)
    """
    text = text.strip()
    if not text:
        return ""
    if not text[0].isascii():
        bare = _CHINESE_THOUSANDS.sub("公", text)
        return text if _CHINESE_UNIT.fullmatch(text) and not _CHINESE_CHANGES_VALUE.search(bare) else None
    words = text.lower().split(" ")
    if len(words) > _MAX_WORDS or (attached and words[0].partition("^")[0].rstrip(".") not in _ATTACHED):
        return None
    # "5 a" and "5 a^2" are products.
    if all(word.partition("^")[0] in _CONNECTIVES for word in words):
        return None
    if symbols and " " not in text and _SYMBOL.fullmatch(text):
        return _singular(words[0])
    if not all(_is_unit_word(word) for word in words):
        return None
    return " ".join(_singular(word) for word in words)


def _is_unit_word(word: str) -> bool:
    if not _WORD.fullmatch(word):
        return False
    core = re.split(r"[\^/.]", word, maxsplit=1)[0]
    # Three or four consonants (xyz) are variables, unless they are an abbreviation.
    return core not in _CHANGES_VALUE and (core in _SHORT or core in _ATTACHED or (len(core) > 2 and not _LETTERS.fullmatch(core)))


def _singular(word: str) -> str:
    word = word.rstrip(".").replace("{", "").replace("}", "")
    word = word[:-1] if len(word) > 3 and word.endswith("s") else word
    return _SYNONYMS.get(word, word)
