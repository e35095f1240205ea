r"""MathML as LaTeX.

A walk over the tree (``walk``) reads each element by its name: characters (``tokens``), what stands at something (``scripts``), what is
arranged (``layout``), one beside the other (``rows``). It is bounded: elements beyond a depth give their text, and after so many of them
the rest of the formula is left out, so that a formula costs what its size allows. Content markup is read by ``content``; of ``semantics``
the first child is read (an annotation in TeX is the business of the carriers, which look for it before they come here).
"""

from __future__ import annotations

import re
from typing import Any

from reasonforge.corpus.extract.mathml import content, layout, scripts, tokens
from reasonforge.corpus.extract.mathml.rows import binomial
from reasonforge.corpus.extract.mathml.walk import Handler, Walk

_MODULO = re.compile(r"\(\s*\\operatorname\{mod\}\s*([^()]{1,80})\)|\\text\{\(mod ([^(){}]{1,80})\)\}")
_SPACE_AFTER_COMMAND = re.compile(r"(\\[A-Za-z]+|[}\])|]) +(?=[}^_,)\]]|$)")
_HANDLERS: dict[str, Handler] = {
    "mi": tokens.identifier,
    "mn": tokens.number,
    "mo": tokens.operator,
    "mtext": tokens.words,
    "ms": tokens.quoted,
    "mspace": tokens.space,
    "mfrac": layout.fraction,
    "msqrt": layout.square_root,
    "mroot": layout.root,
    "msub": scripts.sub,
    "msup": scripts.sup,
    "msubsup": scripts.sub_sup,
    "munder": scripts.under,
    "mover": scripts.over,
    "munderover": scripts.under_over,
    "mmultiscripts": scripts.multiscripts,
    "mfenced": layout.fenced,
    "mtable": layout.grid,
    "menclose": layout.enclosed,
    "mphantom": layout.phantom,
    "semantics": layout.first,
    "maction": layout.first,
    "apply": content.applied,
    "ci": content.literal,
    "cn": content.literal,
    "csymbol": content.literal,
    "set": content.several,
    "list": content.several,
    "vector": content.several,
    "interval": content.several,
    "matrix": content.matrix,
    "piecewise": content.piecewise,
    **dict.fromkeys(content.CONSTANTS, content.constant),
}


def to_latex(element: Any) -> str:
    r"""Return a ``math`` element (or any part of one) of a parsed page as LaTeX, without delimiters.

    Args:
        element: a resiliparse node, ``math`` or below; a namespace prefix in the names (``mml:mfrac``) does not matter.
    """
    latex = _SPACE_AFTER_COMMAND.sub(r"\1", Walk(_HANDLERS, others=layout.side_by_side).latex(element, 0)).strip()
    if "\\atop" in latex:
        latex = binomial(latex) or latex
    return _MODULO.sub(lambda found: f"\\pmod{{{(found[1] or found[2]).strip()}}}", latex) if "mod" in latex else latex
