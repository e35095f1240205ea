"""The words after a number. A unit may be dropped; a word that changes the value ("5 or more", "5 million") makes it no number at all."""

from __future__ import annotations

import re

_MAX_WORDS = 6
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]{0,19}\.?(?:\^(?:[23]|\{[23]\}))?(?:/[A-Za-z]{1,12}(?:\^(?:[23]|\{[23]\}))?)?")
# Words of one or two letters are variables (5 x, 5 xy) unless they are one of these.
_SHORT_WORDS = "mm cm dm km kg mg ml cl dl hr ft yd lb oz mi sq in of a an"
# Without a space between, only these: 5cm is a length, 5th is not.
_ATTACHED_WORDS = "mm cm dm km kg mg ml cl dl hr hrs ft yd lb lbs oz km/h kmh mph kph min mins sec secs usd rmb"
_VALUE_WORDS = """
or and and/or more less fewer least most about around approximately approx roughly nearly almost over under above below between than to
if when where for not no non minus plus times divided by squared cubed square-root sqrt root half halve quarter quarters half-life
dozen score hundred thousand million billion trillion pct percent percentage point pi sin cos tan cot csc log ln exp mod modulo choose
factorial one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety zero
infinity maybe perhaps probably possibly either neither but actually wait except without is are was were equals equal unknown wrong
correct false true base bits negative positive up down mil mln mio bln bil lakh crore mille permille gross fold double twice triple
thrice quadruple inverse reciprocal conjugate transpose opposite complement plusminus otherwise sometimes usually always never hopefully
guess invalid unlikely likely mistaken grand kilo mega giga myriad pair couple few several many some any imaginary recurring repeating
halve etc nope ish minimum maximum alternatively whatever else instead versus excluding including estimate error only again
"""
_NEVER = re.compile(r"\w+ths?|\w*illions?|\w+-?ish|\w{2,}[^e]ed|\w{3,}ing|\w{2,}ly|\w+wards?|\w+(?:ss|us|is)|thirds?|halves|seconds-?half")
_SYNONYM_WORDS = """
mm millimeter millimetre; cm centimeter centimetre; km kilometer kilometre; m metre meter; kg kilogram; g gramme gram gm;
ml milliliter millilitre; l litre liter; pound lb; oz ounce; ft foot feet; hr hour h; min minute; sec second s; mi mile; yd yard;
inch inche in; dollar usd; degree deg; child children; person people; man men; woman women; newton n; joule j; watt w; volt v;
rupee rs inr; euro eur; yuan rmb cny; square sq; cubic cu; cent ct
"""
_UNIT_WORDS = """
meter metre millimeter millimetre centimeter centimetre decimeter decimetre kilometer kilometre foot feet inch inches yard mile league
furlong fathom gram gramme kilogram milligram pound ounce stone ton tonne quart pint gallon cup tablespoon teaspoon bushel barrel liter
litre milliliter millilitre acre hectare second minute hour day week fortnight month year decade century centuries millennium night
dollar cent euro penny pence peso rupee franc mark krona yen yuan won ruble usd eur gbp inr rmb cny nickel dime quarter-dollar
unit degree radian deg rad volt watt ohm newton joule pascal hertz kelvin celsius fahrenheit mole ampere amp coulomb tesla farad
calorie bit byte knot mph kmh kph sec secs min mins hrs hours yds lbs pts cts kms gms gal qts cubic square people men women
children person man woman child boy girl student sheep fish deer geese mice teeth dice oxen cattle aircraft spacecraft series species
apple egg way time-unit digit number point points solution integer page step side edge face vertex vertices indices matrices radii
item piece part book car ball card coin marble ticket box game row column block student member team tree tile seat trip lap turn
candy candies cookie cake pizza slice meal page stamp sticker pencil pen toy flower animal cat dog bird chicken cow horse pig
paths lengths widths depths births deaths months rpm fps psi bpm ppm atm kwh mwh mol bar hz khz mhz ghz gb mb kb tb cal kcal joules usd/hour
"""
_AFTERWARDS = frozenset(
    [
        "old",
        "long",
        "tall",
        "wide",
        "deep",
        "high",
        "away",
        "apart",
        "each",
        "together",
        "altogether",
        "total",
        "left",
        "remaining",
        "today",
        "squared",
        "cubed",
    ]
)
"""What may follow a unit: 5 years old, 6 feet tall."""

