"""A model behind a URL, asked through a scripted server that also misbehaves."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from reasonforge.config.endpoint import EndpointConfig
from reasonforge.core.chat import Refused
from reasonforge.core.errors import RecipeError, UnavailableError
from reasonforge.core.records import Message
from reasonforge.core.rollouts import SamplingParams
from reasonforge.sampling import http
from reasonforge.sampling.http import HttpModel
from tests.sampling.scripted_server import Reply, refuses, says, serve

QUESTION = (Message("system", "be brief"), Message("user", "3 + 4?"))
PARAMS = SamplingParams(max_new_tokens=64, temperature=0.6, top_p=0.95, stop_strings=("\n\n",))


def model(url: str, pauses: list[float] | None = None, **settings: Any) -> HttpModel:
    config = EndpointConfig(**{"url": url, "name": "m", "timeout_seconds": 20.0, "retries": 2, **settings})
    return HttpModel(config, sleep=(pauses if pauses is not None else []).append)


def test_a_question_is_asked_as_the_protocol_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret-key")
    with serve(lambda body, number: says("7", tokens=9)) as server:
        asked = model(server.url + "/", api_key_env="MY_KEY")
        answer = asked.ask(QUESTION, PARAMS, seed=5)
    assert (answer.text, answer.truncated, answer.num_tokens) == ("7", False, 9)
    ((body, headers),) = server.asked
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "3 + 4?"}],
        "max_tokens": 64,
        "temperature": 0.6,
        "top_p": 0.95,
        "stop": ["\n\n"],
        "seed": 5,
        "stream": False,
    }
    assert headers["path"] == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer s3cret-key"
    assert (asked.usage.prompt_tokens, asked.usage.completion_tokens, asked.usage.requests) == (3, 9, 1)


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serve(lambda body, number: says("7")) as server:
        model(server.url).ask(QUESTION, PARAMS, seed=0)
    assert "Authorization" not in server.asked[0][1]


def test_a_base_model_goes_on_with_the_text() -> None:
    with serve(lambda body, number: says(" 7", finish="length", tokens=None)) as server:
        answer = model(server.url, api="completions").ask(QUESTION[1:], PARAMS, seed=0)
    assert server.asked[0][0]["prompt"] == "3 + 4?"
    assert server.asked[0][1]["path"] == "/v1/completions"
    assert (answer.text, answer.truncated, answer.num_tokens) == (" 7", True, None)


def test_thinking_that_comes_apart_is_put_in_front_and_stays_open_where_nothing_follows() -> None:
    replies = [says("7", reasoning_content="3+4"), says(None, reasoning_content="3+", finish="length")]
    with serve(lambda body, number: replies[number]) as server:
        asked = model(server.url)
        assert asked.ask(QUESTION, PARAMS, seed=0).text == "<think>3+4</think>7"
        assert asked.ask(QUESTION, PARAMS, seed=0).text == "<think>3+"


@pytest.mark.parametrize(
    "trouble",
    [
        refuses(500),
        refuses(503, "loading"),
        refuses(429),
        Reply(hang_up=True),
        Reply(body=b"<html>busy</html>"),
        Reply(body=b"{}"),
        Reply(body=b"[1]"),
        Reply(body=b'{"choices": []}'),
        Reply(body=b'{"choices": [{"message": {"content": 7}}]}'),
        Reply(body=b'{"choices": [{"message": {"content": "half', announced=500),
        Reply(body=b"[" * 100_000),
        Reply(body=b"\xff\xfe"),
        Reply(body=b""),
    ],
    ids=lambda reply: str(reply.body[:12] or reply.status),
)
def test_what_may_pass_is_asked_again(trouble: Reply) -> None:
    with serve(lambda body, number: trouble if number < 2 else says("7")) as server:
        asked = model(server.url)
        assert asked.ask(QUESTION, PARAMS, seed=0).text == "7"
    assert (asked.usage.requests, asked.usage.retries) == (3, 2)


def test_pauses_double_and_are_the_servers_where_it_says_so() -> None:
    pauses: list[float] = []
    with (
        serve(lambda body, number: refuses(429, retry_after="7") if number == 2 else refuses(503)) as server,
        pytest.raises(UnavailableError),
    ):
        model(server.url, pauses, retries=4, backoff_seconds=2.0).ask(QUESTION, PARAMS, seed=1)
    first, second, third, fourth = pauses
    assert 1.0 <= first <= 3.0
    assert 2.0 <= second <= 6.0
    assert third == 7.0
    assert 8.0 <= fourth <= 24.0


@pytest.mark.parametrize("retry_after", ["1e9", "inf", "nan", "-5", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_no_pause_is_longer_than_a_minute_whatever_the_server_says(retry_after: str) -> None:
    pauses: list[float] = []
    with serve(lambda body, number: says("7") if number else refuses(429, retry_after=retry_after)) as server:
        model(server.url, pauses).ask(QUESTION, PARAMS, seed=1)
    assert 0.0 <= pauses[0] <= 60.0


def test_after_all_tries_the_line_says_what_the_server_said() -> None:
    with serve(lambda body, number: refuses(503, "no\x1b[31m room\nhere")) as server, pytest.raises(UnavailableError) as caught:
        model(server.url).ask(QUESTION, PARAMS, seed=0)
    assert str(caught.value) == f"{server.url}: HTTP 503: no [31m room here (3 tries)"


@pytest.mark.parametrize("status", [401, 403, 404, 405, 302])
def test_what_will_never_pass_is_not_asked_again(status: int) -> None:
    reply = Reply(status=status, body=b"no", headers=(("Location", "http://127.0.0.1:9/v1"),))
    with serve(lambda body, number: reply) as server, pytest.raises(Refused, match=f"HTTP {status}"):
        model(server.url).ask(QUESTION, PARAMS, seed=0)
    assert len(server.asked) == 1


def test_a_question_that_is_refused_alone_says_nothing_about_the_others() -> None:
    with serve(lambda body, number: refuses(400, "too long")) as server, pytest.raises(UnavailableError, match="too long") as caught:
        model(server.url).ask(QUESTION, PARAMS, seed=0)
    assert not isinstance(caught.value, Refused)


def test_the_key_is_never_told() -> None:
    with pytest.MonkeyPatch.context() as patch, serve(lambda body, number: refuses(401, "wrong key s3cret-key-1")) as server:
        patch.setenv("OPENAI_API_KEY", "s3cret-key-1")
        with pytest.raises(Refused) as caught:
            model(server.url).ask(QUESTION, PARAMS, seed=0)
    assert "s3cret" not in str(caught.value)
    assert "OPENAI_API_KEY" in str(caught.value)


def test_a_server_that_drips_does_not_hold_up_the_work() -> None:
    with serve(lambda body, number: Reply(body=says("x" * 2000).body, drip_seconds=0.01)) as server:
        asked = model(server.url, timeout_seconds=0.3, retries=0)
        with pytest.raises(UnavailableError, match=r"no answer within 0\.3 s"):
            asked.ask(QUESTION, PARAMS, seed=0)


def test_a_silent_server_is_given_up() -> None:
    with serve(lambda body, number: Reply(delay_seconds=2.0)) as server:
        with pytest.raises(UnavailableError, match="no answer within"):
            model(server.url, timeout_seconds=0.2, retries=1).ask(QUESTION, PARAMS, seed=0)
        assert len(server.asked) == 2


def test_an_absent_server_is_one_line() -> None:
    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:1/v1: the connection failed: .* \(3 tries\)"):
        model("http://127.0.0.1:1/v1").ask(QUESTION, PARAMS, seed=0)


def test_many_questions_are_on_their_way_at_once_and_failures_come_beside_answers() -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        content = body["messages"][0]["content"]
        return refuses(400, "no") if content == "q3" else Reply(body=says(content).body, delay_seconds=0.05)

    questions = ((i, (Message("user", f"q{i}"),), i) for i in range(12))
    with serve(script) as server:
        found = dict(model(server.url, concurrency=4).ask_all(iter(questions), PARAMS))
    assert {i: answer.text for i, answer in found.items() if not isinstance(answer, UnavailableError)} == {
        i: f"q{i}" for i in range(12) if i != 3
    }
    assert isinstance(found[3], UnavailableError)
    assert 2 <= server.most_at_once <= 4


def test_whoever_stops_listening_stops_the_asking() -> None:
    questions = ((i, (Message("user", f"q{i}"),), i) for i in range(1_000))
    with serve(lambda body, number: says("7")) as server:
        answers = model(server.url, concurrency=2).ask_all(iter(questions), PARAMS)
        next(answers)
        answers.close()
        assert len(server.asked) < 20


def test_tokens_have_a_price() -> None:
    with serve(lambda body, number: says("7", tokens=1_000_000)) as server:
        asked = model(server.url, input_price=1.0, output_price=2.5)
        asked.ask(QUESTION, PARAMS, seed=0)
        assert asked.cost == pytest.approx(2.500003)


@pytest.mark.parametrize("url", ["http://u:p@h/v1", "http://h:port/v1", "http://h/v1?key=1", "http://"])
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises((RecipeError, ValueError)):
        model(url)


def test_it_needs_no_torch() -> None:
    program = "import reasonforge.sampling.http, reasonforge.evaluation.job, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_seed_fits_the_protocol() -> None:
    with serve(lambda body, number: says("7")) as server:
        model(server.url).ask(QUESTION, PARAMS, seed=(1 << 62) + 3)
    assert 0 <= json.loads(json.dumps(server.asked[0][0]["seed"])) < 1 << 31


def test_nobody_waits_for_answers_that_are_not_wanted_any_more() -> None:
    released = threading.Event()

    def script(body: dict[str, Any], number: int) -> Reply:
        if body["seed"]:
            released.wait(20)
        return says("7")

    with serve(script) as server:
        asked = HttpModel(EndpointConfig(url=server.url, name="m", timeout_seconds=20.0, concurrency=4))
        answers = asked.ask_all(iter([(seed, QUESTION, seed) for seed in range(8)]), PARAMS)
        assert next(answers)[0] == 0
        answers.close()
        waiting = [thread for thread in threading.enumerate() if thread.name.startswith("reasonforge-http")]
        for thread in waiting:
            thread.join(10)
        assert not any(thread.is_alive() for thread in waiting)
        assert not released.is_set()
        released.set()


def test_once_told_to_stop_it_waits_for_no_slow_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "STOP_SECONDS", 0.2)
    released, told = threading.Event(), threading.Event()

    def script(body: dict[str, Any], number: int) -> Reply:
        if len(server.asked) == 4:
            told.set()
        if body["seed"]:
            released.wait(20)
        return says("7")

    with serve(script) as server:
        asked = HttpModel(EndpointConfig(url=server.url, name="m", timeout_seconds=20.0, concurrency=4))
        answers = list(
            asked.ask_all(iter([(seed, QUESTION, seed) for seed in range(3)] + [(0, QUESTION, 0)] * 9), PARAMS, stop=told.is_set)
        )
        assert not released.is_set()
        released.set()
    assert {name for name, _ in answers} == {0}
    assert len(answers) + 2 <= len(server.asked) < 12
    assert asked.num_on_their_way == 0


def test_once_told_to_stop_nothing_is_asked_a_second_time() -> None:
    told = threading.Event()

    def script(body: dict[str, Any], number: int) -> Reply:
        told.set()
        return refuses(503, "busy", retry_after="50")

    with serve(script) as server:
        asked = HttpModel(EndpointConfig(url=server.url, name="m", timeout_seconds=20.0, concurrency=2))
        answers = list(asked.ask_all(iter([(seed, QUESTION, seed) for seed in range(2)]), PARAMS, stop=told.is_set))
    assert all(isinstance(answer, UnavailableError) for _, answer in answers)
    assert len(server.asked) <= 2


def test_once_told_to_stop_it_asks_nothing_more_and_takes_what_is_on_its_way() -> None:
    with serve(lambda body, number: says("7")) as server:
        told: list[bool] = []
        answers = model(server.url, concurrency=3).ask_all(iter([(i, QUESTION, i) for i in range(50)]), PARAMS, stop=lambda: bool(told))
        first = next(answers)
        told.append(True)
        rest = list(answers)
    assert len([first, *rest]) == len(server.asked)
    assert len(server.asked) <= 6
