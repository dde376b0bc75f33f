"""A language model behind any server that speaks OpenAI's chat completions.

Failures that pass (429, 5xx, a time-out, a broken or truncated answer) are tried again, later and
later; `Retry-After` is honoured, by all threads at once. The key comes from the environment, is
sent in one header and stands nowhere else: redirects are not followed and a server that repeats it
has it struck out.
"""

from __future__ import annotations

import email.utils
import ipaddress
import json
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import Field

from imuscribe.prompts.teacher.chat import Reply, Request, Stopped, Unanswered
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import parsed_json

if TYPE_CHECKING:
    from openai import OpenAI

_LONGEST_WAIT = 300.0
"""Seconds; a server that wants a longer pause does not want us today."""
_PASSING = (408, 409, 425, 429)
"""Refusals that pass, besides every 5xx."""
_LARGEST = 4 << 20
"""Bytes; no honest answer is longer, and what a broken server pours out is not kept."""
_HEADERS = {
    "host", "content-type", "content-length", "accept", "accept-encoding", "user-agent",
    "x-stainless-raw-response",  # the client's note to itself
}  # fmt: skip


class EndpointConfig(Config):
    """Where a model is served and how patient we are."""

    base_url: str
    """Up to and including ``/v1``; ``/chat/completions`` is added."""
    model: str
    """As the server names it."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; servers without keys leave it unset."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds without a byte before a request is given up and tried again."""
    retries: int = Field(default=6, ge=0)
    """Further attempts after one that failed in passing."""
    backoff: float = Field(default=0.5, gt=0)
    """Seconds before the second attempt; doubled each time, up to a minute, and scattered."""
    give_up_after: int = Field(default=50, ge=1)
    """Failed attempts in a row, over all requests, after which the server counts as down."""
    allow_private: bool = False
    """Also ask servers in a private network, and those by plain http. Otherwise plain http goes to
    this machine alone: whoever listens would read the key and every recording."""
    extra: Mapping[str, Any] = {}
    """Further fields of every request; null removes one, as in ``{"seed": null}``."""


