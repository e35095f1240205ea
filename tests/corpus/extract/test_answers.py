"""Answers to choose from, and explanations of them, stay; forms go."""

from __future__ import annotations

import pytest

from reasonforge.corpus.extract.page import extract_html

WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"


def text_of(body: str) -> str:
    text = extract_html(f"<body><div><div><article>{WORDS}<div>{body}</div>{WORDS}</article></div></div></body>").text
    return "\n\n".join(text.split("\n\n")[1:-1])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<p><input type="radio"><label>a. seven</label></p><p><input type="radio"><label>b. nine</label></p>', "a. seven\n\nb. nine"),
        ('<p><label><input type="radio"> seven</label></p>', "seven"),
        ('<fieldset><label><input type="checkbox">odd</label> <label><input type="checkbox">prime</label></fieldset>', "odd prime"),
        ('<p><input type="radio"><label><span class="math">x^2</span></label></p>', "$x^2$"),
        ('<div class="feedback"><p>Use the rule of the product, and then the rule of the chain.</p></div>',
         "Use the rule of the product, and then the rule of the chain."),
        ('<div class="specific feedback">As <span class="math">x^2</span></div>', "As $x^2$"),
    ],
)  # fmt: skip
def test_it_stays(body: str, expected: str) -> None:
    assert text_of(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        '<form><input type="password"><p><input type="checkbox"><label>Remember this machine</label></p></form>',
        "<p><label>Your name</label><input></p>",
        '<p><label><input type="checkbox">I agree</label></p>',
        '<div class="feedback"><button>Was this page of any help to you, or of no help?</button></div>',
        '<div class="feedback">Helpful?</div>',
    ],
)
def test_it_goes(body: str) -> None:
    assert text_of(body) == ""
