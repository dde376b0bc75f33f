"""`pairs build` with a real language model behind a real OpenAI-compatible server, on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from imuscribe.signals.readers.parquet import save
from tests.chat_server import Answer, ChatServer

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = {
    # SmolLM2-135M copies; it does not reason.
    "explain": "[system]\n$signal\nYou repeat what the user says, word for word.\n"
    "[user]\nThe hand moves down and right.",
    "restructure": "[system]\nYou copy the input.\n"
    "[user]\nInput: It goes up, then left. The letter is A.\n"
    "Output: It goes up, then left. The letter is A.\n\n"
    "Input: $explanation The letter is $label.\nOutput:",
    "paraphrase": "[system]\nRephrase the text.\n[user]\n$instruction",
}


@pytest.fixture(scope="module")
def data(letters, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "letters.parquet"
    save(letters(1, 2, "L,T,C"), path)
    return path


@pytest.fixture
def build(data, tmp_path):
    """Return the words of a build with the prompts above."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    for role, text in PROMPTS.items():
        (folder / f"{role}.txt").write_text(text)

    def words(url, model, tokenizer):
        given = [sys.executable, "-m", "imuscribe", "pairs", "build", data]
        given += ["--out", tmp_path / "pairs.jsonl", "--teacher", url, "--model", model]
        given += ["--prompts", folder, "--cache", tmp_path / "answers.sqlite", "--concurrency", 2]
        given += ["--answer-tokens", 64, "--tries", 2, "--paraphrases", 2, "--keep-wrong"]
        given += ["--tokenizer", tokenizer, "--max-tokens", 8000, "--temperature", 0]
        return [str(word) for word in given]

    return words


def run_killed_and_again(server, words, tmp_path, hold_after):
    """Kill a build half way, run it again, and return what came of the recordings."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    server.hold_after = hold_after
    killed = subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert server.wait_until_held(2, 600)
    finally:
        killed.kill()
    assert killed.wait(60) == -signal.SIGKILL
    paid = sum(server.answered.values())
    assert paid == hold_after
    server.hold_after = None
    again = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
    )
    assert again.returncode in (0, 2) and "Traceback" not in again.stderr, again.stderr
    assert set(server.answered.values()) == {1}, "a request was paid twice"
    assert sum(server.answered.values()) > paid
    out = tmp_path / "pairs.jsonl"
    rows = out.read_text("utf-8").splitlines() if out.exists() else []
    aside = (tmp_path / "pairs.set-aside.jsonl").read_text("utf-8").splitlines()
    return list(map(json.loads, rows)), list(map(json.loads, aside))


@pytest.fixture
def smollm2(tmp_path_factory):
    """Serve SmolLM2 with `transformers serve` and yield its address and folder."""
    if find_spec("uvicorn") is None or find_spec("fastapi") is None:
        pytest.skip("transformers serve needs fastapi and uvicorn: pip install '.[dev]'")
    from imuscribe.finetune.base import PACKAGED, converted, load_base
    from imuscribe.prompts.ask.tokens import load_tokenizer
    from imuscribe.recipes.schema import ModelConfig

    if not converted().is_dir():
        load_base(ModelConfig())
    folder = tmp_path_factory.mktemp("served")
    load_tokenizer(PACKAGED).save_pretrained(folder)
    for path in converted().iterdir():
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", folder, "--device", "cpu"]
    command += ["--host", "127.0.0.1", "--port", port]
    served = subprocess.Popen(
        [str(word) for word in command],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            assert served.poll() is None, "transformers serve did not start"
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(1)
        else:
            raise AssertionError("transformers serve did not answer within five minutes")
        yield f"{address}/v1/chat/completions", str(folder)
    finally:
        served.terminate()
        served.wait(60)


@pytest.mark.slow
def test_smollm2_behind_transformers_serve(smollm2, build, tmp_path):
    """Must show 1. In between a counter, which passes every byte on, sees what is paid."""
    address, folder = smollm2

    def forward(fields, server):
        asked = urllib.request.Request(
            address, json.dumps(fields).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=600) as answer:
                return Answer(body=answer.read())
        except urllib.error.HTTPError as error:
            return Answer(status=error.code, body=error.read())

    with ChatServer(forward) as server:
        words = build(server.url, folder, "smollm2")
        rows, aside = run_killed_and_again(server, [*words, "--timeout", "600"], tmp_path, 9)
    users = [fields["messages"][-1]["content"] for fields in server.seen]
    for role in ("The hand moves down and right.", "Output:", "signal"):
        assert any(role in user for user in users), role
    accounted = {row["id"] for row in rows} | {item["id"] for item in aside}
    assert len(accounted) == 6
    assert rows, aside
    assert any(row["claims"] for row in rows)
    assert all(row["completion"].endswith(f"\nLetter: {row['label']}") for row in rows)
