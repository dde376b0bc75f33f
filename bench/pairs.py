"""What `pairs build --teacher` costs a request beyond the server's own time, and its memory.

A server in another process answers at once. The same requests are sent to it twice: by a run over
simulated recordings, with everything a run does (texts, roles, store on disk, pairs), and as bare
bytes over open sockets, which is the server's own time.

python -m bench.pairs [n_recordings] [--check]
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import socket
import socketserver
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

WORKERS = 8
PARAPHRASES = 3


class AtOnce(socketserver.StreamRequestHandler):
    """Reads a request and answers it in the role it asks for."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serve one connection until it closes."""
        while self.rfile.readline():
            length = 0
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length"):
                    length = int(line.split(b":")[1])
            body = self.rfile.read(length)
            self.wfile.write(_answer(body))


def _answer(body: bytes) -> bytes:
    if b"Rephrase this instruction" in body:
        text = "Say which single letter the signal, given in the order of time, stands for."
    elif b"Rewrite it so" in body:
        text = (
            f"Up is +y. The hand goes down.\nLetter: {body.partition(b'Letter: ')[2][:1].decode()}"
        )
    else:
        text = f"Up is +y. The hand goes down, number {hash(body)}, and hence draws the letter."
    usage = {"prompt_tokens": 300, "completion_tokens": 50}
    choices = [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    data = json.dumps({"choices": choices, "usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection."""

    daemon_threads = True
    request_queue_size = 64


def serve(port: Any) -> None:
    """Serve until killed."""
    with Server(("127.0.0.1", 0), AtOnce) as server:
        port.value = server.server_address[1]
        server.serve_forever()


def bare(port: int, bodies: list[bytes]) -> float:
    """Send all bodies over as many sockets as the run has workers; return the seconds it took."""
    left: Iterator[bytes] = iter(bodies)
    lock = threading.Lock()

    def send() -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            file = connection.makefile("rb")
            while True:
                with lock:
                    body = next(left, None)
                if body is None:
                    return
                head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
                connection.sendall(head + body)
                file.readline()
                length = int(file.readline().split(b":")[1])
                file.readline()
                file.read(length)

    threads = [threading.Thread(target=send) for _ in range(WORKERS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def main(n_recordings: int, check: bool) -> None:
    """Print overhead a request and the growth of memory."""
    from imuscribe.finetune.local_teacher import load_teacher
    from imuscribe.prompts.ask.templates import PromptBuilder, PromptConfig
    from imuscribe.prompts.ask.tokens import load_tokenizer
    from imuscribe.prompts.serialize import TextConfig, build_serializer
    from imuscribe.prompts.teacher.endpoint import Endpoint
    from imuscribe.prompts.teacher.run import write_taught
    from imuscribe.prompts.teacher.store import TokenBudget
    from imuscribe.prompts.teacher.teach import teach
    from imuscribe.prompts.teacher.teachers import TeachConfig
    from imuscribe.recipes.explanations import TeacherConfig
    from imuscribe.signals.cleaning import clean
    from imuscribe.signals.simulate import SimulateConfig, simulate

    config = SimulateConfig(people=8, repetitions=-(-n_recordings // 208), cases=("3d",))
    recordings = [clean(rec) for rec in simulate(config)[:n_recordings]]
    prompt = PromptConfig(style="study", reasoning=True, max_tokens=2048)
    builder = PromptBuilder(load_tokenizer("smollm2"), tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), prompt)
    port = multiprocessing.Value("i", 0)
    server = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.01)
    bodies: list[bytes] = []
    post = Endpoint._post

    def noted(self: Endpoint, request: Any) -> bytes:
        body = {"model": "m", "messages": request.messages, "max_tokens": request.max_tokens}
        body |= {"temperature": request.temperature, "seed": request.seed}
        bodies.append(json.dumps(body).encode())
        return post(self, request)

    Endpoint._post = noted  # type: ignore[method-assign]
    memory: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            memory.append(psutil.Process().memory_info().rss)

    with tempfile.TemporaryDirectory() as folder:
        teacher = TeacherConfig(
            name=f"http://127.0.0.1:{port.value}/v1",
            model="m",
            cache=str(Path(folder) / "answers.sqlite"),
            forbid_label=False,
            teach=TeachConfig(keep_wrong=True),
        )
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        start, used = time.perf_counter(), time.process_time()
        stop, budget = threading.Event(), TokenBudget()
        who = load_teacher(teacher, builder, 0, budget, stop, checked=check)
        student = recordings, build_serializer(TextConfig()), builder
        taught = teach(*student, who, PARAPHRASES, 0, WORKERS, stop)
        pairs = Path(folder) / "pairs.jsonl"
        summary = write_taught(taught, len(recordings), who, budget, {}, pairs)
        took, used = time.perf_counter() - start, time.process_time() - used
        done.set()
        watcher.join()
        del who, taught
        gc.collect()  # closes the store, which folds everything into one file
        size = os.path.getsize(Path(folder) / "answers.sqlite")
    alone = bare(port.value, bodies)
    server.kill()
    n = len(bodies)
    quarter = len(memory) // 4
    grown = (max(memory[-quarter:]) - max(memory[quarter : 2 * quarter])) / 2**20 if quarter else 0
    held = sum(map(len, bodies)) / 2**20
    print(summary.replace(folder, "."))
    print(f"{n:,} requests in {took:.2f} s; the same bytes alone {alone:.2f} s")
    print(f"overhead {1e3 * (took - alone) / n:.3f} ms a request, {1e3 * used / n:.3f} ms of CPU")
    print(f"store {size / n:.0f} bytes an answer")
    print(f"memory grew by {grown:.1f} MiB from second to last quarter, of which this bench keeps")
    print(f"requests of {held / 2:.1f} MiB")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(numbers[0] if numbers else 1000, "--check" in sys.argv)
