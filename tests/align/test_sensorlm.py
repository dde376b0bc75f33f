"""Training, searching, zero-shot and embedding with tiny models; every mistake is one line."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from imuscribe.align.search import Model, index, zero_shot
from imuscribe.align.sensorlm import by_people, lose, train
from imuscribe.align.space import Shape, load
from imuscribe.cli import app
from imuscribe.models.config import AlignConfig
from imuscribe.prompts.captions.hierarchy import CaptionConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, GYRO, Recording

SHAPE = Shape(2.0, 20.0)
TINY = AlignConfig(
    loss="clip",
    text="words",
    width=16,
    layers=1,
    text_layers=1,
    size=16,
    epochs=3,
    lr=5e-3,
    batch_size=16,
    people=4,
    hard=0,
)
TELLING = CaptionConfig(levels=("semantic",))


def moved(name: str, person: str, label: str, seconds: float = 2.0, seed: int = 0) -> Recording:
    """Return somebody who lies on one side, or shakes strongly."""
    rng, n = np.random.default_rng(seed), round(20 * seconds)
    data = rng.normal(0, 0.05, (6, n))
    data[0 if label == "lying" else 2] += 9.8
    if label == "shaking":
        data += 6 * np.sin(np.arange(n) * 1.5) * np.array([[1], [1], [1], [0.5], [0.5], [0.5]])
    return Recording(name, data, (*ACC, *GYRO), np.arange(n) / 20, label=label, subject=person)


def people(n: int, each: int = 4, seed: int = 0) -> list[Recording]:
    return [
        moved(f"{label}-{p}-{i}", f"p{p}", label, seed=seed + 100 * p + i)
        for p in range(n)
        for i in range(each)
        for label in ("lying", "shaking")
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of a trained model and recordings of others."""
    place = tmp_path_factory.mktemp("sensorlm")
    config = TINY.model_copy(update={"epochs": 25})
    train(people(6), SHAPE, config, TELLING, 0, place / "model", progress=False)
    longer = [
        moved(f"n{i}", "q", label, 6.0, i) for i, label in enumerate(("lying", "shaking") * 3)
    ]
    save(longer, place / "new.parquet")
    return place


def run(folder, *words, fails=False, said=False):
    env = {"IMUSCRIBE_CACHE": str(folder / "cache")}
    done = CliRunner().invoke(app, [str(word) for word in words], env=env)
    if fails:
        assert isinstance(done.exception, InputError), done.exception
        assert "\n" not in str(done.exception)
        return str(done.exception)
    assert done.exception is None, done.exception
    return done.stderr if said else done.stdout


def test_a_label_nobody_of_the_file_has_taught_is_recognised_by_its_words(folder):
    model = Model(folder / "model")
    made = index(folder / "new.parquet", model, cache=folder / "kept")
    assert len(made.rows) == 18 and np.allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-5)
    found = zero_shot(made, model, ["lying", "shaking"])
    assert np.allclose(np.exp(found).sum(axis=1), 1)
    truth = [["lying", "shaking"].index(row["label"]) for row in made.rows]
    assert (found.argmax(axis=1) == truth).mean() > 0.9


def test_what_is_embedded_is_kept_and_asks_the_model_for_nothing(folder, monkeypatch):
    model = Model(folder / "model")
    first = index(folder / "new.parquet", model, cache=folder / "kept")
    monkeypatch.setattr("imuscribe.align.search.embed", lambda *args: pytest.fail("embedded again"))
    again = index(folder / "new.parquet", model, cache=folder / "kept")
    assert np.array_equal(first.vectors, again.vectors) and first.rows == again.rows


def test_search_prints_one_window_of_a_recording_the_nearest_first(folder):
    out = run(folder, "search", "shaking", folder / "new.parquet", "--model", folder / "model")
    lines = [line.split("\t") for line in out.splitlines() if "\t" in line]
    assert len(lines) == len({line[1] for line in lines}) == 6
    assert [line[3] for line in lines[:3]] == ["shaking"] * 3
    scores = [float(line[0]) for line in lines]
    assert scores == sorted(scores, reverse=True)


def test_what_embed_writes_can_be_searched_and_learnt_from(folder):
    out, model = folder / "x.parquet", folder / "model"
    run(folder, "embed", folder / "new.parquet", "--model", model, "--out", out)
    frame = pd.read_parquet(out)
    from sklearn.linear_model import LogisticRegression

    x = np.stack(frame.embedding)
    known = LogisticRegression().fit(x[::2], frame.label[::2])
    assert known.score(x[1::2], frame.label[1::2]) > 0.9
    direct = run(folder, "search", "lying", folder / "new.parquet", "--model", model)
    assert run(folder, "search", "lying", out, "--model", model) == direct


