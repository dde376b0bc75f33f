"""Experiments with words without given bounds: nobody tested teaches; what is counted is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.eval.ledger import render, results_of
from imuscribe.eval.run import run
from imuscribe.eval.tasks.segments import halves
from imuscribe.recipes.load import load_as
from imuscribe.recipes.words import SegmentRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.simulate import Writer, write_letter, write_word
from imuscribe.words.decode.lexicon import LETTERS, Lexicon, load_lexicon
from imuscribe.words.divided import SLACK, boundary_hits, edit_distance
from imuscribe.words.material import recorded, simulated
from imuscribe.words.segment_reader import SegmentReader, Written, whose
from imuscribe.words.track import Track

TINY = (
    *("train_people=2", "train_words=6", "tune_people=1", "tune_words=3", "people=2"),
    *("test_words=2", "lengths=3", "epochs=1", "beam=20"),
    "lexica=[{name: nouns, lexicon: nouns, size: 300}]",
)


def recipe(out: Path, *changes: str):
    return load_as(SegmentRecipe, "words-unsegmented", [*TINY, f"out={out}", *changes])


def still(word: str, spans, n: int = 200, person: str = "p") -> Written:
    """Return a word on which only the bounds matter."""
    rows = np.random.default_rng(0).normal(size=(6, n))
    return Written(f"{person}-{word}", person, word, Track(50.0, rows), np.array(spans, float))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    return run(recipe(out), "imuscribe words segment", progress=False)


# Who learns from whom


@pytest.mark.parametrize("teach", ["words", "letters"])
def test_teachers_tuners_and_tested_people_are_others(tmp_path, teach):
    found = simulated(
        recipe(tmp_path, f"teach={teach}"), LETTERS, load_lexicon("nouns"), progress=False
    )
    people = [{one.person for one in part} for part in (found.teach, found.tune, found.test)]
    assert [len(p) for p in people] == [2, 1, 2]
    assert not people[0] & people[1] and not people[2] & (people[0] | people[1])
    for one in (*found.teach, *found.tune, *found.test):
        assert one.spans is not None and len(one.spans) == len(one.word)
        assert one.spans[-1, 1] <= one.track.n / one.track.rate + 0.4


def test_the_same_seed_writes_the_same_words(tmp_path):
    a, b = (
        simulated(recipe(tmp_path), LETTERS, load_lexicon("nouns"), progress=False).test
        for _ in range(2)
    )
    assert [one.word for one in a] == [one.word for one in b]
    assert all(np.array_equal(x.track.rows, y.track.rows) for x, y in zip(a, b, strict=True))


def test_halves_never_share_a_session_or_a_word():
    words = [
        still(word, [[0, 1], [1.2, 2]], person=person)
        for person, spelt in (("s0", ("AB", "CD")), ("s1", ("AB", "EF")), ("s2", ("GH",)))
        for word in spelt
    ]
    parts = halves(words)
    assert [{one.person for one in test} for test, _ in parts] == [{"s0", "s2"}, {"s1"}]
    assert [sorted(one.word for one in other) for _, other in parts] == [["EF"], ["CD", "GH"]]
    with pytest.raises(InputError, match="one session"):
        halves(words[:2])


# Counting


@given(st.text("ABC", max_size=6), st.text("ABC", max_size=6), st.text("ABC", max_size=6))
def test_edit_distance_is_a_metric(a, b, c):
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, b) == edit_distance(b, a)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
    assert edit_distance(a, b) >= abs(len(a) - len(b))


@pytest.mark.parametrize(
    ("cuts", "found", "right"),
    [
        ([1.1, 2.1], 2, 2),
        ([1.1], 1, 1),
        ([1.1, 1.12, 2.1], 3, 2),  # a bound is found once
        ([0.5, 3.0], 2, 0),
        ([1.0 - SLACK, 2.2 + SLACK], 2, 2),
        ([], 0, 0),
    ],
)
def test_a_cut_is_right_between_two_letters(cuts, found, right):
    written = still("ABC", [[0.1, 1.0], [1.2, 2.0], [2.2, 3.5]])
    hits = boundary_hits(written, np.array(cuts))
    assert hits == {"bounds": 2, "bounds_found": found, "bounds_right": right}


def test_segments_are_letters_only_where_both_ends_are_right():
    written = still("AB", [[0.1, 1.0], [1.2, 3.9]])
    times = np.array([0.0, 0.5, 1.1, 1.18, 2.0, 199 / 50])
    segments = np.array([[0, 2], [0, 3], [0, 1], [2, 5], [3, 5], [1, 4], [0, 5], [2, 4]])
    letter, near = whose(written, times, segments)
    assert letter.tolist() == [0, 0, -1, 1, 1, -1, -1, -1]
    assert near.tolist() == [True, True, True, True, True, False, True, True]


# Results


def test_given_bounds_are_found_and_every_way_reads_the_same_words(finished):
    import pandas as pd

    table = pd.read_parquet(finished / "words.parquet")
    oracle = table[table["method"] == "oracle"]
    closed = oracle[oracle["lexicon"] == "nouns"]
    assert (closed["bounds_right"] == closed["bounds"]).all()
    counts = table.groupby(["lexicon", "method"])["word"].agg(lambda w: tuple(sorted(w)))
    assert len(set(counts)) == 1
    assert set(table["method"]) == {"oracle", "joint", "joint, n-gram", "pauses"}
    assert table["confidence"].between(0, 1).all()


def test_the_ledger_takes_words_letters_and_bounds_with_interval_and_chance(finished):
    rows = results_of(finished)
    words = [r for r in rows if r.metric == "words right" and r.method == "joint"]
    closed = next(r for r in words if "300 nouns" in r.task)
    assert closed.n == 4 and closed.chance == pytest.approx(1 / 300, abs=1e-4)
    assert 0 <= closed.ci_low <= closed.value <= closed.ci_high <= 1
    assert {r.metric for r in rows} == {"words right", "letters right", "boundary F1"}
    assert "words without given boundaries" in render(rows)["results/segments.md"]


def test_a_damaged_or_missing_file_is_an_error_of_one_line(finished, tmp_path):
    for name in ("metrics.json", "environment.json"):
        text = (finished / name).read_text()
        (tmp_path / name).write_text(text)
    (tmp_path / "environment.json").unlink()
    with pytest.raises(InputError, match=r"has no environment\.json"):
        results_of(tmp_path)
    (tmp_path / "environment.json").write_text("{}")
    (tmp_path / "metrics.json").write_text("{broken")
    with pytest.raises(InputError, match=r"metrics\.json: is no JSON"):
        results_of(tmp_path)


# Recorded words


def files(folder: Path, people: tuple[str, ...] = ("w1", "w2", "w3")) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    letters = [
        write_letter(Writer.draw(i, 1, name), c, "2d", rng, rate=100.0)[0]
        for i, name in enumerate(people)
        for c in "abc"
    ]
    words = [
        write_word(Writer.draw(9, 1), word, "2d", rng, i, 100.0)[0].replace(
            id=f"{word}{i}", subject="", session=f"s{i}"
        )
        for i in range(2)
        for word in ("cab" if i else "bac", "ab")
    ]
    save(letters, folder / "letters.parquet")
    save(words, folder / "words.parquet")
    return folder / "letters.parquet", folder / "words.parquet"


def pen(folder: Path, *changes: str):
    letters, words = folder / "letters.parquet", folder / "words.parquet"
    (folder / "list.txt").write_text("cab\nbac\nab\nabba\n")
    lexica = f"lexica=[{{name: list, lexicon: {folder}/list.txt+written}}]"
    return load_as(
        SegmentRecipe,
        "words-unsegmented",
        [
            *("preset=pen", f"letters={letters}", f"words={words}", "labels=a-c", "learn=true"),
            *(lexica, "lengths=2,3", "train_words=4", "tune_words=2", "tune=w2", "epochs=1"),
            *("open_vocabulary=false", f"out={folder}/runs", "frame.flat_heading=device", *changes),
        ],
    )


def test_recorded_words_are_decoded_and_the_reader_learns_from_the_other_session(tmp_path):
    files(tmp_path)
    folder = run(pen(tmp_path), progress=False)
    rows = results_of(folder)
    assert {r.metric for r in rows} == {"words right", "letters right"}  # no bound is known
    assert {r.method for r in rows} == {
        "joint",
        "joint, fitted to other words",
        "joint, learnt from other words",
        "cut at pauses",
    }
    assert all(r.n in (4, 9, 10) for r in rows)


def test_people_to_tune_on_do_not_teach_and_writers_of_words_are_not_among_the_letters(tmp_path):
    files(tmp_path)
    lexicon = Lexicon({"cab": 1, "ab": 1}, tuple("abc"))
    found = recorded(pen(tmp_path), tuple("abc"), lexicon)
    assert {one.person for one in found.tune} == {"w2"}
    assert {one.person for one in found.teach} == {"w1", "w3"}
    with pytest.raises(InputError, match="tune: w9 wrote no letters"):
        recorded(pen(tmp_path, "tune=w9"), tuple("abc"), lexicon)
    rec, _ = write_word(Writer.draw(0, 1, "w1"), "ab", "2d", np.random.default_rng(0))
    save([rec], tmp_path / "words.parquet")
    with pytest.raises(InputError, match="w1 wrote letters and words"):
        recorded(pen(tmp_path), tuple("abc"), lexicon)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("words=words.parquet",), "'letters' is empty"),
        (("letters=letters.parquet",), "file of real words"),
        (("lexica=[{name: a}, {name: a}]",), "has a name twice"),
        (("step=0",), "step"),
        (("words=nowhere.parquet", "letters=nowhere.parquet"), "no such file"),
        (("lexica=[{name: a, lexicon: written}]",), "drawn from a lexicon"),
    ],
)
def test_mistakes_are_told_in_one_line_by_the_command(changes, message, tmp_path):
    found = CliRunner().invoke(
        app, ["words", "segment", "words-unsegmented", *TINY, f"out={tmp_path}", *changes]
    )
    assert found.exit_code != 0
    assert message in (str(found.exception) if found.exception else found.output)


@pytest.mark.slow
def test_a_reader_tells_letters_of_held_out_people_from_wrong_cuts(tmp_path):
    """Slow: trains for about half a minute."""
    material = simulated(
        recipe(tmp_path, "train_people=6", "train_words=20", "people=3"),
        LETTERS,
        load_lexicon("nouns"),
        progress=False,
    )
    reader = SegmentReader(LETTERS, epochs=4).fit(material.teach)
    letters, wrong = [], []
    for one in material.test:
        lattice = reader.lattice(one.track)
        i, j = np.nonzero(np.isfinite(lattice.scores[0]))
        letter, _ = whose(one, lattice.times, np.stack([i, j], axis=1))
        scores = np.logaddexp.reduce(lattice.scores[:, i, j], axis=0)
        letters += (scores[letter >= 0] > 0).tolist()
        wrong += (scores[letter < 0] > 0).tolist()
    assert np.mean(letters) > 0.6 and np.mean(wrong) < 0.3
