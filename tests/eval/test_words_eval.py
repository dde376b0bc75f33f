"""Word experiments: nothing of a person teaches how that person is read; the tables add up."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.cli.words import in_writing_order
from imuscribe.eval.ledger import render, results_of
from imuscribe.eval.methods.reader import pool_of_frames
from imuscribe.eval.report.study import published
from imuscribe.eval.run import read_run, run
from imuscribe.recipes.load import load_as
from imuscribe.recipes.words import WordsRecipe
from imuscribe.signals.errors import InputError
from imuscribe.words.channel import Channel, LetterPool
from imuscribe.words.decode.lexicon import LETTERS

KS = (1, 2, 3)


def predictions(people: int = 3, per_letter: int = 6, shift: float = 2.0) -> pd.DataFrame:
    """Return what a made-up reader answers: the right letter's score is `shift` higher."""
    rng = np.random.default_rng(0)
    rows = []
    for method, extra in (("sharp", 1.0), ("blunt", 0.0)):
        for person in range(people):
            for i, letter in enumerate(LETTERS):
                for repetition in range(per_letter):
                    scores = rng.normal(size=26)
                    scores[i] += shift + extra
                    scores -= np.log(np.exp(scores).sum())
                    rows.append(
                        {"id": f"p{person}-{letter}-{repetition}", "subject": f"p{person}"}
                        | {"label": letter, "method": method}
                        | {f"log_prob:{c}": s for c, s in zip(LETTERS, scores, strict=True)}
                    )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    predictions().to_parquet(folder / "predictions.parquet")
    return folder


def study(run: Path, out: Path, *changes: str):
    return load_as(
        WordsRecipe,
        "words-study",
        [
            *("method=sharp", "k=1,3", "words=12", "fit_words=24"),
            *(f"letters={run}", f"out={out}", *changes),
        ],
    )


NOUNS = "tasks=[{name: nouns, lexicon: nouns, decoders: [counting, confusion, closed]}]"
OPEN = (
    "tasks=[{name: open, lexicon: nouns, lengths: [4, 5], hidden: 0.25,"
    " decoders: [closed, open, mixture]}]"
)


def pool(**changes) -> LetterPool:
    made = pool_of_frames([predictions(**changes)], ["sharp", "blunt"], "made up")
    return made


def test_no_recording_is_used_twice_in_a_word_while_there_are_others():
    letters = pool()
    rows = letters.draw("p1", "NOON", 3, np.random.default_rng(0))
    assert rows.shape == (4, 3)
    assert set(letters.subjects[rows].ravel()) == {"p1"}
    assert "".join(LETTERS[i] for i in letters.truth[rows[:, 0]]) == "NOON"
    assert len(set(rows.ravel().tolist())) == 12
    many = letters.draw("p1", "NOON", 5, np.random.default_rng(0))  # 10 of 6 recordings a letter
    assert all(len(set(row.tolist())) == 5 for row in many)


def test_what_a_person_wrote_teaches_nothing_about_reading_that_person():
    letters = pool()
    mine = letters.subjects == "p0"
    scrambled = letters.readings.copy()
    scrambled[mine] = scrambled[mine][:, :, ::-1]
    others = replace(letters, readings=scrambled)
    fitted = [Channel.fit(p, ["p1", "p2"], KS, np.random.default_rng(0)) for p in (letters, others)]
    first, second = fitted  # rounding differs with where an array lies in memory
    assert first.fusion.temperature == pytest.approx(second.fusion.temperature, rel=1e-4)
    assert first.confusion.log_probs == pytest.approx(second.confusion.log_probs)
    for one, two in zip(first.calibrations, second.calibrations, strict=True):
        assert one.bias == pytest.approx(two.bias, abs=1e-4)


def test_two_readers_together_are_better_than_each():
    letters = pool(shift=1.0)
    channel = Channel.fit(letters, ["p1", "p2"], KS, np.random.default_rng(0))
    mine = letters.subjects == "p0"

    def right(read):
        return (read[mine].argmax(axis=1) == letters.truth[mine]).mean()

    each = [right(letters.readings[:, m]) for m in range(2)]
    assert right(channel.read(letters.readings)) > max(each)


