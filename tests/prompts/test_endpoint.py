"""A server that misbehaves is asked again, patiently, and nothing secret is ever written."""

import email.utils
import gzip
import json
import threading
import time

import pytest

from imuscribe.prompts.teacher.chat import Request, Stopped, Unanswered
from imuscribe.prompts.teacher.endpoint import Endpoint, EndpointConfig
from imuscribe.signals.errors import InputError
from tests.chat_server import Answer, ChatServer

KEY = "sk-planted-4f1c9a"
QUESTION = Request("Be brief.", "Which letter?", 20, 0.5, 7)


@pytest.fixture
def ask(monkeypatch):
    """Ask a server that plays a list of answers; return the reply, the waits and the server."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def play(*answers, **config):
        script, waits = iter(answers), []
        with ChatServer(lambda fields, server: next(script)) as server:
            values = {"base_url": server.url, "model": "m", "timeout": 30, **config}
            endpoint = Endpoint(EndpointConfig(**values), waits.append)
            try:
                return endpoint.answer(QUESTION), waits, server
            except (Unanswered, InputError, Stopped) as error:
                return error, waits, server

    return play


def test_a_question_arrives_as_openai_has_it(ask):
    reply, _, server = ask(Answer("An L.", tokens=(12, 3)))
    assert (reply.text, reply.prompt_tokens, reply.answer_tokens, reply.cut) == (
        "An L.", 12, 3, False
    )  # fmt: skip
    assert server.seen == [
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Which letter?"},
            ],
            "max_tokens": 20,
            "temperature": 0.5,
            "seed": 7,
        }
    ]
    assert server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    "failure",
    [
        Answer(status=429),
        Answer(status=500),
        Answer(status=503),
        Answer(hang=True),
        Answer(body=b'{"choices": [{"message": {"content": "An'),
        Answer(body=b"[]"),
        Answer(body=b'{"choices": []}'),
        Answer(body=b'{"choices": [{"message": {"content": 3}}]}'),
    ],
    ids=["429", "500", "503", "hang", "truncated", "list", "no choice", "a number"],
)
def test_what_passes_is_tried_again_later_and_later(ask, failure):
    # Only what hangs needs a short limit: a busy machine may answer late.
    timeout = 1 if failure.hang else 30
    reply, waits, server = ask(*[failure] * 3, Answer("An L."), backoff=1, timeout=timeout)
    assert reply.text == "An L."
    assert len(server.seen) == 4
    assert [0.5 * 2**n <= wait <= 1.5 * 2**n for n, wait in enumerate(waits)] == [True] * 3


def test_retry_after_is_waited_for(ask):
    later = email.utils.formatdate(time.time() + 280, usegmt=True)
    slow, dated = ({"Retry-After": value} for value in ("250", later))
    _, waits, _ = ask(Answer(status=429, headers=slow), Answer("An L."))
    assert 200 < waits[0] <= 250
    _, waits, _ = ask(Answer(status=503, headers=dated), Answer("An L."))
    assert 200 < waits[0] <= 280


def test_retry_after_holds_back_every_thread(monkeypatch):
    waits = []
    script = iter([Answer(status=429, headers={"Retry-After": "250"}), Answer("1"), Answer("2")])
    with ChatServer(lambda fields, server: next(script)) as server:
        config = EndpointConfig(base_url=server.url, model="m")
        endpoint = Endpoint(config, waits.append)
        endpoint.answer(QUESTION)
        endpoint.answer(QUESTION)
    assert len([wait for wait in waits if wait > 200]) == 2


def test_in_the_end_it_says_why(ask):
    error, waits, _ = ask(*[Answer(status=500)] * 3, retries=2)
    assert isinstance(error, Unanswered)
    assert (error.kind, error.detail) == (
        "no answer from the server",
        "3 attempts, the last: status 500",
    )
    assert len(waits) == 2


def test_a_refused_question_is_not_repeated(ask):
    error, _, server = ask(Answer(status=400, body=b'{"error": "context of 99 tokens"}'))
    assert isinstance(error, Unanswered)
    assert "status 400" in str(error) and "context of 99 tokens" in str(error)
    assert len(server.seen) == 1


def test_an_answer_without_end_is_not_kept_nor_asked_for_again(ask):
    error, _, server = ask(Answer("x " * (3 << 20)))
    assert isinstance(error, Unanswered) and "longer than 4 MiB" in error.detail
    assert len(server.seen) == 1


def test_a_packed_answer_counts_by_what_it_holds(ask):
    packed, whole = {"Content-Encoding": "gzip"}, Answer("An L.").body
    reply, _, _ = ask(Answer(body=gzip.compress(whole), headers=packed))
    assert reply.text == "An L."
    error, _, _ = ask(Answer(body=gzip.compress(b"x" * (5 << 20)), headers=packed))
    assert isinstance(error, Unanswered) and "longer than 4 MiB" in error.detail


def test_what_is_no_completion_is_quoted(ask):
    error, _, _ = ask(Answer(body=b"<html>Welcome"), retries=0)
    assert "<html>Welcome" in error.detail


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the key in OPENAI_API_KEY is not accepted"),
        (403, "the key in OPENAI_API_KEY is not accepted"),
        (404, "no model 'm' there"),
        (307, "it redirects"),
    ],
)
def test_what_concerns_every_question_ends_the_run(ask, status, message):
    headers = {"Location": "http://127.0.0.1:9/v1"} if status == 307 else {}
    error, _, server = ask(Answer(status=status, headers=headers))
    assert isinstance(error, InputError) and message in str(error)
    assert len(server.seen) == 1


def test_a_server_that_is_down_ends_the_run():
    with ChatServer(lambda fields, server: Answer()) as server:
        pass
    config = EndpointConfig(base_url=server.url, model="m", give_up_after=3, timeout=0.3)
    with pytest.raises(InputError, match=r"3 requests in a row failed.*connection"):
        Endpoint(config, wait=lambda seconds: None).answer(QUESTION)


def test_waiting_ends_when_the_run_does():
    stop = threading.Event()
    stop.set()
    with ChatServer(lambda fields, server: Answer(status=500)) as server:
        config = EndpointConfig(base_url=server.url, model="m", backoff=60)
        endpoint = Endpoint(config, wait=stop.wait)
        with pytest.raises(Stopped):
            endpoint.answer(QUESTION)


def test_extra_fields_are_sent_and_null_drops_one(ask):
    _, _, server = ask(Answer("An L."), extra={"seed": None, "reasoning_effort": "low"})
    assert "seed" not in server.seen[0]
    assert server.seen[0]["reasoning_effort"] == "low"


def test_a_server_that_does_not_count_is_estimated(ask):
    body = json.dumps({"choices": [{"message": {"content": "x" * 40}}]}).encode()
    reply, _, _ = ask(Answer(body=body))
    assert reply.answer_tokens == 10
    assert reply.prompt_tokens == len("Be brief.Which letter?") // 4


def test_nothing_else_of_the_environment_is_sent(ask, monkeypatch):
    for name in ("ORG_ID", "PROJECT_ID", "ADMIN_KEY", "BASE_URL"):
        monkeypatch.setenv(f"OPENAI_{name}", "http://other.invalid/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: other\nAuthorization: Bearer other")
    _, _, server = ask(Answer("An L."))
    assert server.keys == [f"Bearer {KEY}"]
    assert "other" not in str(server.headers)
    _, _, server = ask(Answer("An L."), key_env="NO_SUCH_KEY")
    assert server.keys == [""]
    assert KEY not in str(server.headers)


@pytest.mark.parametrize("proxy", ["socks5://me:secret@localhost:1", "me:secret@[::"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(ask, monkeypatch, proxy):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(InputError, match="is no http proxy") as caught:
        ask(Answer("An L."))
    assert "secret" not in str(caught.value)


def test_a_key_that_comes_back_is_struck_out(ask):
    reply, _, _ = ask(Answer(f"Your key is {KEY}."))
    assert reply.text == "Your key is [key]."
    error, _, _ = ask(Answer(status=400, body=f'{{"error": "bad key {KEY}"}}'.encode()))
    assert KEY not in str(error) and "[key]" in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000/v1",
        "ftp://x/v1",
        "https://me:secret@x/v1",
        "https://x/v1?key=secret",
        "http:",
    ],
)
def test_addresses_that_are_none_or_hold_a_secret_are_refused(url):
    with pytest.raises(InputError) as caught:
        Endpoint(EndpointConfig(base_url=url, model="m"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://169.254.169.254/v1", "private network"),
        ("https://169.254.169.254/v1", "private network"),
        ("http://10.0.0.1/v1", "private network"),
        ("https://192.168.1.7:8000/v1", "private network"),
        ("http://172.16.0.1/v1", "private network"),
        ("https://[fd00::1]/v1", "private network"),
        ("https://[fe80::1]/v1", "private network"),
        ("https://[::ffff:10.0.0.1]/v1", "private network"),
        ("http://0.0.0.0:8000/v1", "private network"),
        ("http://2852039166/v1", "private network"),  # 169.254.169.254
        ("http://0xa9.0xfe.0xa9.0xfe/v1", "private network"),
        ("http://8.8.8.8/v1", "plain http"),
        ("http://models.invalid/v1", "plain http"),
    ],
)
def test_plain_http_and_private_networks_must_be_asked_for(address, expected):
    with pytest.raises(InputError, match=expected) as caught:
        Endpoint(EndpointConfig(base_url=address, model="m"))
    assert "\n" not in str(caught.value) and "allow_private=true" in str(caught.value)
    Endpoint(EndpointConfig(base_url=address, model="m", allow_private=True))


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000/v1", "http://127.0.0.1/v1", "http://127.1.2.3/v1", "http://[::1]/v1",
        "http://0x7f.1/v1", "https://8.8.8.8/v1", "https://models.invalid/v1",
    ],
)  # fmt: skip
def test_this_machine_and_the_open_net_need_no_asking(address):
    assert Endpoint(EndpointConfig(base_url=address, model="m")) is not None  # and raises nothing
