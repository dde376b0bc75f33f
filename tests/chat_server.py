"""OpenAI-compatible servers on loopback, for tests: scripted, or in front of a real model."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handle = Callable[[dict[str, Any], "ChatServer"], "Answer"]


class Answer:
    """What the server sends: a status, headers and a body; `hang` sends nothing until it stops."""

    def __init__(
        self,
        text: str = "",
        status: int = 200,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        hang: bool = False,
        finish: str = "stop",
        tokens: tuple[int, int] = (10, 5),
    ) -> None:
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        whole = {"object": "chat.completion", "choices": [choice], "usage": usage}
        self.status = status
        self.headers = headers or {}
        self.body = json.dumps(whole).encode() if body is None else body
        self.hang = hang


class ChatServer:
    """Serves `/v1/chat/completions` and counts.

    Parameters
    ----------
    handle : callable
        Gets the request's fields and the server, returns an `Answer`.
    hold_after : int, optional
        Answer so many requests, then keep all further ones waiting until it closes.
    """

    def __init__(self, handle: Handle, hold_after: int | None = None) -> None:
        self.handle = handle
        self.hold_after = hold_after
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        """Those of each request, names in lower case."""
        self.answered: Counter[str] = Counter()
        """How often each request, by the hash of its body, was answered in full with 200."""
        self.held = 0
        self.most_at_once = 0
        self._released = False
        self._gate = threading.Event()
        self._now = 0
        self._admitted = 0
        self.changed = threading.Condition()
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    outer._serve(self, raw)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def _serve(self, handler: BaseHTTPRequestHandler, raw: bytes) -> None:
        fields = json.loads(raw)
        with self.changed:
            self.seen.append(fields)
            self.headers.append({name.lower(): text for name, text in handler.headers.items()})
            gate = self._gate
            hold = self.hold_after is not None and self._admitted >= self.hold_after
            self._admitted += 1
            self.held += hold
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.changed.notify_all()
        try:
            if hold:
                gate.wait()
                if self.closing.is_set() and not self._released:
                    handler.close_connection = True
                    return
            answer = self.handle(fields, self)
            if answer.hang:
                self.closing.wait()
                handler.close_connection = True
                return
        finally:
            with self.changed:
                self._now -= 1
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        if answer.status == 200:
            with self.changed:
                self.answered[hashlib.sha256(raw).hexdigest()] += 1
        handler.wfile.write(answer.body)

    @property
    def keys(self) -> list[str]:
        """The key that came with each request, or nothing."""
        return [headers.get("authorization", "") for headers in self.headers]

    def wait_until_held(self, n: int, seconds: float) -> bool:
        """Wait until `n` requests are kept waiting."""
        with self.changed:
            return self.changed.wait_for(lambda: self.held >= n, seconds)

    def release(self, rest: bool = True) -> None:
        """Answer what was held, and the rest from now on or hold that too."""
        with self.changed:
            gate, self._gate = self._gate, threading.Event()
        if rest:
            self.hold_after = None
            self._released = True
            self.closing.set()
        gate.set()

    def __enter__(self) -> ChatServer:
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._gate.set()
        self._server.shutdown()
        self._server.server_close()


def role_of(fields: dict[str, Any]) -> str:
    """Tell which packaged role prompt a request comes from."""
    user = fields["messages"][-1]["content"]
    if "Checked against the recording" in user:
        return "critique"
    if "Rewrite it so that" in user:
        return "restructure"
    return "paraphrase" if "Rephrase this instruction" in user else "explain"


def label_in(fields: dict[str, Any]) -> str:
    """Return the true label that a request tells."""
    user = fields["messages"][-1]["content"]
    return (
        user.rstrip().rpartition(" ")[2]
        if role_of(fields) != "explain"
        else (user.partition("true letter is: ")[2][0])
    )


def good_pupil(fields: dict[str, Any], server: ChatServer) -> Answer:
    """Answer every role as a teacher should, and differently for different recordings and seeds."""
    role = role_of(fields)
    if role == "paraphrase":
        return Answer(f"Say in your words which single letter was written, take {fields['seed']}.")
    if role == "explain":
        told = zlib.crc32(fields["messages"][-1]["content"].encode())
        return Answer(f"Recording {told} goes down and then right, so it is {label_in(fields)}.")
    return Answer(f"The hand goes down and then right.\nLetter: {label_in(fields)}")