def test_the_table_has_every_cell_and_rises_with_readings(run_folder: Path, tmp_path: Path):
    folder = run(study(run_folder, tmp_path, NOUNS), progress=False)
    (task,) = read_run(folder)[0]["tasks"]
    table = pd.read_parquet(folder / "words.parquet")
    means = {}
    for one in task["decoders"]:
        assert {(c["length"], c["k"]) for c in one["cells"]} == {
            (n, k) for n in published()["words"]["accuracy"] for k in (1, 3)
        }
        for cell in one["cells"]:
            assert cell["n"] == 36 and cell["low"] <= cell["value"] <= cell["high"]
            mine = table[(table["decoder"] == one["decoder"]) & (table["k"] == cell["k"])]
            assert cell["correct"] == mine[mine["length"] == cell["length"]]["correct"].sum()
        means |= {
            (one["decoder"], m["k"]): m["value"] for m in one["means"] if m["lengths"] == "3–6"
        }
    assert means["closed", 3] > means["closed", 1] > means["counting", 1]
    assert means["closed", 1] > means["confusion", 1]  # probabilities say more than guesses
    words = table.groupby(["person", "length", "nth"])["word"].nunique()
    assert (words == 1).all()  # every decoder and k gets the same words
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert "the study's LLM" in page and "0.879" in page


def test_a_finished_experiment_is_not_run_again_and_another_one_is(run_folder, tmp_path):
    first = run(study(run_folder, tmp_path, NOUNS), progress=False)
    parts = {p: p.stat().st_mtime_ns for p in (first / "folds" / "nouns").iterdir()}
    assert len(parts) == 3
    before = (first / "metrics.json").read_bytes()
    run(study(run_folder, tmp_path, NOUNS), progress=False)
    assert {p: p.stat().st_mtime_ns for p in (first / "folds" / "nouns").iterdir()} == parts
    assert (first / "metrics.json").read_bytes() == before
    run(study(run_folder, tmp_path, NOUNS, "seed=1"), progress=False)
    assert all(p.stat().st_mtime_ns != parts[p] for p in (first / "folds" / "nouns").iterdir())


def test_hidden_words_are_out_of_reach_for_the_lexicon_alone(run_folder, tmp_path):
    folder = run(study(run_folder, tmp_path, OPEN), progress=False)
    table = pd.read_parquet(folder / "words.parquet")
    share = table[table["hidden"]].groupby("decoder")["correct"].mean()
    assert 0.15 < table["hidden"].mean() < 0.4
    assert share["closed"] == 0
    assert share["mixture"] > 0
    groups = {one["group"] for one in read_run(folder)[0]["tasks"][0]["decoders"]}
    assert groups == {"all", "known", "hidden"}


def test_the_language_model_is_asked_for_few_words_and_its_answers_are_kept(
    run_folder, tmp_path, tiny_model_dir
):
    folder = run(
        study(
            run_folder,
            tmp_path,
            "tasks=[{name: nouns, lexicon: nouns, lengths: [3, 4],"
            " decoders: [closed, llm-aggregate, llm-rescored]}]",
            "llm.words=2", f"llm.model.base={tiny_model_dir}", "words=4", "k=2",
        ),
        progress=False,
    )  # fmt: skip
    table = pd.read_parquet(folder / "words.parquet").set_index("decoder")
    assert len(table.loc["closed"]) == 3 * 2 * 4
    for name in ("llm-aggregate", "llm-rescored"):
        assert len(table.loc[name]) == 3 * 2 * 2
        assert set(table.loc[name]["nth"]) == {0, 1}
    right = table.loc["llm-rescored"]["correct"].mean()
    assert right >= table.loc["closed"][table.loc["closed"]["nth"] < 2]["correct"].mean() - 0.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["method=sharpe"], "method 'sharpe': not in .*did you mean 'sharp'"),
        (["method=[]"], "'method' is empty"),
        (["letters=simulated"], "'method' is for run folders"),
        (["k=0"], "greater than or equal to 1"),
        (["only=noun"], "'only' names noun: did you mean 'nouns'"),
        (["wrods=3"], "unknown key 'wrods': did you mean 'words'"),
        (["letters=/nowhere"], "no predictions there"),
        (["tasks=[{name: x, lexicon: nouns, lengths: 9}]"], "9 letters: no word"),
    ],
)
def test_mistakes_in_a_word_experiment_are_one_line(run_folder, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        run(study(run_folder, tmp_path, NOUNS, *changes), progress=False)


def test_one_person_alone_has_nobody_to_learn_from(tmp_path):
    predictions(people=1).to_parquet(tmp_path / "predictions.parquet")
    with pytest.raises(InputError, match="channel is learnt from other people"):
        run(study(tmp_path, tmp_path, NOUNS), progress=False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("predictions.parquet", b"", "is damaged"),
        ("predictions.parquet", b"PAR1", "is damaged"),
        ("environment.json", b"{", "does not say which data"),
        ("environment.json", b"[" * 9000, "does not say which data"),
        ("environment.json", b'{"data": []}', "does not say which data"),
    ],
)
def test_a_damaged_run_is_one_line(run_folder, tmp_path, name, content, message):
    folder = Path(shutil.copytree(run_folder, tmp_path / "letters"))
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        run(study(folder, tmp_path, NOUNS), progress=False)
    predictions().drop(columns="method").to_parquet(folder / "predictions.parquet")
    with pytest.raises(InputError, match="no table of predictions: it has no method"):
        run(study(folder, tmp_path, NOUNS), progress=False)


