r"""From the text of an answer to its tree: a parser for the LaTeX (and the plain typing) in which answers come.

Bounded: a text that is too long, too deep or too large is not read. What it does not understand it refuses: ``None`` is never a guess.
Juxtaposition multiplies and binds like ``*`` and ``/``, from left to right: ``1/2x`` is half of x. A run of capitals is one name
(the segment AB is not the segment BA); a run of small letters is a product.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from reasonforge.verify.tokens import CURRENCIES, FUNCTIONS, REPEATING, RefusedError, Token, tokenize
from reasonforge.verify.tree import Apply, Name, Node, Number
from reasonforge.verify.units import read_unit

MAX_DEPTH = 24
"""Brackets, exponents and arguments inside one another. Each level takes about ten frames of the interpreter's stack."""
_MAX_POSTFIXES = 6
_MAX_PRODUCT_LETTERS = 3
"""Longer runs of small letters are words."""

_LETTERS = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau phi varphi chi psi omega
Gamma Delta Theta Lambda Sigma Phi Psi Omega ell hbar
"""
_GREEK = frozenset(_LETTERS.split())
_INVERSE = {"sin": "asin", "cos": "acos", "tan": "atan"}
_FRACTIONS = frozenset(["frac", "dfrac", "tfrac", "cfrac"])
_BINOMIALS = frozenset(["binom", "dbinom", "tbinom"])
_MATRICES = frozenset(["pmatrix", "bmatrix", "matrix", "array", "Bmatrix", "smallmatrix"])
_RELATIONS = frozenset(["=", "<", ">", "<=", ">=", "!="])
_SEPARATORS = frozenset([",", ";", "and", "or"])


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an answer says, and the unit it named ("" = none)."""

    node: Node
    unit: str


def parse_answer(text: str) -> Node | None:
    r"""Return the tree of an answer; None where the text is not read as mathematics.

    >>> parse_answer("x = 4")
    Apply(op='equation', args=(Name(name='x'), Number(value=Fraction(4, 1), is_decimal=False)))
    >>> parse_answer("5 or more") is None
    True
    """
    parsed = parse_with_unit(text)
    return None if parsed is None else parsed.node


def parse_with_unit(text: str, *, thousands: bool = True) -> Parsed | None:
    """Return tree and unit. ``thousands=False`` reads every comma as a separator: 100,200 is then a list."""
    try:
        parser = _Parser(tokenize(text, thousands=thousands))
        return Parsed(parser.answer(), parser.unit)
    except (RefusedError, RecursionError):
        return None


