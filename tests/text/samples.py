"""Small tokenizers and chat templates in the styles that checkpoints use, written for these tests."""

from __future__ import annotations

from functools import cache

from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import CHAT_TEMPLATE, TURN_END, TURN_START, SpecialTokens, characters, train_bpe

CORPUS = [
    "The sum of 12 and 30 is 42. Let us check: 12 + 30 = 42, which is right.",
    "<think>First we add the units, then the tens.</think><answer>42</answer>",
    "user assistant system User: Assistant: the question the answer the result",
    "Größe, naïveté, 数学问题, ответ: 3.14\n\n\tindented code\n    return x\n",
] * 8

TAGS = ("<think>", "</think>", "<answer>", "</answer>")

# In the manner of Llama 3: headers, trimmed messages, a default that depends on a date function.
LLAMA = (
    "{{- bos_token }}"
    "{%- if strftime_now is defined %}{%- set today = strftime_now('%d %b %Y') %}{%- else %}{%- set today = '1 Jan 2024' %}{%- endif %}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)

# In the manner of Qwen2.5: a default system prompt, the first message looked at apart from the others.
QWEN25 = """{%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou are a test.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not tools) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

# In the manner of Qwen3: the thinking of earlier turns is cut out, an empty thought can be forced.
QWEN3 = """{%- set ns = namespace(last=-1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.last < 0 and message.role == "user" and message.content is string and not message.content.startswith('<tool_response>') %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role != "assistant" %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- else %}
        {%- set content = message.content %}
        {%- set thought = '' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}
            {{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- content.lstrip('\\n') + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

# In the manner of DeepSeek-R1's distilled models: no line breaks, the prompt opens the thinking, the end token belongs to the turn.
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}"
    "{{ '<|User|>' + m.content }}{% else %}{{ '<|Assistant|>' + m.content + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}"
)

TEMPLATES = {"chatml": CHAT_TEMPLATE, "llama": LLAMA, "qwen25": QWEN25, "qwen3": QWEN3, "r1": R1}


@cache
def bpe(template: str = "chatml") -> Tokenizer:
    """A small byte-level BPE tokenizer with one of the chat templates."""
    special = SpecialTokens(
        tags=TAGS,
        control=(TURN_START, TURN_END, "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|User|>", "<|Assistant|>"),
        eos="<|endoftext|>",
        bos="<|begin|>" if template in ("llama", "r1") else None,
        stops=(TURN_END,),
    )
    return train_bpe(CORPUS, vocab_size=400, special_tokens=special, chat_template=TEMPLATES[template])


@cache
def letters() -> Tokenizer:
    """A character tokenizer of an arithmetic task."""
    return characters("0123456789+-*/=() \n?", special_tokens=SpecialTokens(tags=TAGS, eos="<eos>"))