def test_the_same_fold_given_twice_is_refused(run_folder, tmp_path):
    with pytest.raises(InputError, match="predicted twice by sharp"):
        run(study(f"{run_folder},{run_folder}", tmp_path, NOUNS), progress=False)


def test_the_command_prints_the_tables(run_folder, tmp_path):
    done = CliRunner().invoke(
        app,
        [
            *("words", "eval", "words-study", f"letters={run_folder}", "method=sharp", "words=4"),
            *("k=2", "fit_words=12", f"out={tmp_path}", "name=mine", NOUNS),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "the study's LLM" in done.stdout and "means over people" in done.stdout
    assert (tmp_path / "mine" / "report.md").is_file()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["demo", "--word", "H3"], "does not read '3'"),
        (["demo", "--word", ""], "--word is empty"),
        (["decode", "nowhere.parquet"], "nowhere.parquet"),
        (["decode", "-"], "no recording there"),
    ],
)
@pytest.mark.slow  # loads the packaged model
def test_mistakes_of_decode_and_demo_are_one_line(given, message):
    done = CliRunner().invoke(app, ["words", *given])
    assert isinstance(done.exception, InputError) and message in str(done.exception)


@pytest.mark.slow  # reads ten letters with the packaged model, and lets it generate
def test_the_demo_ends_with_the_word():
    done = CliRunner().invoke(app, ["words", "demo", "--word", "hello"])
    assert done.exit_code == 0, done.output
    assert done.stdout.rstrip().endswith("decoded word:      HELLO")
    assert "the study's way:" in done.stdout and "█" in done.stdout


@pytest.mark.slow  # reads letters with the packaged model
def test_decode_takes_a_folder_in_order_and_k_recordings_a_letter(tmp_path):
    from imuscribe.signals.readers.parquet import save
    from imuscribe.words.speller import write_simulated

    written = write_simulated("HOUSE", 2, LETTERS)
    for i, recordings in enumerate(written):
        save(
            [replace(r, id=f"{i}-{j}") for j, r in enumerate(recordings)], tmp_path / f"{i}.parquet"
        )
    done = CliRunner().invoke(app, ["words", "decode", str(tmp_path), "--k", "2"])
    assert done.exit_code == 0, done.output
    assert done.stdout.rstrip().endswith("word: HOUSE")
    odd = CliRunner().invoke(app, ["words", "decode", str(tmp_path), "--k", "3"])
    assert "recordings are left over" in str(odd.exception)


def test_the_tenth_file_of_a_folder_is_the_tenth_letter(tmp_path):
    names = ["2.csv", "10.csv", "1.csv", "letter.csv", "letter 3b.csv", "letter 3a.csv", "notes.md"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "11.csv").mkdir()  # no file
    assert [f.name for f in in_writing_order([str(tmp_path)])] == [
        *("1.csv", "2.csv", "10.csv", "letter 3a.csv", "letter 3b.csv", "letter.csv")
    ]


def test_a_run_becomes_rows_of_the_ledger(run_folder: Path, tmp_path: Path):
    recipe = study(run_folder, tmp_path, NOUNS)
    folder = run(recipe, command="imuscribe words eval", progress=False)
    rows = results_of(folder, "a note")
    (closed,) = [
        row for row in rows if row.method == "closed" and row.task.endswith("of 3–5 letters, k = 3")
    ]
    answers = pd.read_parquet(folder / "words.parquet")
    assert closed.n == 3 * 3 * 12  # people, lengths, words
    assert closed.ci_low <= closed.value <= closed.ci_high <= 1
    assert 1 / 443 < closed.chance < 1 / 163
    assert len(answers) and {row.note for row in rows} == {"a note"}
    assert "nouns, 1,500 words" in render(rows)["results/words.md"]