_SHORT = frozenset(_SHORT_WORDS.split())
_ATTACHED = frozenset(_ATTACHED_WORDS.split())
_CHANGES_VALUE = frozenset(_VALUE_WORDS.split())
_RATES = frozenset(["m/s", "m/sec", "m/s^2", "m/s^{2}", "ft/s", "mi/h", "m/min"])
_UNITS = frozenset(_UNIT_WORDS.split()) | _RATES
_SYNONYMS = {word: words.split()[0] for words in _SYNONYM_WORDS.split(";") for word in words.split()[1:]}
_SPEEDS = {"mph": "mi per hr", "kmh": "km per hr", "kph": "km per hr", "kmph": "km per hr", "rpm": "revolution per min"}
_POWERS = {"2": "square", "3": "cubic", "squared": "square", "cubed": "cubic"}

_LETTERS = re.compile(r"[b-df-hj-np-tv-z]{3,4}|abc|abx|aby|abd|xya")
_SYMBOL = re.compile(
    r"(?:[kKMGmnµ]?(?:m|s|N|J|W|V|g|A|K|F|C|L|T|l|Hz|Pa|eV|Wh|mol|bar)|gm|cc|rad|h)(?:\^\{?-?[1-3]\}?)?(?:/(?:s|h|m|kg|L|mol)(?:\^\{?[1-3]\}?)?)?"
)
_CONNECTIVES = frozenset(["of", "a", "an", "per", "the"])

_CHINESE_UNIT = re.compile(r"[\u4e00-\u9fff]{1,6}(?:/[\u4e00-\u9fff]{1,3})?")
_CHINESE_CHANGES_VALUE = re.compile(
    r"^[的打倍折]|[十百千万亿兆半成余多约或和与至到不点负几零一二两三四五六七八九错]|分之|百分|以[上下内外]|之[内间外]|左右|上下|内外|开外"
    r"|等等|除外|排除|大概|大约|估计|可能|也许|方$|阶乘|倒数|相反|绝对|因数$|[吧吗呢么]$"
)
_CHINESE_THOUSANDS = re.compile(r"千[克米瓦卡]")
_TRAILING_WORDS = re.compile(
    r"(?P<number>.*[0-9}%])(?:\\[ ,;]|~|\s){0,3}(?:\\(?:text|mathrm|mbox|textrm)\s?\{\s{0,2})?"
    r"(?P<words>[A-Za-z][A-Za-z' -]{1,60}|[\u4e00-\u9fff]{1,4})\.?\s{0,2}(?P<brace>\}?)\s{0,2}"
)
_NUMBER_AND_SYMBOL = re.compile(r"\s{0,2}\$?([0-9.,]{1,30})(?:\\[ ,;]|~|\s){1,3}([hmsgLlNJWVA](?:\^\{?[23]\}?)?)\$?\s{0,2}")
_COUNTED = frozenset(["times", "dozen", "dozens", "pair", "pairs", "couple", "couples", "score", "gross", "fold"])
"""Words that change a value, unless the question asks how many of them there are."""


