"""A language model behind any server that speaks OpenAI's chat completions.

Failures that pass (429, 5xx, a time-out, a broken or truncated answer) are tried again, later and
later; `Retry-After` is honoured, by all threads at once. The key comes from the environment, is
sent in one header and stands nowhere else: redirects are not followed and a server that repeats it
has it struck out.
"""

from __future__ import annotations

import base64
import email.utils
import http.client
import json
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from pydantic import Field

from imuscribe.prompts.teacher.chat import Reply, Request, Stopped, Unanswered
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError

_LONGEST_WAIT = 300.0
"""Seconds; a server that wants a longer pause does not want us today."""
_PASSING = (408, 409, 425, 429)
"""Refusals that pass, besides every 5xx."""
_STRUCK_OUT = "[key]"
_LARGEST = 4 << 20
"""Bytes; no honest answer is longer, and what a broken server pours out is not kept."""


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
    extra: Mapping[str, Any] = {}
    """Further fields of every request; null removes one, as in ``{"seed": null}``."""


class Endpoint:
    """Asks a server, patiently.

    Parameters
    ----------
    config : EndpointConfig
    wait : callable
        Sleeps for so many seconds; true ends the run, as `threading.Event.wait` says it.

    Raises
    ------
    InputError
        If the address is no plain http(s) address.
    """

    def __init__(self, config: EndpointConfig, wait: Callable[[float], Any] = time.sleep) -> None:
        self.config = config
        self._url = f"{_checked(config.base_url)}/chat/completions"
        self._host = urlsplit(self._url).netloc
        self._key = os.environ.get(config.key_env, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise InputError(f"the key in {config.key_env} holds characters that no header may")
        self._line = _Line(self._url, config.timeout)
        self._wait = wait
        self._lock = threading.Lock()
        self._failed_in_a_row = 0
        self._closed_until = 0.0

    @property
    def name(self) -> str:
        """The model and the server's host."""
        return f"{self._strike_out(self.config.model)} at {self._host}"

    @property
    def identity(self) -> str:
        """Address, model and additional fields."""
        return json.dumps([self._url, self.config.model, dict(self.config.extra)], sort_keys=True)

    def answer(self, request: Request) -> Reply:
        """Answer one request, trying again where that may help.

        Raises
        ------
        Unanswered
            If it is refused, or every attempt failed.
        InputError
            If the server refuses the key or does not know the model, or has failed too often in a
            row.
        """
        body = self._body(request)
        for attempt in range(self.config.retries + 1):
            self._pause()
            try:
                reply = self._post(body, request)
            except _Passing as failure:
                self._failed(failure)
                if attempt == self.config.retries:
                    tried = f"{attempt + 1} attempts, the last: {failure}"
                    raise Unanswered("no answer from the server", tried) from None
                if failure.retry_after is None:
                    later = min(60.0, self.config.backoff * 2**attempt)
                    self._sleep(later * random.uniform(0.5, 1.5))
            else:
                with self._lock:
                    self._failed_in_a_row = 0
                return reply
        raise AssertionError("the loop returns or raises")

    def _body(self, request: Request) -> bytes:
        fields: dict[str, Any] = {
            "model": self.config.model,
            "messages": request.messages,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        fields |= self.config.extra
        return json.dumps({k: v for k, v in fields.items() if v is not None}).encode()

    def _post(self, body: bytes, request: Request) -> Reply:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            response, data = self._line.post(body, headers)
        except TimeoutError:
            raise _Passing(f"nothing came for {self.config.timeout:g} s") from None
        except _TooLarge:
            told = f"the answer is longer than {_LARGEST >> 20} MiB"
            raise Unanswered("no answer from the server", told) from None
        except (OSError, http.client.HTTPException) as error:
            raise _Passing(f"the connection failed ({type(error).__name__})") from None
        if response.status != 200:
            raise self._refusal(response, data)
        return self._read(data, request)

    def _read(self, data: bytes, request: Request) -> Reply:
        try:
            fields = json.loads(data)
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
            begins = self._strike_out(data[:2000].decode("utf-8", "replace"))[:60]
            raise _Passing(
                f"the answer is no whole chat completion, it begins {begins!r}"
            ) from None
        return Reply(
            self._strike_out(text), prompt, answer, choice.get("finish_reason") == "length"
        )

    def _refusal(self, response: http.client.HTTPResponse, data: bytes) -> Exception:
        """Return what a status other than 200 means."""
        status = response.status
        if status in _PASSING or status >= 500:
            after = _seconds(response.headers.get("Retry-After"))
            return _Passing(f"status {status}", after)
        host = self._host
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
        said = " ".join(data[:2000].decode("utf-8", "replace").split())
        return Unanswered(
            "refused by the server", f"status {status}: {self._strike_out(said)[:300]}"
        )

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

    def _pause(self) -> None:
        """Wait until the server's own `Retry-After` is over."""
        with self._lock:
            left = self._closed_until - time.monotonic()
        if left > 0:
            self._sleep(left)

    def _sleep(self, seconds: float) -> None:
        if self._wait(seconds):
            raise Stopped

    def _strike_out(self, text: str) -> str:
        return text.replace(self._key, _STRUCK_OUT) if self._key else text


class _Passing(Exception):
    """A failure that may not repeat."""

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class _TooLarge(Exception):
    """An answer that no end is in sight of."""


def _checked(base_url: str) -> str:
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
    return base_url.strip().rstrip("/")


class _Line:
    """Posts to one address over a kept connection a thread, through a proxy if there is one."""

    def __init__(self, url: str, timeout: float) -> None:
        self._to = urlsplit(url)
        self._timeout = timeout
        self._own = threading.local()
        self._tls = ssl.create_default_context() if self._to.scheme == "https" else None
        named = getproxies().get(self._to.scheme)
        through = bool(named) and not proxy_bypass(self._to.hostname or "")
        self._proxy = urlsplit(str(named)) if through else None
        self._path = self._to.path
        self._headers: dict[str, str] = {}
        if self._proxy and self._tls is None:
            self._path = url
            self._headers = _authorisation(self._proxy)

    def post(
        self, body: bytes, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request and read the whole answer."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
        try:
            connection.request("POST", self._path, body, {**headers, **self._headers})
            response = connection.getresponse()
            data = response.read(_LARGEST + 1)
            if len(data) > _LARGEST:
                raise _TooLarge
            return response, data
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> http.client.HTTPConnection:
        to, proxy = self._to, self._proxy
        host, port = (proxy or to).hostname or "", (proxy or to).port
        if self._tls is None:
            return http.client.HTTPConnection(host, port or 80, timeout=self._timeout)
        if proxy is None:
            return http.client.HTTPSConnection(
                host, port or 443, timeout=self._timeout, context=self._tls
            )
        connection = http.client.HTTPSConnection(
            host, port or 80, timeout=self._timeout, context=self._tls
        )
        connection.set_tunnel(to.hostname or "", to.port or 443, _authorisation(proxy))
        return connection


def _authorisation(proxy: SplitResult) -> dict[str, str]:
    """Return the header for a proxy whose address holds a user."""
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _seconds(retry_after: str | None) -> float | None:
    """Read a `Retry-After` header: seconds or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