class _Parser:
    """Recursive descent over tokens; every way to go deeper passes ``_deeper``."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.unit = ""

    # Reading tokens.

    def peek(self, ahead: int = 0) -> Token | None:
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    def at(self, *operators: str) -> bool:
        token = self.peek()
        return token is not None and token.kind == "op" and token.value in operators

    def take(self, *operators: str) -> str | None:
        token = self.peek()
        if token is not None and token.kind == "op" and token.value in operators:
            self.position += 1
            return token.value
        return None

    def expect(self, operator: str) -> None:
        if self.take(operator) is None:
            raise RefusedError

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RefusedError

    # The answer as a whole.

    def answer(self) -> Node:
        if (first := self.peek()) is not None and (first.kind, first.value) == ("begin", "cases"):
            return self._system()
        items, separators = [self.statement()], set[str]()
        while separator := self.take(*_SEPARATORS):
            if separator in (",", ";"):
                separator = self.take("and", "or") or ","
            separators.add(separator)
            items.append(self.statement())
        if self.peek() is not None:
            raise RefusedError
        if len(items) == 1:
            return items[0]
        if all(isinstance(item, Apply) and item.op in ("relation", "both") for item in items):
            if separators <= {"or", ","} and "or" in separators:
                return Apply("either", tuple(items))
            if separators <= {"and"}:
                return Apply("both", tuple(items))
        return Apply("list", tuple(items))

    def _system(self) -> Node:
        """The equations of a cases environment, which stands alone: x = 1 and y = 2."""
        self.position += 1
        items = [self.statement()]
        while self.take("\\\\", ","):
            if (token := self.peek()) is not None and token.kind == "end":
                break
            items.append(self.statement())
        token = self.peek()
        if token is None or (token.kind, token.value) != ("end", "cases") or self.peek(1) is not None:
            raise RefusedError
        if not all(isinstance(item, Apply) and item.op == "equation" for item in items):
            raise RefusedError
        return Apply("list", tuple(items))

    def statement(self) -> Node:
        """An expression, a relation, a chain of inequalities, a membership or a ratio, with the unit that follows it."""
        self._currency()
        parts, operators = [self.set_expression()], list[str]()
        self._units()
        while operator := self.take(*_RELATIONS):
            operators.append(operator)
            self._currency()
            parts.append(self.set_expression())
            self._units()
        if not operators:
            if self.take("in"):
                return Apply("member", (parts[0], self.set_expression()))
            if self.at(":"):
                while self.take(":"):
                    parts.append(self.sum())
                return Apply("ratio", tuple(parts))
            return parts[0]
        if operators == ["="]:
            return Apply("equation", tuple(parts))
        # 1 = 2 = 5 claims three things. A chain of inequalities (1 < x < 3) says one.
        if "=" in operators or ("!=" in operators and len(operators) > 1):
            raise RefusedError
        links = [Apply("relation", (Name(operators[index]), parts[index], parts[index + 1])) for index in range(len(operators))]
        return links[0] if len(links) == 1 else Apply("both", tuple(links))

    def _currency(self) -> None:
        sign = self.peek()
        ahead = self.peek(1)
        if sign and sign.kind == "op" and sign.value == "-" and ahead and ahead.kind == "op" and ahead.value in CURRENCIES:
            self.unit = CURRENCIES[ahead.value]
            self.tokens = [*self.tokens[: self.position + 1], *self.tokens[self.position + 2 :]]
        elif (name := self.take(*CURRENCIES)) is not None:
            self.unit = CURRENCIES[name]

    def _units(self) -> None:
        """Take the words up to the next separator or relation where they are a unit; otherwise refuse."""
        words: list[str] = []
        start = self.position
        while (token := self.peek()) is not None and not (
            token.kind == "op" and token.value in _SEPARATORS | _RELATIONS | {")", "]", "\\}"}
        ):
            words.append(token.value)
            self.position += 1
        if not words:
            return
        if self.tokens[start].kind not in ("text", "word", "name"):
            self.position = start
            return
        first = self.tokens[start]
        unit = read_unit(_joined(words), attached=not first.spaced, symbols=first.kind == "text")
        if unit is None:
            raise RefusedError
        self.unit = unit

    # Expressions.

    def set_expression(self) -> Node:
        parts = [self.sum()]
        while operator := self.take("cup", "setminus"):
            right = self.sum()
            if operator == "setminus":
                parts[-1] = Apply("minus", (parts[-1], right))
            else:
                parts.append(right)
        return parts[0] if len(parts) == 1 else Apply("union", tuple(parts))

    def sum(self) -> Node:
        terms: list[Node] = []
        operator = self.take("+", "-", "pm")
        while True:
            negative = operator == "-"
            plus_minus = operator == "pm"
            # 3 + -2 is read; --5 and 3 - - -2 are noise.
            if terms and self.take("-"):
                negative = not negative
            term = self.term()
            if plus_minus:
                left: Node = Apply("add", tuple(terms)) if len(terms) > 1 else terms[0] if terms else Number(Fraction(0))
                terms = [Apply("pm", (left, term))]
            else:
                terms.append(_negated(term) if negative else term)
            operator = self.take("+", "-", "pm")
            if operator is None:
                return terms[0] if len(terms) == 1 else Apply("add", tuple(terms))

    def term(self) -> Node:
        factors: list[Node] = [self.power()]
        mixed = isinstance(factors[0], Number) and not factors[0].is_decimal
        while True:
            if self.take("*"):
                factors.append(self.signed_power())
            elif self.take("/"):
                divisor = self.signed_power()
                if divisor == Number(Fraction(0)):
                    raise RefusedError
                factors.append(Apply("pow", (divisor, Number(Fraction(-1)))))
            elif self._begins_factor():
                token = self.peek()
                if len(factors) == 1 and mixed and token and token.kind == "command" and token.value in _FRACTIONS:
                    fraction = self.power()
                    value = _plain_fraction(fraction)
                    if value is not None:
                        # 2\frac{1}{3} is a mixed number.
                        if not 0 < value < 1:
                            raise RefusedError
                        factors[0] = Number(factors[0].value + value)  # type: ignore[union-attr]
                        mixed = False
                        continue
                    factors.append(fraction)
                else:
                    factors.append(self.power())
            else:
                return factors[0] if len(factors) == 1 else Apply("mul", tuple(factors))
            mixed = False

    def signed_power(self) -> Node:
        sign = self.take("-", "+")
        factor = self.power()
        return _negated(factor) if sign == "-" else factor

    def _begins_factor(self) -> bool:
        token = self.peek()
        if token is None:
            return False
        if token.kind == "op":
            return token.value in ("(", "{", "[") or (token.value == "|" and self._opens_absolute())
        if token.kind == "word":
            return not self._is_unit_ahead() and len(token.value) <= _MAX_PRODUCT_LETTERS
        if token.kind == "name":
            return not (token.spaced and self._is_unit_ahead())
        if token.kind == "number":
            # 2 3 is two numbers; (n-2) 2^n is a product.
            before = self.tokens[self.position - 1]
            return before.kind == "op" and before.value == ")"
        return token.kind == "begin" or (token.kind == "command" and token.value not in ("rfloor", "rceil"))

    def _opens_absolute(self) -> bool:
        return self.depth == 0 and any(token.kind == "op" and token.value == "|" for token in self.tokens[self.position + 1 :])

    def _is_unit_ahead(self) -> bool:
        """Tell whether the words from here to the next separator are a unit."""
        words: list[str] = []
        for token in self.tokens[self.position : self.position + 12]:
            if token.kind == "op" and token.value in _SEPARATORS | _RELATIONS | {")", "]"}:
                break
            words.append(token.value)
        return read_unit(_joined(words), attached=not self.tokens[self.position].spaced) is not None

    def power(self) -> Node:
        base = self.atom()
        for _ in range(_MAX_POSTFIXES):
            if self.take("!"):
                base = Apply("factorial", (base,))
            elif self.take("%"):
                base = Apply("mul", (base, Name("%")))
            elif self.take("degrees"):
                base = Apply("degrees", (base,))
            elif self.at("_") and isinstance(base, Number):
                self.position += 1
                base = Apply("base", (base, self.argument(single_digit=False)))
            elif self.take("^"):
                if self._takes_degree_sign():
                    base = Apply("degrees", (base,))
                    continue
                base = Apply("pow", (base, self.exponent()))
            else:
                return base
        raise RefusedError

    def _takes_degree_sign(self) -> bool:
        for length, shape in ((3, ("{", "circ", "}")), (1, ("circ",))):
            ahead = self.tokens[self.position : self.position + length]
            if tuple(token.value for token in ahead) == shape:
                self.position += length
                return True
        return False

    def exponent(self) -> Node:
        self._deeper()
        sign = self.take("-", "+")
        exponent = self.argument(single_digit=False)
        # a^b^c is a^(b^c).
        if not sign and self.take("^"):
            exponent = Apply("pow", (exponent, self.exponent()))
        self.depth -= 1
        return _negated(exponent) if sign == "-" else exponent

    def argument(self, *, single_digit: bool) -> Node:
        """An argument in braces, or the next atom; of a number its first digit only where LaTeX would take that."""
        if self.take("{"):
            self._deeper()
            content = self.sum()
            self.expect("}")
            self.depth -= 1
            return content
        token = self.peek()
        if token is not None and token.kind == "number" and single_digit:
            if "." in token.value:
                raise RefusedError
            if len(token.value) > 1:
                self.tokens[self.position] = Token("number", token.value[1:], False)
            else:
                self.position += 1
            return Number(Fraction(int(token.value[0])))
        return self.atom()

    def atom(self) -> Node:
        token = self.peek()
        if token is None:
            raise RefusedError
        self.position += 1
        match token.kind:
            case "number":
                return self._number(token)
            case "repeating":
                return _repeating_value(token.value)
            case "name":
                return self._name(token.value)
            case "word":
                if len(token.value) > _MAX_PRODUCT_LETTERS:
                    raise RefusedError
                # One name after the other: of xy^2 only y is squared.
                first, *rest = token.value
                self.tokens[self.position : self.position] = [Token("name", letter, spaced=False) for letter in rest]
                return self._name(first)
            case "command":
                return self._command(token.value)
            case "begin":
                return self._matrix(token.value)
            case "op":
                return self._bracketed(token.value)
            case _:
                raise RefusedError

    def _number(self, token: Token) -> Node:
        following = self.peek()
        if following is not None and following.kind in ("number", "repeating"):
            raise RefusedError
        return Number(Fraction(token.value), "." in token.value)

    def _name(self, name: str) -> Node:
        if self.take("_"):
            self._deeper()
            sub = self.argument(single_digit=True)
            self.depth -= 1
            match sub:
                case Number(value=value):
                    return Name(f"{name}_{value}")
                case Name(name=inner):
                    return Name(f"{name}_{inner}")
                case _:
                    raise RefusedError
        return Name(name)

    def _command(self, command: str) -> Node:
        self._deeper()
        node = self._command_body(command)
        self.depth -= 1
        return node

    def _command_body(self, command: str) -> Node:
        if command in _FRACTIONS:
            top = self.argument(single_digit=True)
            bottom = self.argument(single_digit=True)
            if bottom == Number(Fraction(0)):
                raise RefusedError
            if isinstance(top, Number) and isinstance(bottom, Number):
                return Number(top.value / bottom.value, top.is_decimal or bottom.is_decimal)
            return Apply("mul", (top, Apply("pow", (bottom, Number(Fraction(-1))))))
        if command in _BINOMIALS:
            return Apply("binomial", (self.argument(single_digit=True), self.argument(single_digit=True)))
        if command == "sqrt":
            degree: Node = Number(Fraction(2))
            if self.take("["):
                degree = self.sum()
                self.expect("]")
            return Apply("root", (self.argument(single_digit=False), degree))
        if command == "pi":
            return self._name("pi") if self.at("_") else Name("pi")
        if command in ("infty", "infinity", "oo"):
            return Name("oo")
        if command in ("emptyset", "varnothing"):
            return Apply("set", ())
        if command == "mathbb":
            return self._number_set()
        if command in _GREEK:
            return self._name(command)
        if command in ("lfloor", "lceil"):
            content = self.sum()
            token = self.peek()
            closing = "rfloor" if command == "lfloor" else "rceil"
            if token is None or token.value != closing:
                raise RefusedError
            self.position += 1
            return Apply("floor" if command == "lfloor" else "ceil", (content,))
        if command in FUNCTIONS:
            return self._function(FUNCTIONS[command])
        if command in ("overline", "overrightarrow", "vec"):
            return self._marked_name(command)
        if command in ("angle", "triangle"):
            token = self.peek()
            if token is None or token.kind != "name":
                raise RefusedError
            self.position += 1
            return Name(f"{command} {token.value}")
        raise RefusedError

    def _marked_name(self, mark: str) -> Node:
        """A segment under its line is the segment; one letter under a line is another quantity than the letter."""
        self.expect("{")
        token = self.peek()
        self.position += 1
        self.expect("}")
        if token is None or token.kind != "name":
            raise RefusedError
        return Name(token.value if len(token.value) > 1 and mark == "overline" else f"{mark} {token.value}")

    def _number_set(self) -> Node:
        if [token.value for token in self.tokens[self.position : self.position + 3]] == ["{", "R", "}"]:
            self.position += 3
            return Apply("interval", (Apply("neg", (Name("oo"),)), Name("oo"), Name("oo")))
        raise RefusedError

    def _function(self, name: str) -> Node:
        base: Node | None = None
        power: Node | None = None
        if name == "log" and self.take("_"):
            base = self.argument(single_digit=True)
        if self.take("^"):
            power = self.exponent()
            if power == Number(Fraction(-1)):
                if name not in _INVERSE:
                    raise RefusedError
                name, power = _INVERSE[name], None
        if self.at("(", "{"):
            argument = self.argument(single_digit=False) if self.at("{") else self.atom()
            # cos(x)^2 is the square of the cosine: the exponent is left to the caller.
        else:
            argument = self._open_argument()
        if name == "log":
            base = base or Number(Fraction(10))
            node: Node = Apply("log", (argument, base))
        else:
            node = Apply(name, (argument,))
        return node if power is None else Apply("pow", (node, power))

    def _open_argument(self) -> Node:
        """The argument of a function without brackets: factors up to the next function or operator other than a division (sin 2x)."""
        factors: list[Node] = [self.signed_power()]
        while (token := self.peek()) is not None:
            if token.kind == "command" and (token.value in FUNCTIONS or token.value in _FRACTIONS):
                break
            if self.take("/"):
                factors.append(Apply("pow", (self.power(), Number(Fraction(-1)))))
            elif token.kind != "op" and self._begins_factor():
                factors.append(self.power())
            else:
                break
        return factors[0] if len(factors) == 1 else Apply("mul", tuple(factors))

    def _bracketed(self, opening: str) -> Node:
        self._deeper()
        node = self._bracketed_body(opening)
        self.depth -= 1
        return node

    def _bracketed_body(self, opening: str) -> Node:
        if opening == "{":
            content = self.sum()
            self.expect("}")
            return content
        if opening == "|":
            content = self.sum()
            self.expect("|")
            return Apply("abs", (content,))
        if opening == "\\{":
            if self.take("\\}"):
                return Apply("set", ())
            items = [self._item()]
            while self.take(",", ";"):
                items.append(self._item())
            self.expect("\\}")
            return Apply("set", tuple(items))
        if opening not in ("(", "["):
            raise RefusedError
        items = [self._item()]
        while self.take(",", ";"):
            items.append(self._item())
        closing = self.take(")", "]")
        if closing is None:
            raise RefusedError
        straight = (opening, closing) in (("(", ")"), ("[", "]"))
        if len(items) == 1:
            if not straight:
                raise RefusedError
            return items[0]
        if len(items) == 2 and (opening, closing) != ("(", ")"):
            ends = {"(": "o", "[": "c", ")": "o", "]": "c"}
            return Apply("interval", (*items, Name(ends[opening] + ends[closing])))
        if not straight:
            raise RefusedError
        return Apply("tuple", tuple(items))

    def _item(self) -> Node:
        """A member of a tuple or set; a unit behind it is dropped."""
        item = self.set_expression()
        token = self.peek()
        if token is not None and token.kind in ("text", "word"):
            self._units()
        return item

    def _matrix(self, environment: str) -> Node:
        if environment not in _MATRICES:
            raise RefusedError
        self._deeper()
        rows: list[Node] = []
        cells = [self.sum()]
        while True:
            if self.take("&"):
                cells.append(self.sum())
                continue
            if self.take("\\\\"):
                rows.append(Apply("tuple", tuple(cells)))
                token = self.peek()
                if token is not None and token.kind == "end":
                    break
                cells = [self.sum()]
                continue
            rows.append(Apply("tuple", tuple(cells)))
            break
        token = self.peek()
        if token is None or token.kind != "end" or token.value != environment:
            raise RefusedError
        self.position += 1
        self.depth -= 1
        if len({len(row.args) for row in rows if isinstance(row, Apply)}) != 1:
            raise RefusedError
        return Apply("matrix", tuple(rows))


def _joined(words: list[str]) -> str:
    """Return the text of unit tokens: ``cm`` ``^`` ``2`` is ``cm^2``."""
    text = ""
    for piece in " ".join(words).split():
        glue = "" if not text or piece in "^/{}" or text[-1] in "^/{" else " "
        text += glue + piece
    return text.replace("{", "").replace("}", "")


def _negated(node: Node) -> Node:
    return Number(-node.value, node.is_decimal) if isinstance(node, Number) else Apply("neg", (node,))


def _plain_fraction(node: Node) -> Fraction | None:
    return node.value if isinstance(node, Number) else None


def _repeating_value(text: str) -> Node:
    match = REPEATING.fullmatch(text)
    if match is None:
        raise RefusedError
    whole, fixed, repeated = match.groups()
    shift = 10 ** len(fixed)
    value = Fraction(int((whole or "0") + fixed), shift) + Fraction(int(repeated), shift * (10 ** len(repeated) - 1))
    return Number(value)