def read_unit(text: str, *, attached: bool, symbols: bool = False) -> str | None:
    """Return the normal form of the words after a number ("" = none); None where they are no unit.

    An unknown word is a unit where it looks like a plural. "5 zillion" and "5 whatever" are no numbers; words of the question are
    looked at by ``without_asked_words``.

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
        if text in ("Ω", "\u2126"):
            return "ohm"
        bare = _CHINESE_THOUSANDS.sub("公", text)
        bare = re.sub(r"[平立]方(?=[^方])", "方", bare)
        return text if _CHINESE_UNIT.fullmatch(text) and not _CHINESE_CHANGES_VALUE.search(bare) else None
    words = text.lower().split()
    if len(words) > _MAX_WORDS or (attached and words[0].partition("^")[0].rstrip(".") not in _ATTACHED):
        return None
    # "5 a" and "5 a^2" are products.
    if all(word.partition("^")[0] in _CONNECTIVES for word in words):
        return None
    if symbols and " " not in text and _SYMBOL.fullmatch(text):
        return _canonical(words)
    return _canonical(words) if _is_unit(words) else None


def changes_value(word: str) -> bool:
    """Tell whether a word changes what a number beside it says."""
    word = word.lower()
    known = word in _UNITS or word in _SHORT or word in _ATTACHED
    return not known and (word in _CHANGES_VALUE or word.removesuffix("s") in _CHANGES_VALUE or _NEVER.fullmatch(word) is not None)


def without_asked_words(raw: str, question: str) -> str:
    """Return an answer without the words behind its number, where the question uses these words; else "".

    >>> without_asked_words("5 gnu", "How many gnu are there?"), without_asked_words("5 zillion", "How many gnu are there?")
    ('5', '')
    """
    match = _TRAILING_WORDS.fullmatch(raw) if len(raw) <= 200 else None
    if match is None or not question:
        return ""
    words, asked = match["words"].lower().split(), question.lower()
    if not words[0].isascii():
        counted = any(f"{how}{words[0]}" in question for how in ("几", "多少"))
        return _balanced(match["number"]) if counted or (words[0] in question and read_unit(words[0], attached=False)) else ""
    for word in words:
        counted = word in _COUNTED and re.search(rf"how many (?:\w+ )?{word}\b", asked)
        if not counted and (changes_value(word) or not re.search(rf"(?<![a-z]){re.escape(word)}s?(?![a-z])", asked)):
            return ""
    return _balanced(match["number"]) if any(len(word) > 2 for word in words) else ""


def with_upright_symbol(raw: str) -> str:
    """Return 5 h as the quantity that it is beside a reference with a unit; "" where it is no number with a letter."""
    match = _NUMBER_AND_SYMBOL.fullmatch(raw)
    return "" if match is None else f"{match[1]}\\text{{ {match[2]}}}"


def _balanced(text: str) -> str:
    return text if text.count("{") == text.count("}") else ""


def _is_unit(words: list[str]) -> bool:
    """Tell whether words are a noun that can be counted (large red apples), with what may follow it (per day, of the cake, old)."""
    if not all(_may_stand(word) for word in words):
        return False
    end = next((index for index, word in enumerate(words) if word in _CONNECTIVES), len(words))
    head = words[:end]
    while len(head) > 1 and head[-1] in _AFTERWARDS:
        head = head[:-1]
    # Behind "of" and "per" any noun may stand: 2/3 of the cake.
    return not head or _is_noun(head[-1])


def _may_stand(word: str) -> bool:
    if not _WORD.fullmatch(word):
        return False
    if word in _AFTERWARDS or word in _RATES:
        return True
    core, *rest = [part for part in re.split(r"[\^/.{}]", word) if part and not part.isdigit()]
    if any(changes_value(part) for part in (core, *rest)):
        return False
    # Three or four consonants (xyz) are variables, unless they are an abbreviation.
    return core in _SHORT or core in _ATTACHED or core in _UNITS or core in _CONNECTIVES or (len(core) > 2 and not _LETTERS.fullmatch(core))


def _is_noun(word: str) -> bool:
    core = word if word in _RATES else re.split(r"[\^/.]", word, maxsplit=1)[0]
    known = _UNITS | _SHORT | _ATTACHED
    return core in known or core.removesuffix("s") in known or (len(core) > 3 and core.endswith("s"))


def _canonical(words: list[str]) -> str:
    """Return the one name of a unit: cm^2 is square cm, km/h is km per hr."""
    result: list[str] = []
    for word in words:
        if word in _POWERS and result:
            result.insert(len(result) - 1, _POWERS[word])
            continue
        for index, part in enumerate(word.rstrip(".").replace("{", "").replace("}", "").split("/")):
            name, _, power = part.partition("^")
            result += ["per"] if index else []
            result += [_POWERS[power]] if power in _POWERS else []
            result.append(_SPEEDS.get(name) or _singular(name))
            result += [f"^{power}"] if power and power not in _POWERS else []
    return " ".join(word for word in result if word not in ("a", "an", "the"))


def _singular(word: str) -> str:
    word = _SYNONYMS.get(word, word)
    word = word[:-1] if len(word) > 2 and word.endswith("s") else word
    return _SYNONYMS.get(word, word)
