"""Quizzes: what main-content extraction takes for forms, kept in the tree before it.

resiliparse 2.0.1 drops every ``<label>``, and the answers to choose from with it, and whatever is called ``feedback``, be it a button or
the explanation of a solution.
"""

from __future__ import annotations

from typing import Any

from reasonforge.corpus.extract.formulas import OPEN
from reasonforge.corpus.extract.sketch import Sketch
from reasonforge.corpus.extract.tree import attached, children, select

_NAME = "feedback"
_MIN_CHARS = 40
_MAX_ELEMENTS = 200
"""Each is asked what is in and around it: a page may be nothing but labels."""
_CHOICES = 'input[type="radio"], input[type="checkbox"]'
_CREDENTIALS = 'input[type="password"], input[type="email"], input[type="search"]'


def keep_answers(document: Any, seen: Sketch) -> None:
    """Make text of the labels of choices, and take the name from explanations that are called feedback."""
    if seen.has_tag("label") and seen.has_tag("input"):
        for label in select(document, "label")[:_MAX_ELEMENTS]:
            if attached(label) and _is_choice(label):
                _unwrap(document, label)
    if _NAME not in seen.names:
        return
    for element in select(document, f'[class*="{_NAME}"]')[:_MAX_ELEMENTS]:
        text = element.text or ""
        if (OPEN in text or len(text) >= _MIN_CHARS) and element.query_selector("form, input, textarea, button, select") is None:
            element.set_attribute("class", "")


def _is_choice(label: Any) -> bool:
    """Return whether a label says what one of several choices is: an answer, and no setting of a form to log in."""
    choice = label.query_selector(_CHOICES)
    if choice is None and label.parent is not None:
        choice = label.parent.query_selector(_CHOICES)
    if choice is None or not (label.text or "").strip():
        return False
    form = label.closest("form")
    if choice.getattr("type") == "radio":
        return form is None or form.query_selector(_CREDENTIALS) is None
    group = label.closest("fieldset, ul, ol, table, .answer, .answers, .question, .choices, .options")
    return group is not None and len(select(group, _CHOICES)) > 1 and (form is None or form.query_selector(_CREDENTIALS) is None)


def _unwrap(document: Any, label: Any) -> None:
    span = document.create_element("span")
    for child in children(label):
        span.append_child(child)
    label.replace_with(span)
