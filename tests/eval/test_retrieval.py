"""Signals and captions through the one runner: nobody tested has taught, each figure is there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from imuscribe.eval.methods.retrieval import few, gallery, ranked
from imuscribe.eval.metrics import macro_auroc
from imuscribe.eval.run import plan, run
from imuscribe.recipes.load import load_experiment
from imuscribe.recipes.retrieval import RetrievalRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from tests.eval.test_transfer import worn

TINY = {
    "text": "words",
    "width": 16,
    "layers": 1,
    "text_layers": 1,
    "size": 16,
    "epochs": 1,
    "batch_size": 16,
    "people": 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sets")
    save(worn("a", ["p1", "p2", "p3", "p4"]), place / "a.parquet")
    save(worn("b", ["p4", "q1", "q2"], 25.0, seed=1), place / "b.parquet")
    return place


def recipe(folder, out, **changes):
    values = {
        "name": "t",
        "sets": {"a": "a.parquet", "b": "b.parquet"},
        "data_folder": str(folder),
        "groups": 2,
        "windows": {"seconds": 2, "stride": 4},
        "align": TINY,
        "evaluate": {"losses": ["coca"], "shots": [2], "bootstrap": 20, "written": 2},
        "out": str(out),
    }
    return RetrievalRecipe.parse(values | changes)


def test_a_run_has_every_figure_and_is_not_done_twice(folder, tmp_path, monkeypatch):
    made = recipe(folder, tmp_path, folds=["group-1"])
    values = json.loads((run(made, progress=False) / "metrics.json").read_text())
    (fold,) = values["folds"]
    assert not set(fold["train_people"]) & set(fold["test_people"])
    methods = values["labels"]["a"]
    assert {"coca zero-shot", "coca probe 2", "extra-trees 2", "extra-trees all"} == set(methods)
    assert methods["extra-trees all"]["auroc"]["value"] > 0.9
    found = values["found"]["coca"]
    assert set(found["ranks"]) == {
        f"{how}, {way}"
        for how in ("numbers", "words")
        for way in ("text to window", "window to text")
    }
    assert values["written"]["coca"]["n"] == 2
    metrics = {row["metric"] for row in values["results"]}
    assert {"macro AUROC", "macro F1", "R@1", "R@5", "R@10", "median rank"} <= metrics
    monkeypatch.setattr("imuscribe.eval.methods.retrieval.train", lambda *a: pytest.fail("again"))
    run(made, progress=False)


def test_a_set_that_is_left_out_teaches_nothing_nor_do_its_people(folder, tmp_path):
    made = recipe(
        *(folder, tmp_path),
        protocol="leave-one-set-out",
        classes=["walking", "upstairs", "still"],
        targets=["b"],
    )
    task, _, _ = plan(made, progress=False)
    (fold,) = task.folds
    assert {rec.subject for rec in fold.train} == {"p1", "p2", "p3"}  # p4 is in both
    assert all(rec.id.startswith("b:") and not rec.label for rec in fold.test)


def test_the_four_losses_stand_side_by_side_by_one_command():
    made = load_experiment("sensorlm", ["preset=losses"])
    assert list(made.variants) == ["clip", "siglip", "cap", "coca"]
    shares = load_experiment("sensorlm", ["preset=scaling"]).variants
    assert [share for _, share in shares.values()] == [0.1, 0.3, 1.0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": ["walking"]}, "names walking alone: two are needed"),
        ({"folds": ["group-9"]}, "'folds' names group-9"),
        ({"protocol": "leave-one-set-out", "folds": ["group-1"]}, "is for protocol people"),
    ],
)
def test_mistakes_of_a_recipe(folder, tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        recipe(folder, tmp_path, **changes)


def test_fewer_people_than_groups_is_an_error(folder, tmp_path):
    with pytest.raises(InputError, match="there are 6 people: set groups=6"):
        plan(recipe(folder, tmp_path, groups=9), progress=False)


def test_ranks_are_from_one_and_ties_count_half():
    alike = np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.5], [0.3, 0.2, 0.1]])
    assert ranked(alike) == [1.0, 2.0, 3.0]


def test_a_gallery_has_one_window_of_a_recording(folder, tmp_path):
    task, _, _ = plan(recipe(folder, tmp_path), progress=False)
    drawn = gallery(task.folds[0].test, 500, 0)
    names = [rec.id.rpartition("@")[0] for rec in drawn]
    assert len(names) == len(set(names)) > 3
    shown = few(task.folds[0].train, ["walking", "sitting"], 2, 0)
    assert sorted(rec.label for rec in shown) == ["sitting"] * 2 + ["walking"] * 2
    assert len({rec.subject for rec in shown if rec.label == "walking"}) == 2


def test_auroc_equals_scikit_learns_and_people_are_what_is_drawn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    truth = rng.choice(["a", "b", "c"], 60)
    scores = np.round(rng.normal(size=(60, 3)) + (truth[:, None] == np.array(["a", "b", "c"])), 1)
    each = [roc_auc_score(truth == label, scores[:, i]) for i, label in enumerate("abc")]
    found = macro_auroc("abc", truth, scores, [f"p{i % 5}" for i in range(60)], resamples=200)
    assert found["value"] == pytest.approx(np.mean(each))
    assert found["low"] < found["value"] < found["high"]
    assert macro_auroc("abc", truth, scores, ["p"] * 60)["low"] is None
