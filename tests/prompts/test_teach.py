"""`pairs build --teacher` against servers on loopback: nothing lost, nothing paid twice."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.prompts.teacher.pair_files import read_pairs
from imuscribe.prompts.teacher.teach import in_order
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from tests.chat_server import Answer, ChatServer, good_pupil, label_in, role_of

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-planted-4f1c9a7be2"
PARTS = ["explain", "restructure", *["paraphrase"] * 3]


@pytest.fixture(scope="module")
def data(letters, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "letters.parquet"
    save(letters(2, 2, "A-C"), path)
    return path


@pytest.fixture
def arguments(data, tiny_model_dir, tmp_path):
    """Return the words of a build with a server as the teacher."""

    def words(url, *more, out="pairs.jsonl"):
        given = ["pairs", "build", data, "--out", tmp_path / out, "--teacher", url, "--model", "m"]
        given += ["--tokenizer", tiny_model_dir, "--max-tokens", 8000, "--reasoning-tokens", 999]
        given += ["--cache", tmp_path / "answers.sqlite", "--no-check", *more]
        return [str(word) for word in given]

    return words


@pytest.fixture
def run(arguments):
    """Run a build in this process."""

    def invoke(url, *more, ok=True, out="pairs.jsonl"):
        result = CliRunner().invoke(app, arguments(url, *more, out=out))
        assert (result.exit_code == 0) is ok, (result.output, result.exception)
        return result

    return invoke


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_three_roles_make_the_pairs_of_every_recording(run, tmp_path):
    with ChatServer(good_pupil) as server:
        told = run(server.url).output
    rows = rows_of(tmp_path / "pairs.jsonl")
    assert len(rows) == 12 * 3
    assert "36 pairs of 12 recordings by m at 127.0.0.1" in told
    assert "0 set aside" in told and "900 tokens paid" in told
    assert sorted(map(role_of, server.seen)) == sorted(PARTS * 12)
    for row in rows:
        assert row["completion"].endswith(f"right.\nLetter: {row['label']}")
        assert "take " in row["prompt"] and "take " in row["user"]
        assert row["teacher"].startswith("m at 127.0.0.1")
        assert (row["round"], len(row["prompts"])) == (0, 12)
    assert len({row["prompt"] for row in rows}) == 36
    card = (tmp_path / "pairs.card.md").read_text("utf-8")
    assert "| recordings | 12 |" in card and "letters.parquet" in card
    assert "| sim-001 | 6 | 18 | 0 |" in card
    assert (tmp_path / "pairs.set-aside.jsonl").read_text() == ""


def test_the_order_of_the_rows_does_not_hang_on_the_threads(run, tmp_path):
    with ChatServer(good_pupil) as server:
        run(server.url, "--concurrency", 7)
        first = (tmp_path / "pairs.jsonl").read_bytes()
        run(server.url, "--concurrency", 1, "--cache", tmp_path / "other.sqlite")
    assert (tmp_path / "pairs.jsonl").read_bytes() == first


def test_explanations_are_checked_against_the_recording(run, tmp_path):
    def liar(fields, server):
        if role_of(fields) == "restructure":
            return Answer(f"The recording lasts 99.00 s.\nLetter: {label_in(fields)}")
        if role_of(fields) == "critique":
            user = fields["messages"][-1]["content"]
            assert 'you wrote "The recording lasts 99.00 s"' in user
            if label_in(fields) == "B":
                return Answer("The recording lasts 99.00 s. This is the letter B.\nLetter: B")
            facts = user.partition("from the recording:\n")[2]
            return Answer(f"The recording lasts {facts.split()[0]} s.\nLetter: {label_in(fields)}")
        return good_pupil(fields, server)

    with ChatServer(liar) as server:
        run(server.url, "--check", "--paraphrases", 1)
    rows = rows_of(tmp_path / "pairs.jsonl")
    assert {row["label"] for row in rows} == {"A", "C"}
    for row in rows:
        assert (row["round"], row["history"]) == (1, [1, 0])
        assert (row["claims"], row["supported"], row["contradicted"]) == (1, 1, 0)
    aside = rows_of(tmp_path / "pairs.set-aside.jsonl")
    assert {(item["label"], item["reason"]) for item in aside} == {
        ("B", "wrong about the recording")
    }
    assert "errors 1 → 2 → 2: " in aside[0]["detail"]
    card = (tmp_path / "pairs.card.md").read_text("utf-8")
    assert "| explanations accepted after 1 correction | 8 |" in card


def test_outliers_are_written_anew_if_their_cluster_tightens(run, tmp_path):
    odd = set()

    def one_is_odd(fields, server):
        role, label = role_of(fields), label_in(fields) if role_of(fields) != "paraphrase" else ""
        user = fields["messages"][-1]["content"]
        if role == "restructure" and label == "A" and (not odd or user in odd):
            odd.add(user)
            return Answer("Purple elephants dance slowly tonight.\nLetter: A")
        if role == "critique":
            assert "unlike the explanations of other recordings of this letter" in user
        return good_pupil(fields, server)

    options = ("--paraphrases", 1, "--concurrency", 1, "--tighten", "words")
    with ChatServer(one_is_odd) as server:
        run(server.url, *options)
        asked = len(server.seen)
        run(server.url, *options)
        assert len(server.seen) == asked
    rows = rows_of(tmp_path / "pairs.jsonl")
    assert len(rows) == 12
    assert not any("elephants" in row["completion"] for row in rows)
    assert sorted(row["round"] for row in rows) == [0] * 11 + [1]
    card = (tmp_path / "pairs.card.md").read_text("utf-8")
    assert "| written anew as unlike others | 1, of which 1 taken |" in card


def test_parquet_holds_the_same_pairs(run, tmp_path):
    with ChatServer(good_pupil) as server:
        run(server.url)
        run(server.url, out="pairs.parquet")
    rows = read_pairs(tmp_path / "pairs.parquet")
    assert rows == read_pairs(tmp_path / "pairs.jsonl")
    assert len(server.seen) == 60


def test_every_option_still_reaches_what_it_means(run, tmp_path):
    folder = tmp_path / "prompts"
    folder.mkdir()
    text = "[user]\nRephrase this instruction, take $$7: $instruction"
    (folder / "paraphrase.txt").write_text(text)
    words = "--format strokes --style study --paraphrases 2 --reasoning --plain --shots 1 --seed 2"
    words += " --subject sim-001 --subject sim-002 --limit 4 --concurrency 3 --check --allow-label"
    words += " --max-tokens-total 900000 --restructure --rounds 1 --keep-wrong --tighten words"
    words += " --tries 2 --wordings 3 --answer-tokens 99 --temperature 0.5 --timeout 20"
    words += " --retries 1 --key-env MY_KEY"
    options = [*words.split(), "--extra", '{"top_p": 0.9}', "--prompts", folder]
    with ChatServer(good_pupil) as server:
        run(server.url, *options)
    assert len(rows_of(tmp_path / "pairs.jsonl")) == 8
    assert all(fields["top_p"] == 0.9 for fields in server.seen)
    assert {(fields["max_tokens"], fields["temperature"]) for fields in server.seen} == {(99, 0.5)}
    reworded = {str(fields) for fields in server.seen if role_of(fields) == "paraphrase"}
    assert len(reworded) == 3 and all("take $7" in fields for fields in reworded)
    card = (tmp_path / "pairs.card.md").read_text("utf-8")
    settings = "| rounds | 1 |,| tries | 2 |,| keep wrong | True |,| restructure | True |"
    settings += ",| wordings | 3 |,| max tokens | 99 |,| temperature | 0.5 |,| paraphrases | 2 |"
    settings += ",| explanations checked | True |,| label may be named in the reasoning | True |"
    for line in (settings + ",| seed | 2 |,| recordings | 4 |").split(","):
        assert line in card


def test_keys_of_a_recipe_teach_as_options_do(run, tmp_path):
    with ChatServer(good_pupil) as server:
        run(server.url, "--rounds", 1, "--tries", 2, "--no-restructure", "--limit", 3)
        pairs = (tmp_path / "pairs.jsonl").read_bytes()
        asked = len(server.seen)
        keys = "teacher.teach={rounds: 1, tries: 2, restructure: false} pairs.limit=3"
        run(server.url, *keys.replace(" pairs", "|pairs").split("|"))
    assert len(server.seen) == asked
    assert (tmp_path / "pairs.jsonl").read_bytes() == pairs


def test_never_more_requests_at_once_than_allowed(run):
    with ChatServer(good_pupil) as server:
        run(server.url, "--concurrency", 3)
    assert 1 <= server.most_at_once <= 3


def test_nothing_is_asked_twice_when_run_again(run):
    with ChatServer(good_pupil) as server:
        run(server.url)
        told = run(server.url).output
        assert len(server.seen) == 60
        assert "0 of 60 answers were new: 0 tokens paid" in told
        run(server.url, "--seed", 1, "--limit", 1)
    assert len(server.seen) > 60


SCRIPT = {
    "A": ["429", "500", "good"],
    "B": ["hang", "truncated", "good"],
    "C": ["empty", "wrong", "good"],
    "D": ["wrong"],
    "E": ["empty"],
    "F": ["500"],
    "G": ["hang"],
    "H": ["truncated"],
    "I": ["400"],
}


def test_whatever_the_server_does_every_recording_is_accounted_for(letters, arguments, tmp_path):
    """Must show 2: each letter meets its own script when it is put in order."""
    whole = tmp_path / "nine.parquet"
    save(letters(1, 1, "A-I"), whole)
    met = {label: 0 for label in SCRIPT}
    lock = threading.Lock()

    def play(fields, server):
        if role_of(fields) != "restructure":
            return good_pupil(fields, server)
        label = label_in(fields)
        with lock:
            script = SCRIPT[label]
            act = script[min(met[label], len(script) - 1)]
            met[label] += 1
        wrong = "Letter: B" if label == "A" else "Letter: A"
        return {
            "good": good_pupil(fields, server),
            "429": Answer(status=429, headers={"Retry-After": "0"}),
            "500": Answer(status=500),
            "400": Answer(status=400, body=b'{"error": "no"}'),
            "hang": Answer(hang=True),
            "truncated": Answer(body=b'{"choices": [{"message": {"con'),
            "empty": Answer(""),
            "wrong": Answer(f"It goes down.\n{wrong}"),
        }[act]

    with ChatServer(play) as server:
        words = arguments(server.url, "--timeout", 2, "--retries", 2, "--paraphrases", 1)
        words[2] = str(whole)
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (result.output, result.exception)
    answered = {row["label"] for row in rows_of(tmp_path / "pairs.jsonl")}
    aside = {item["label"]: item for item in rows_of(tmp_path / "pairs.set-aside.jsonl")}
    assert answered == {"A", "B", "C"}
    assert {label: item["reason"] for label, item in aside.items()} == {
        "D": "wrong label",
        "E": "empty answer",
        "F": "no answer from the server",
        "G": "no answer from the server",
        "H": "no answer from the server",
        "I": "refused by the server",
    }
    assert "status 500" in aside["F"]["detail"] and "nothing came" in aside["G"]["detail"]
    card = (tmp_path / "pairs.card.md").read_text("utf-8")
    assert "| no answer from the server | 3 |" in card
    assert "no answer from the server 3" in result.output


def test_a_pair_without_an_instruction_is_listed_and_the_others_stay(run, tmp_path):
    def play(fields, server):
        if role_of(fields) == "paraphrase" and fields["seed"] % 2:
            return Answer("")
        return good_pupil(fields, server)

    with ChatServer(play) as server:
        run(server.url, "--tries", 1)
    rows = rows_of(tmp_path / "pairs.jsonl")
    aside = rows_of(tmp_path / "pairs.set-aside.jsonl")
    assert rows and aside
    pairs = {(row["id"], row["paraphrase"]) for row in rows}
    missing = {(item["id"], item["number"]) for item in aside}
    assert not pairs & missing
    assert len(pairs | missing) == 36


def test_the_run_stops_before_the_tokens_are_spent(run, tmp_path):
    def costly(fields, server):
        answer = json.loads(good_pupil(fields, server).body)
        return Answer(answer["choices"][0]["message"]["content"], tokens=(200, 8))

    with ChatServer(costly) as server:
        options = ("--answer-tokens", 8, "--max-tokens-total")
        told = run(server.url, *options, 5000).output
        asked = len(server.seen)
        assert 0 < 208 * asked <= 5000
        assert "stopped by --max-tokens-total" in told
        rows = rows_of(tmp_path / "pairs.jsonl")
        aside = rows_of(tmp_path / "pairs.set-aside.jsonl")
        assert {item["reason"] for item in aside} == {"not asked"}
        assert len({row["id"] for row in rows} | {item["id"] for item in aside}) == 12
        run(server.url, *options, 500_000)
        assert len(rows_of(tmp_path / "pairs.jsonl")) == 36
        assert len(server.seen) == 60


def test_no_pairs_at_all_is_an_error_with_its_commonest_reason(run, tmp_path):
    with ChatServer(lambda fields, server: Answer("")) as server:
        error = run(server.url, ok=False).exception
    assert isinstance(error, InputError)
    assert "12 recordings set aside, 12 for 'empty answer'" in str(error)
    assert not (tmp_path / "pairs.jsonl").exists()
    assert len(rows_of(tmp_path / "pairs.set-aside.jsonl")) == 12


def test_a_run_that_is_killed_goes_on_and_pays_nothing_twice(run, arguments, tmp_path):
    """Must show 1, for any server: every request answered before the end is answered once."""
    with ChatServer(good_pupil, hold_after=23) as server:
        words = arguments(server.url, "--concurrency", 4)
        killed = subprocess.Popen(
            [sys.executable, "-m", "imuscribe", *words],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        # When all four threads wait for an answer, they have taken in those before.
        assert server.wait_until_held(4, 300)
        killed.kill()
        assert killed.wait(60) == -signal.SIGKILL
        assert not (tmp_path / "pairs.jsonl").exists()
        assert sum(server.answered.values()) == 23
        server.hold_after = None
        told = run(server.url, "--concurrency", 4).output
        assert set(server.answered.values()) == {1}
        assert len(server.answered) == 60
    assert "37 of 60 answers were new" in told
    assert len(rows_of(tmp_path / "pairs.jsonl")) == 36


@pytest.fixture
def interruptible():
    """Undo a shell that started the tests in the background, where Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_keeps_the_answers_on_their_way(run, tmp_path):
    with ChatServer(good_pupil, hold_after=23) as server:
        ended = threading.Event()

        def interrupt():
            assert server.wait_until_held(4, 60)
            os.kill(os.getpid(), signal.SIGINT)
            # Four at a time, so that a busy machine's main thread hears of it before all are done.
            while not ended.wait(0.3):
                server.release(rest=False)

        threading.Thread(target=interrupt, daemon=True).start()
        run(server.url, "--concurrency", 4, ok=False)
        ended.set()
        server.release()
        assert not list(tmp_path.glob("*pairs*"))
        assert sum(server.answered.values()) >= 23 + 4
        run(server.url, "--concurrency", 4)
        assert set(server.answered.values()) == {1}
        assert len(server.answered) == 60


