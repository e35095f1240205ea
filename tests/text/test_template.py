"""Templates from strangers: what runs, what is refused, and that nothing hangs."""

from __future__ import annotations

import json

import pytest

from reasonforge.core.errors import DataError
from reasonforge.text.template import MAX_SOURCE_CHARACTERS, ChatTemplate, compile_template
from tests.text.samples import TEMPLATES

GROW = "{%% set ns = namespace(x=%s) %%}{%% for i in range(99) %%}%s{%% endfor %%}{{ ns.x }}"


def render(source: str, *contents: str, generation: bool = False, **variables: object) -> str:
    roles = ["user", "assistant"] * len(contents)
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents)]
    return ChatTemplate(source).render(messages, generation=generation, variables=variables)


@pytest.mark.parametrize(
    "source",
    [
        "{{ cycler.__init__.__globals__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ raise_exception.__globals__['json'] }}",
        "{{ namespace.__init__.__globals__.os.system('true') }}",
        "{{ self.__init__.__globals__ }}",
        "{{ 'x' | attr('__class__') }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
    ],
)
def test_a_template_that_reaches_outside_is_refused_in_one_line(source: str) -> None:
    with pytest.raises(DataError) as caught:
        render(source, "hi")
    assert str(caught.value).startswith("chat template: ")
    assert "\n" not in str(caught.value)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(9999999999) %}{% endfor %}",
        "{% for i in range(9000) %}{% for j in range(9000) %}{% endfor %}{% endfor %}",
        "{% for i in range(9000) %}{% for j in range(9000) if false %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(50) }}",
        "{% for m in messages recursive %}{{ loop(messages) }}{{ loop(messages) }}{% endfor %}",
        "{{ 'a' * 9999999999 }}",
        "{{ 9999999999 * 'a' }}",
        "{{ [[0] * 999999] * 999999 }}",
        "{{ 9 ** 99999999999 }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ '{:9999999999}'.format(1) }}",
        "{{ '{:9999999999}'.format_map({}) }}",
        "{{ 'a'.ljust(9999999999) }}",
        "{{ 'a'.zfill(9999999999) }}",
        "{{ '\\t'.expandtabs(9999999999) }}",
        "{{ 'a' | center(9999999999) }}",
        "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
        "{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}",
        "{{ ('b' * 1000000).join('a' * 1000000) }}",
        "{{ ('a' * 1000000) | list | join('b' * 1000000) }}",
        GROW % ("'a'", "{% set ns.x = ns.x + ns.x %}"),
        GROW % ("'a'", "{% set ns.x = ns.x ~ ns.x %}"),
        GROW % ("'a'", "{% set ns.x = [ns.x, ns.x] | join %}"),
        GROW % ("'a'", "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"),
        GROW % ("'a'", "{% set ns.x = [ns.x, ns.x] %}"),
        GROW % ("'a'", "{% set ns.x = {'a': ns.x, 'b': ns.x} %}"),
        GROW % ("'a'", "{% set ns.x = [ns.x, ns.x] %}") + "{{ ns.x | tojson | length }}",
        GROW % ("[1]", "{% set ns.x = ns.x + ns.x %}"),
        GROW % ("9", "{% set ns.x = ns.x * ns.x %}"),
        "{% set x = 'a' * 999999 %}{% for i in range(9999) %}{{ x }}{% endfor %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "x" * (MAX_SOURCE_CHARACTERS + 1),
    ],
)
def test_a_bomb_is_refused_in_one_line(source: str) -> None:
    with pytest.raises(DataError) as caught:
        render(source, "hi")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "source", ["{% if %}", "{{ messages", "{% for m in messages %}", "{{ x | nosuchfilter }}", "{{ messages[7].content }}"]
)
def test_a_broken_template_is_refused_in_one_line(source: str) -> None:
    with pytest.raises(DataError, match=r"^chat template: [^\n]*$"):
        render(source, "hi")


def test_the_template_can_refuse_a_conversation_in_its_own_words() -> None:
    with pytest.raises(DataError, match="it refuses this conversation: no system here"):
        render("{{ raise_exception('no system\n here') }}", "hi")


def test_what_a_template_may_not_see_prints_as_nothing() -> None:
    assert render("{{ ''.__class__ }}{{ ''['__class__'] }}{{ range.__globals__ }}{{ lipsum }}{{ self.x }}", "hi") == ""


def test_a_prompt_does_not_know_the_date() -> None:
    assert render("{{ strftime_now is defined }}{{ now is defined }}", "hi") == "FalseFalse"


def test_json_is_plain() -> None:
    assert render("{{ messages | tojson }}", "<é&'") == json.dumps([{"role": "user", "content": "<é&'"}], ensure_ascii=False)


def test_the_language_that_templates_use_works() -> None:
    source = """{% set ns = namespace(n=0) %}
{% for m in messages if m.role == 'user' %}
{% if loop.index0 % 2 == 1 %}{% continue %}{% endif %}
{% set ns.n = ns.n + 1 * 2 %}
{{ '%s' ~ ns.n }}-{{ m['content'] | trim | upper }}-{{ m.content.split('|')[-1].strip('\\n').replace('b', 'c') }}-{{ [1, 2] | join(',') }};
{% endfor %}
{% macro twice(x) %}{{ x ~ x }}{% endmacro %}{{ twice('ab'[::-1]) }}{{ messages | map(attribute='role') | list | length }}"""
    assert render(source, " a|b\n", "x", "skipped", "y", "c") == "%s2-A|B-c-1,2;\n%s4-C-c-1,2;\nbaba5"


def test_messages_are_not_the_callers_to_lose() -> None:
    messages = [{"role": "user", "content": "hi"}]
    ChatTemplate("{{ messages }}").render(messages, generation=False, variables={})
    assert messages == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("source", TEMPLATES.values(), ids=TEMPLATES)
def test_templates_in_the_style_of_checkpoints_render(source: str) -> None:
    text = render(source, "question", generation=True, bos_token="<|begin|>", eos_token="<|endoftext|>")
    assert "question" in text
    assert compile_template(source) is compile_template(source)