class Endpoint:
    """Asks a server, patiently, from any number of threads.

    `wait` sleeps for so many seconds; true ends the run, as `threading.Event.wait` says it.
    InputError if the address is no plain http(s) address or one that must be asked for, or the key
    cannot be sent.
    """

    def __init__(self, config: EndpointConfig, wait: Callable[[float], Any] = time.sleep) -> None:
        self.config = config
        base_url = _checked(config.base_url, config.allow_private)
        self._host = urlsplit(base_url).netloc
        self._key = os.environ.get(config.key_env, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise InputError(f"the key in {config.key_env} holds characters that no header may")
        self.name = f"{self._strike_out(config.model)} at {self._host}"
        asked = [f"{base_url}/chat/completions", config.model, dict(config.extra)]
        self.identity = json.dumps(asked, sort_keys=True)
        self._client = self._connect(base_url)
        self._wait = wait
        self._lock = threading.Lock()
        self._failed_in_a_row = 0
        self._closed_until = 0.0

    def answer(self, request: Request) -> Reply:
        """Answer one request, trying again where that may help.

        Raises `Unanswered` if it is refused or every attempt failed, `InputError` if the server
        refuses the key, knows no such model, or has failed too often in a row.
        """
        for attempt in range(self.config.retries + 1):
            self._sleep(self._closed_until - time.monotonic())  # the server's own `Retry-After`
            try:
                reply = self._reply(self._post(request), request)
            except _Passing as failure:
                self._failed(failure)
                if attempt == self.config.retries:
                    tried = f"{attempt + 1} attempts, the last: {failure}"
                    raise Unanswered("no answer from the server", tried) from None
                if failure.retry_after is None:
                    later = min(60.0, self.config.backoff * 2**attempt)
                    self._sleep(later * random.uniform(0.5, 1.5))
            else:
                self._failed_in_a_row = 0
                return reply
        raise AssertionError("the loop returns or raises")

    def _connect(self, base_url: str) -> OpenAI:
        """Return a client that tries nothing again by itself and follows no redirect."""
        from openai import DefaultHttpxClient, OpenAI

        for name in ("httpx2", "httpcore2"):  # they log each request, and the server's headers
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            web = DefaultHttpxClient(
                follow_redirects=False,
                event_hooks={"request": [self._keep_private], "response": [self._read]},
            )
        except Exception:  # of several kinds: no such scheme, a package missing, no address
            raise InputError(
                "a proxy in the environment is no http proxy: give one such as "
                "http://localhost:8080 in HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or none"
            ) from None
        return OpenAI(
            api_key="sent by _keep_private",
            base_url=base_url,
            timeout=self.config.timeout,
            max_retries=0,
            http_client=web,
        )

    def _keep_private(self, request: Any) -> None:
        """Send our key and nothing else of the environment, such as the client's OPENAI_ORG_ID."""
        for header in set(request.headers) - _HEADERS:
            del request.headers[header]
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"

    def _read(self, response: Any) -> None:
        """Read an answer up to its limit, where the client still minds broken connections."""
        accepted, data = response.status_code == 200, b""
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > (_LARGEST if accepted else 2000):
                break
        if not accepted:
            raise self._refusal(response, data)
        if len(data) > _LARGEST:
            size = f"the answer is longer than {_LARGEST >> 20} MiB"
            raise Unanswered("no answer from the server", size)
        response.extensions["data"] = data

    def _post(self, request: Request) -> bytes:
        import openai

        limits = {key: getattr(request, key) for key in ("max_tokens", "temperature", "seed")}
        fields = {"model": self.config.model, "messages": request.messages, **limits}
        fields |= self.config.extra
        body = {key: openai.omit if value is None else value for key, value in fields.items()}
        ask: Any = self._client.chat.completions.with_streaming_response.create
        try:
            with ask(model="", messages=[], extra_body=body) as response:
                data: bytes = response.http_response.extensions["data"]
                return data
        except openai.APITimeoutError:
            raise _Passing(f"nothing came for {self.config.timeout:g} s") from None
        except openai.APIConnectionError as error:
            why = self._strike_out(str(error.__cause__)) or type(error.__cause__).__name__
            raise _Passing(f"the connection failed ({why})") from None

    def _reply(self, data: bytes, request: Request) -> Reply:
        """Return what the server sent as an answer, if it is one."""
        try:
            fields = parsed_json(data)
            choice = fields["choices"][0]
            text = choice["message"]["content"] or ""
            usage = fields.get("usage") or {}
            # A server that does not count is taken to need four characters a token.
            asked = len(request.system) + len(request.user)
            prompt = int(usage.get("prompt_tokens") or asked // 4)
            answer = int(usage.get("completion_tokens") or -(-len(text) // 4))
            if not isinstance(text, str):
                raise TypeError
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            what = f"the answer is no whole chat completion, it begins {self._text(data)[:60]!r}"
            raise _Passing(what) from None
        cut = choice.get("finish_reason") == "length"
        return Reply(self._strike_out(text), prompt, answer, cut)

    def _refusal(self, response: Any, data: bytes) -> Exception:
        """Return what a status other than 200 means."""
        status, host = response.status_code, self._host
        if status in _PASSING or status >= 500:
            return _Passing(f"status {status}", _seconds(response.headers.get("Retry-After", "")))
        if status in (401, 403):
            # The server's own words are left out: some repeat the key, whole or in part.
            have = "is not accepted" if self._key else "is not set"
            return InputError(f"{host}: status {status}: the key in {self.config.key_env} {have}")
        if status == 404:
            return InputError(
                f"{host}: status 404: no chat completions or no model '{self.config.model}' "
                "there: check the address (it usually ends in /v1) and --model"
            )
        if 300 <= status < 400:
            return InputError(f"{host}: status {status}: it redirects: give the final address")
        said = " ".join(self._text(data).split())[:300]
        return Unanswered("refused by the server", f"status {status}: {said}")

    def _failed(self, failure: _Passing) -> None:
        with self._lock:
            self._failed_in_a_row += 1
            if failure.retry_after is not None:
                until = time.monotonic() + min(failure.retry_after, _LONGEST_WAIT)
                self._closed_until = max(self._closed_until, until)
            down = self._failed_in_a_row >= self.config.give_up_after
        if down:
            raise InputError(
                f"{self._host}: {self.config.give_up_after} requests in a row failed, the last: "
                f"{failure}: answers so far are kept, run again when the server is back"
            )

    def _sleep(self, seconds: float) -> None:
        if seconds > 0 and self._wait(seconds):
            raise Stopped

    def _text(self, data: bytes) -> str:
        """Return how an answer begins."""
        return self._strike_out(data[:2000].decode("utf-8", "replace"))

    def _strike_out(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


class _Passing(Exception):
    """A failure that may not repeat."""

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.retry_after = retry_after


def _checked(base_url: str, allow_private: bool) -> str:
    """Return the address without a slash at the end, refusing what could carry a secret."""
    try:
        parts = urlsplit(base_url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(
            "the server's address is no http address: give one such as http://localhost:8000/v1"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "the server's address holds a user, a password or a query: give the address alone and "
            "the key in the environment"
        )
    if not allow_private:
        _check_public(parts.scheme, host)
    return base_url.strip().rstrip("/")


def _check_public(scheme: str, host: str) -> None:
    """Refuse what must be asked for: plain http beyond this machine, and private networks."""
    asked = "if it is meant, set endpoint.allow_private=true"
    addresses = _addresses(host)
    if addresses and all(address.is_loopback for address in addresses):
        return
    if any(not address.is_global for address in addresses):
        raise InputError(f"the server's address '{host}' is in a private network: {asked}")
    if scheme == "http":
        raise InputError(
            f"the server's address '{host}' is asked by plain http, which sends key and recordings "
            f"readable: give https; {asked}"
        )


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return where a host is, however it is written; nothing where nobody knows."""
    if host == "localhost" or host.endswith(".localhost"):
        return [ipaddress.ip_address("127.0.0.1")]
    with suppress(OSError):
        # Also what browsers take: 2130706433, 0x7f.1
        return [ipaddress.ip_address(socket.inet_aton(host))]
    try:
        found = {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return []
    mapped = [ipaddress.ip_address(text) for text in found]
    return [getattr(address, "ipv4_mapped", None) or address for address in mapped]


def _seconds(retry_after: str) -> float | None:
    """Read a `Retry-After` header: seconds or a date."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