def test_no_key_and_no_path_is_written_anywhere(run, tmp_path, monkeypatch, caplog, capfd):
    """Must show 5: the server repeats the key wherever it can."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    failures = [500, 429, 400]

    def play(fields, server):
        if failures:
            body = json.dumps({"error": f"slow down, {server.keys[-1]}"}).encode()
            return Answer(status=failures.pop(0), body=body)
        if role_of(fields) == "restructure" and label_in(fields) == "A":
            return Answer(f"With {server.keys[-1]}.\nLetter: A")
        return good_pupil(fields, server)

    with ChatServer(play) as server:
        told = run(server.url, "--concurrency", 1).output
    with ChatServer(lambda fields, server: Answer(status=401, body=KEY.encode())) as refusing:
        error = run(refusing.url, "--cache", tmp_path / "new.sqlite", ok=False, out="2").exception
    assert "the key in OPENAI_API_KEY is not accepted" in str(error)
    assert set(server.keys) == {f"Bearer {KEY}"}
    texts = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert {"answers.sqlite", "pairs.jsonl", "pairs.card.md", "pairs.set-aside.jsonl"} <= set(texts)
    for name, text in texts.items():
        for folder in (tmp_path, Path.home(), ROOT):
            assert str(folder).encode() not in text, name
    printed = "".join([told, str(error), caplog.text, *capfd.readouterr()])
    texts["what was printed and logged"] = printed.encode()
    for name, text in texts.items():
        assert KEY.encode() not in text and KEY[:12].encode() not in text, name
        assert b"Authorization" not in text, name
    assert b"With Bearer [key]." in texts["pairs.jsonl"]
    assert b"slow down, Bearer [key]" in texts["pairs.set-aside.jsonl"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--teacher", "http://localhost:1/v1"], "name the model"),
        (["--teacher", "smollm2", "--model", "m"], "drop --model"),
        (["--teacher", "computed", "--paraphrases", "99"], "choose 1 to"),
        (
            ["--teacher", "https://h.invalid/v1", "--model", "m", "--extra", "{"],
            "--extra is '{': no JSON",
        ),
        (
            ["--teacher", "https://h.invalid/v1", "--model", "m", "--extra", "[]"],
            "give a JSON object",
        ),
        (
            ["--teacher", "https://h.invalid/v1", "--model", "m", "--prompts", "nowhere"],
            "no such folder",
        ),
        (
            ["--teacher", "https://h.invalid/v1", "--model", "m", "--temperature", "9"],
            "'teacher.teach.temperature' is 9",
        ),
        (["--teacher", "./nowhere"], "no such folder"),
        (["--teacher", "computed", "--tighten", "words"], "only a language model"),
    ],
)
def test_mistakes_are_named_before_anything_is_asked(
    data, tiny_model_dir, tmp_path, words, message
):
    given = ["pairs", "build", data, "--out", tmp_path / "p.jsonl", "--tokenizer", tiny_model_dir]
    given += ["--max-tokens", 8000, "--reasoning-tokens", 999, "--no-check", *words]
    error = CliRunner().invoke(app, [str(word) for word in given]).exception
    assert isinstance(error, InputError) and message in str(error)
    assert not list(tmp_path.iterdir())


def test_the_computed_teacher_gives_the_pairs_of_a_build_without_one(
    data, tiny_model_dir, tmp_path
):
    given = ["pairs", "build", data, "--tokenizer", tiny_model_dir, "--max-tokens", 8000]
    given += ["--reasoning-tokens", 999, "--no-check"]
    for name, more in (("with", ["--teacher", "computed"]), ("without", [])):
        words = [*given, "--out", tmp_path / name, *more]
        assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    taught, plain = rows_of(tmp_path / "with"), rows_of(tmp_path / "without")
    assert [r["completion"] for r in taught] == [r["completion"] for r in plain]
    assert {r["teacher"] for r in taught} == {"computed"}


def test_export_keeps_people_apart(run, tmp_path):
    with ChatServer(good_pupil) as server:
        run(server.url)
    person = rows_of(tmp_path / "pairs.jsonl")[0]["subject"]
    for option, out in (("--subject", "test"), ("--without", "train")):
        words = ["pairs", "export", tmp_path / "pairs.jsonl", "--out", tmp_path / out]
        result = CliRunner().invoke(app, [str(word) for word in [*words, option, person]])
        assert result.exit_code == 0, result.exception
    assert {row["subject"] for row in rows_of(tmp_path / "test")} == {person}
    assert person not in {row["subject"] for row in rows_of(tmp_path / "train")}
    assert len(rows_of(tmp_path / "test")) + len(rows_of(tmp_path / "train")) == 36


def test_work_comes_back_in_order_and_only_a_little_is_begun_ahead():
    begun, gate = [], threading.Event()

    def work(i):
        begun.append(i)
        if i == 0:
            gate.wait()
        return i

    results = in_order(work, range(100), 3)
    threading.Timer(0.3, gate.set).start()
    assert next(results) == 0
    assert max(begun) < 12 + 1
    assert list(results) == list(range(1, 100))
