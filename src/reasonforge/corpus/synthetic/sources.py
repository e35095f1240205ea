"""Documents beside the crawl: the first positives, and the other sources of a mixture."""

from __future__ import annotations

from random import Random

from reasonforge.corpus.synthetic import documents, formula
from reasonforge.corpus.synthetic.grammar import Grammar, name_of

_CODE = Grammar(
    {
        "name": ["load", "parse", "merge", "render", "fetch", "update", "count", "split", "find", "store", "check", "walk"],
        "noun": ["rows", "user", "config", "path", "token", "buffer", "image", "index", "queue", "session", "tree", "cache"],
        "line": [
            "    {noun} = {name}_{noun}({noun})", "    if not {noun}:\n        return None", "    for {noun} in {name}_{noun}({noun}, limit={n2}):\n        {name}({noun})",
            "    {noun}.append({noun}[{n1}:])", "    log.info(\"{name} {noun}\", {noun})", "    try:\n        {name}({noun})\n    except KeyError:\n        pass",
        ],
        "function": ["def {name}_{noun}({noun}, {noun}_{noun}=None):\n    \"\"\"{name} the {noun}.\"\"\"\n{line}\n{line}\n{line}\n    return {noun}\n"],
    }
)  # fmt: skip
_ALGEBRA = Grammar(
    {
        "name": ["det", "gcd", "roots", "series", "factor", "trace", "integrate", "solve", "resultant", "limit"],
        "var": ["x", "y", "t", "n", "A", "p", "q"],
        "function": [
            "from sympy import symbols, {name}\n\n{var} = symbols('{var}')\nassert {name}({var}**{n1} - {n2}, {var}) == {name}({n2} - {var}**{n1})\n",
            "function {name}_{var}({var})\n    @assert {var} > {n1}\n    return sum({var}^k / factorial(k) for k in 0:{n2})\nend\n",
            "def {name}({var}, mod={n3}):\n    return pow({var}, {n2}, mod)\n",
        ],
    }
)  # fmt: skip


def seed_documents(seed: int, count: int) -> list[dict[str, object]]:
    """Return English textbook pages as text: positives of one dialect, as OpenWebMath is mostly of one."""
    rows: list[dict[str, object]] = []
    for i in range(count):
        rng = Random(seed + i)
        rows.append({"id": f"seed-{i:06d}", "text": documents.textbook(rng).text(), "url": f"https://{name_of(rng).lower()}-seed.example/{i}"})
    return rows


def mixture(seed: int, count: int) -> dict[str, list[dict[str, object]]]:
    """Return the documents of the other sources, by the names that the paper's mixture has."""
    makers = {
        "algebraic_stack": lambda rng: "\n".join(_ALGEBRA.draw(rng, "function") for _ in range(6)),
        "arxiv": _paper,
        "github": lambda rng: "\n\n".join(_CODE.draw(rng, "function") for _ in range(5)),
        "natural_language": lambda rng: (documents.other(rng) if rng.random() < 0.6 else documents.chinese_other(rng)).text(),
    }
    rows: dict[str, list[dict[str, object]]] = {}
    for number, (name, make) in enumerate(makers.items()):
        rows[name] = [{"id": f"{name}-{i:06d}", "text": make(Random(seed + number * 1_000_003 + i))} for i in range(count)]
    return rows


def _paper(rng: Random) -> str:
    body = documents.textbook(rng).text()
    display = "\n".join(rf"\begin{{equation}} {formula.draw(rng).latex} \label{{eq:{i}}} \end{{equation}}" for i in range(3))
    return f"\\section{{Introduction}}\nWe study a question of {name_of(rng)}.\n\n{body}\n\n{display}\n\\section{{Conclusion}}\nWe thank {name_of(rng)}."