def test_a_recording_finds_its_captions_among_given_texts(folder):
    (folder / "texts.txt").write_text("The activity is lying.\nThe activity is shaking.\n")
    given = ["--like", "n1", folder / "new.parquet", "--model", folder / "model"]
    out = run(folder, "search", *given, "--texts", folder / "texts.txt")
    assert "shaking" in out.splitlines()[0]
    assert "\t" in run(folder, "search", *given, "--top", 1)


def test_zero_shot_says_how_often_the_file_agrees(folder):
    given = [folder / "new.parquet", "lying", "shaking", "--model", folder / "model"]
    out = run(folder, "zero-shot", *given, "--out", folder / "answers.jsonl")
    assert "as the file has it: " in out
    rows = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert len(rows) == 18 and set(rows[0]["probabilities"]) == {"lying", "shaking"}


def test_another_language_is_said_and_not_refused(folder):
    given = [folder / "new.parquet", "--model", folder / "model"]
    assert "it has learnt English" in run(folder, "search", "schnelles Kreisen", *given, said=True)


def test_mistakes_are_one_line_each(folder):
    data, model = folder / "new.parquet", ["--model", folder / "model"]
    assert "is empty: say what" in run(folder, "search", "  ", data, *model, fails=True)
    assert "no text before" in run(folder, "search", data, *model, fails=True)
    assert "give two or more" in run(folder, "zero-shot", data, "lying", *model, fails=True)
    assert "is given twice" in run(folder, "zero-shot", data, "a", "a", *model, fails=True)
    assert "no such file" in run(
        folder, "search", "lying", folder / "no.parquet", *model, fails=True
    )
    assert "make one with" in run(folder, "search", "x", data, "--model", folder, fails=True)
    like = run(folder, "search", "--like", "n11", data, *model, fails=True)
    assert "is not in the data: did you mean" in like
    (folder / "bare.txt").write_text("\n\n")
    given = ["--like", "n1", data, *model, "--texts", folder / "bare.txt"]
    assert "holds no text" in run(folder, "search", *given, fails=True)


def test_another_models_index_is_refused(folder, tmp_path):
    train(people(2), SHAPE, TINY, TELLING, 1, tmp_path / "other", progress=False)
    out = tmp_path / "x.parquet"
    run(folder, "embed", folder / "new.parquet", "--model", folder / "model", "--out", out)
    said = run(folder, "search", "lying", out, "--model", tmp_path / "other", fails=True)
    assert "was embedded by another model" in said


# Training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["siglip", "coca"])
def test_an_interrupted_training_comes_to_the_same_weights(tmp_path, monkeypatch, loss):
    from imuscribe.models import fit

    config = TINY.model_copy(update={"loss": loss, "epochs": 2, "hard": 0.5})
    telling = CaptionConfig()
    given = (people(2, 2), SHAPE, config, telling, 0)
    train(*given, tmp_path / "whole", progress=False)
    saved = fit._save

    def killed(*args):
        saved(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        train(*given, tmp_path / "cut", progress=False)
    monkeypatch.setattr(fit, "_save", saved)
    train(*given, tmp_path / "cut", progress=False)
    whole, cut = (load(tmp_path / name)[0].state_dict() for name in ("whole", "cut"))
    assert all(cut[name].equal(value) for name, value in whole.items())
    assert not (tmp_path / "cut.checkpoint").exists()


def test_one_window_cannot_be_told_from_another(tmp_path):
    with pytest.raises(InputError, match="1 window: two or more are needed"):
        train(people(1)[:1], SHAPE, TINY, TELLING, 0, tmp_path / "m", progress=False)


def test_batches_hold_as_many_windows_of_each_of_some_people():
    subjects = ["a"] * 40 + ["b"] * 10 + ["c"] * 10 + ["d"] * 3
    for seed in range(3):
        dealt = by_people(subjects, 6, 3, np.random.default_rng(seed))
        for rows in dealt:
            names, counts = np.unique([subjects[i] for i in rows], return_counts=True)
            assert len(names) == 3 and set(counts) == {2}
        flat = np.concatenate(dealt)
        assert len(flat) == len(set(flat))
    counts = {len(by_people(subjects, 6, 3, np.random.default_rng(seed))) for seed in range(9)}
    assert len(counts) == 1


def test_what_is_lost_is_a_sensor_or_a_stretch_and_never_all():
    seen = np.ones((50, 2, 32), dtype=bool)
    seen[:25, 1] = False
    lost = lose(seen, 1.0, np.random.default_rng(0))
    assert lost.any(axis=(1, 2)).all() and (lost <= seen).all() and not np.array_equal(lost, seen)
    assert np.array_equal(lose(seen, 0.0, np.random.default_rng(0)), seen)
