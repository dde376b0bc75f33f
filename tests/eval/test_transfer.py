"""Activities across data sets: nobody tested is learnt from, no label of a target is read early."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imuscribe.align.activities import one_name_a_person
from imuscribe.eval.run import plan, report, run, work
from imuscribe.prompts.captions.interpret import without_figures
from imuscribe.recipes.load import load_experiment
from imuscribe.recipes.transfer import SetConfig, TransferRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, GYRO, Recording
from imuscribe.signals.simulate import SimulateConfig, simulate

SPELT = {"walking": "walking", "upstairs": "upstairs", "still": "sitting"}
STEPS = {"walking": (2.0, 4.0), "upstairs": (1.4, 2.0), "still": (0.0, 0.0)}


def worn(name, people, rate=50.0, turn=None, spelt=SPELT, gyro=True, seconds=13.0, seed=0):
    """Return a recording of each activity by each person: steps along gravity, and a swing."""
    rng = np.random.default_rng(seed)
    turn = np.eye(3) if turn is None else turn
    t = np.arange(int(seconds * rate)) / rate
    found = []
    for person in people:
        for label, word in spelt.items():
            hz, size = STEPS[label]
            acc = np.zeros((3, len(t)))
            acc[2] = 9.81 + size * np.sin(2 * np.pi * hz * t + rng.uniform(0, 6))
            swing = 0.3 * size * np.sin(np.pi * hz * t)[None] * np.array([[1.0], [0.5], [0.1]])
            noise = rng.normal(0, 0.1, (6, len(t)))
            data = np.concatenate([turn @ acc + noise[:3], turn @ swing + noise[3:]])
            data, channels = (data, ACC + GYRO) if gyro else (data[:3], ACC)
            found.append(
                Recording(
                    f"{name}-{person}-{label}",
                    data.astype(np.float32),
                    channels,
                    t,
                    label=word,
                    subject=person,
                    placement="waist",
                )
            )
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of three sets: `a` and `b` share two people, `c` hangs upside down."""
    place = tmp_path_factory.mktemp("sets")
    save(worn("a", ["p1", "p2", "p3"]), place / "a.parquet")
    save(worn("b", ["p2", "p3", "p4"], 25.0, seed=1), place / "b.parquet")
    over = np.diag([1.0, -1.0, -1.0])
    spelt = {"walking": "Walk", "upstairs": "climbing_stairs", "still": "Standing"}
    save(worn("c", ["q1", "q2"], 40.0, over, spelt, seed=2), place / "c.parquet")
    return place


def recipe(folder, tmp_path, **changes):
    values = {
        "name": "t",
        "sets": {name: f"{name}.parquet" for name in "abc"},
        "data_folder": str(folder),
        "classes": ["walking", "upstairs", "still"],
        "evaluate": {"methods": ["extra-trees"], "bootstrap": 20},
        "out": str(tmp_path),
    }
    return TransferRecipe.parse(values | changes)


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    return run(recipe(folder, tmp_path_factory.mktemp("runs")), "imuscribe run t", False)


def test_every_pair_of_sets_is_judged_and_the_pairs_are_averaged(finished):
    found = json.loads((finished / "metrics.json").read_text())
    names = [one["name"] for one in found["directions"]]
    assert sorted(names) == sorted(f"{a} to {b}" for a in "abc" for b in "abc" if a != b)
    each = [found["methods"][name]["extra-trees"] for name in names]
    assert found["means"]["extra-trees"]["accuracy"]["value"] == pytest.approx(
        np.mean([one["accuracy"]["value"] for one in each])
    )
    assert found["means"]["extra-trees"]["f1"]["value"] == pytest.approx(
        np.mean([one["f1"]["value"] for one in each])
    )
    assert found["means"]["extra-trees"]["f1"]["value"] > 0.8  # they step at other rates
    for one in each:
        assert one["f1"]["low"] is not None and one["n"] in (36, 54)
    assert {row["metric"] for row in found["results"]} == {"accuracy", "macro F1"}
    page = (finished / "report.md").read_text()
    assert "a and b share 2 people by name" in page and "a to c" in page
    assert report(finished).summary[0].rows


def test_a_finished_run_asks_nothing_again(finished, folder):
    kept = sorted((finished / "folds").rglob("*.parquet"))
    before = [path.stat().st_mtime_ns for path in kept]
    run(recipe(folder, finished.parent), "imuscribe run t", False)
    assert before == [path.stat().st_mtime_ns for path in kept]


def test_predictions_hold_every_window_of_a_target_once(finished):
    table = pd.read_parquet(finished / "predictions.parquet")
    assert set(table["label"]) == {"walking", "upstairs", "still"}
    table["direction"] = table["fold"].str.partition(",")[0]
    assert not table.duplicated(["direction", "id"]).any()
    assert (table.groupby("direction")["id"].count() == 54).sum() == 4


class Peeked(Exception):
    """Somebody has read what must not be read yet."""


def test_no_label_of_a_target_is_read_before_it_is_answered_for(folder, tmp_path):
    def planted():
        raise Peeked

    task, _, store = plan(recipe(folder, tmp_path, targets=["c"]), False)
    task.directions = [
        replace(one, target=replace(one.target, truth=planted)) for one in task.directions
    ]
    assert {rec.label for one in task.directions for fold in one.folds for rec in fold.test} == {""}
    answers = work(task.units(), store, False)  # answered without a look
    assert len(answers) == 2
    with pytest.raises(Peeked):
        task.judge(answers)


@pytest.mark.parametrize("protocol", ["pairs", "leave-one-set-out"])
def test_nobody_and_no_window_of_the_tested_is_learnt_from(folder, tmp_path, protocol):
    task, _, _ = plan(recipe(folder, tmp_path, protocol=protocol), False)
    for one in task.directions:
        for fold in one.folds:
            assert not {r.subject for r in fold.train} & {r.subject for r in fold.test}
            assert not {r.content for r in fold.train} & {r.content for r in fold.test}
            assert {r.id.partition(":")[0] for r in fold.train} <= set(one.sources)
            assert {r.id.partition(":")[0] for r in fold.test} == {one.target.name}
        tested = [rec.id for fold in one.folds for rec in fold.test]
        assert sorted(tested) == sorted(rec.id for rec in one.target.windows)
    halves = {one.name: len(one.folds) for one in task.directions}
    if protocol == "pairs":
        assert halves["a to b"] == halves["b to a"] == 2 and halves["a to c"] == 1
        kept, _, _ = plan(recipe(folder, tmp_path, shared_people="keep"), False)
        [first] = next(one for one in kept.directions if one.name == "a to b").folds
        assert "2 people are in source and target" in first.note
    else:
        assert set(halves) == {"others to a", "others to b", "others to c"}


def test_one_person_under_two_names_is_found_by_equal_recordings():
    first = worn("a", ["p1", "p2"])
    again = [rec.replace(id=f"x{i}", subject="somebody") for i, rec in enumerate(first[:3])]
    sets, said = one_name_a_person({"a": first, "b": [*again, *worn("b", ["p9"], seed=5)]})
    assert {rec.subject for rec in sets["b"]} == {"p1", "p9"}
    assert "share 1 person, 1 of them by equal recordings" in said[0]


def test_a_set_of_ones_own_is_tested_with_data_alone(folder, tmp_path):
    spelt = {"walking": "level-walking", "still": "STANDING"}  # neither stairs nor a gyroscope
    save(worn("m", ["z1", "z2"], 20.0, None, spelt, gyro=False, seed=7), tmp_path / "mine.parquet")
    where = run(recipe(folder, tmp_path, data=str(tmp_path / "mine.parquet")), "", False)
    found = json.loads((where / "metrics.json").read_text())
    assert [one["name"] for one in found["directions"]] == ["a to mine", "b to mine", "c to mine"]
    assert all(one["labels"] == ["walking", "still"] for one in found["directions"])
    assert found["means"]["extra-trees"]["accuracy"]["value"] > 0.9


def test_other_placements_and_rates_in_one_file_run_with_data_alone(folder, tmp_path):
    side = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    mixed = [
        rec.replace(placement=site, id=f"{site}-{rec.id}")
        for site, rate, turn in (
            ("wrist", 100.0, side),
            ("left sock", 31.25, -side),
            ("", 20.0, None),
        )
        for rec in worn("m", [f"z-{site or 'x'}"], rate, turn, seed=7)
    ]
    save(mixed, tmp_path / "mine.parquet")
    evaluate = {
        "methods": ["relative-trees", "text-zero-shot"],
        "encoder": "words",
        "site": True,
        "bootstrap": 20,
    }
    changes = {"data": str(tmp_path / "mine.parquet"), "evaluate": evaluate}
    where = run(recipe(folder, tmp_path, protocol="leave-one-set-out", **changes), "", False)
    found = json.loads((where / "metrics.json").read_text())
    assert [one["name"] for one in found["directions"]] == ["others to mine"]
    assert found["means"]["relative-trees"]["accuracy"]["value"] > 0.9
    assert found["means"]["relative-trees"]["balanced"]["value"] > 0.9
    assert found["means"]["text-zero-shot"]["balanced"]["value"] > 1 / 3
    page = (where / "report.md").read_text()
    assert "left sock, not said, wrist" in page and "Chance is a balanced accuracy of 0.333" in page


def test_words_alone_answer_without_a_window_learnt_and_their_order_means_nothing(folder, tmp_path):
    found = {}
    for order in (["walking", "upstairs", "still"], ["still", "walking", "upstairs"]):
        evaluate = {
            "methods": ["text-zero-shot", "text-linear"],
            "encoder": "words",
            "bootstrap": 0,
        }
        changes = {"classes": order, "evaluate": evaluate, "targets": ["c"], "name": order[0]}
        where = run(recipe(folder, tmp_path, **changes), "", False)
        found[order[0]] = json.loads((where / "metrics.json").read_text())["means"]
        table = pd.read_parquet(where / "predictions.parquet")
        rest = table[(table["label"] == "still") & (table["method"] == "text-zero-shot")]
        assert (rest["top1"] == "still").all()
    for method in ("text-zero-shot", "text-linear"):
        first, second = (found[name][method]["f1"]["value"] for name in ("walking", "still"))
        assert first == pytest.approx(second)
    assert found["walking"]["text-linear"]["f1"]["value"] > 0.7


LANHAR = {
    "methods": ["extra-trees", "lanhar", "lanhar-names", "lanhar-transductive"],
    "encoder": "words",
    "bootstrap": 20,
    "lanhar": {"epochs": 4, "text_epochs": 1},
    "pools": {"lanhar+trees": ["lanhar", "extra-trees"]},
}


@pytest.fixture(scope="module")
def aligned(folder, tmp_path_factory):
    """Return a run where standing still is never taught."""
    changes = {"evaluate": LANHAR, "classes": ["walking", "upstairs"], "unseen": ["still"]}
    made = recipe(folder, tmp_path_factory.mktemp("runs"), **changes, targets=["c"])
    return run(made, "imuscribe run t", False)


def test_a_class_nobody_teaches_is_asked_for_among_all(aligned):
    found = json.loads((aligned / "metrics.json").read_text())
    assert [one["labels"] for one in found["directions"]] == [["walking", "upstairs", "still"]] * 2
    assert found["new"]["extra-trees"]["unseen"]["value"] == 0.0
    new = found["new"]["lanhar"]
    assert new["unseen"]["value"] > 0.8 and new["harmonic"]["value"] > 0.3
    assert found["means"]["lanhar+trees"]["accuracy"]["n"] == 72
    assert all("still" not in fold["note"] for one in found["directions"] for fold in one["folds"])


def test_what_has_seen_the_target_stands_in_a_table_of_its_own(aligned):
    parts = (aligned / "report.md").read_text().split("\n#")
    for part in parts:
        rows = [line for line in part.splitlines() if line.startswith("|")]
        table = "\n".join(rows)
        assert not ("lanhar-transductive" in table and "lanhar-names" in table)
    assert any("transductive" in part and "lanhar-transductive" in part for part in parts)
    found = json.loads((aligned / "metrics.json").read_text())
    assert {one["a"] for one in found["comparisons"]} != {"lanhar-transductive"}
    notes = {row["method"]: row["note"] for row in found["results"]}
    assert "transductive" in notes["lanhar-transductive"] and "trans" not in notes["lanhar"]


def test_no_target_window_reaches_what_is_learnt_from_the_source_alone(folder, tmp_path):
    """The same source teaches the same, whatever is asked about afterwards."""
    weights = []
    for target, gone in (("b", "c"), ("c", "b")):
        sets = {name: f"{name}.parquet" for name in "abc" if name != gone}
        evaluate = LANHAR | {"methods": ["lanhar"], "pools": {}}
        changes = {"sets": sets, "targets": [target], "name": target, "evaluate": evaluate}
        task, units, store = plan(recipe(folder, tmp_path, **changes, shared_people="keep"), False)
        task.directions = [
            replace(one, target=replace(one.target, truth=lambda: 1 / 0)) for one in task.directions
        ]
        work(units, store, False)
        weights += [path.read_bytes() for path in task.folder.rglob("*.safetensors")]
    assert len(weights) == 2 and weights[0][-4000:] == weights[1][-4000:]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"unseen": ["walking"]}, "which is among 'classes'"),
        ({"unseen": ["runing"]}, "did you mean 'running'"),
        ({"evaluate": {"pools": {"p": ["lanhar", "lanhar-transductive"]}}}, "pool either"),
        ({"evaluate": {"pools": {"p": ["lanhar", "tree"]}}}, "names tree"),
        (
            {"evaluate": {"methods": ["lanhar"], "texts": {"walking": [""]}}},
            "label 'walking': has an empty text",
        ),
        (
            {"evaluate": {"methods": ["lanhar"], "texts": {"walking": ["not upstairs"]}}},
            "names 'upstairs', another label",
        ),
    ],
)
def test_a_mistake_about_meaning_is_one_line_before_any_work(folder, tmp_path, changes, says):
    with pytest.raises(InputError, match=says):
        plan(recipe(folder, tmp_path, **changes), False)


def test_figures_can_be_left_out_of_an_interpretation():
    rest = without_figures("Impact: soft (-2.70 m/s² at the median, 0.62 of it [ACC]); hard.")
    assert rest == "Impact: soft; hard."


def test_labels_are_known_by_any_spelling_or_as_a_set_says():
    classes = ("walking", "upstairs", "still")
    one = SetConfig(data="x.parquet")
    spelt = ["WALKING", "Walking_Upstairs", "going-upstairs", "sitting", "falling"]
    said = [one.class_of(label, classes) for label in spelt]
    assert said == ["walking", "upstairs", "upstairs", "still", ""]
    own = SetConfig.parse({"data": "x.parquet", "labels": {"walking": ["D01", "D02"]}})
    assert own.class_of("D01", classes) == "walking" and own.class_of("walking", classes) == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sets": {"a": "a.parquet"}}, "'sets' holds 1"),
        ({"sets": {"a": "a.parquet", "b": None}}, "'sets' holds 1"),
        ({"windows": {"seconds": 0.5, "stride": 0.5}}, "less than a second"),
        ({"classes": ["walking", "upstair"]}, "did you mean 'upstairs'"),
        ({"targets": ["d"]}, "'targets' names d: valid: a, b, c"),
        ({"sets": {"a": {"data": "a.parquet", "session": ["1"]}}}, "did you mean 'sessions'"),
        ({"data": "c.parquet"}, "a second set 'c'"),
        ({"sets": {"a": "a.parquet", "b": "none.parquet"}}, "no file '"),
        ({"sets": {"a": "a.parquet", "b": "a.parquet"}}, "are the same file"),
        ({"classes": ["running", "jumping"]}, "none of its labels is one of running, jumping"),
        (
            {
                "sets": {
                    "a": "a.parquet",
                    "b": {"data": "b.parquet", "labels": {"still": ["sitting"]}},
                }
            },
            "have still in common",
        ),
        (
            {"sets": {"a": "a.parquet", "b": {"data": "b.parquet", "sessions": ["9"]}}},
            "session '9'",
        ),
    ],
)
def test_a_mistake_is_one_line(folder, tmp_path, changes, says):
    with pytest.raises(InputError) as caught:
        plan(recipe(folder, tmp_path, **changes), False)
    lines = str(caught.value).split("\n")
    assert any(says in line for line in lines) and all(len(line) < 300 for line in lines)
    assert not list(Path(tmp_path).rglob("metrics.json"))


def test_the_packaged_recipes_differ_in_who_teaches_whom_alone():
    pairs, out = (load_experiment(name) for name in ("lanhar-transfer", "activities-lodo"))
    assert isinstance(pairs, TransferRecipe) and isinstance(out, TransferRecipe)
    same = {"name": "x", "protocol": "pairs"}
    assert pairs.model_copy(update=same) == out.model_copy(update=same)
    assert pairs.tested == ("hapt", "pdiot_respeck", "pdiot_thingy", "mobifall")


def test_letters_are_read_across_sets_that_write_them_small_or_large(tmp_path):
    for name, seed in (("one", 0), ("two", 1)):
        config = SimulateConfig(people=2, labels="A-D", cases=("3d",), repetitions=3, seed=seed)
        written = simulate(config)
        if name == "two":  # called by small letters, and by other people
            written = [
                rec.replace(label=rec.label.lower(), subject=f"q-{rec.subject}") for rec in written
            ]
        save(written, tmp_path / f"{name}.parquet")
    values = {
        "name": "letters",
        "protocol": "leave-one-set-out",
        "sets": {"one": "one.parquet", "two": "two.parquet"},
        "data_folder": str(tmp_path),
        "classes": "A-D",
        "frame": {"heading": "session"},
        "clean": {"rate": 50, "trim": True},
        "windows": {"seconds": 10, "stride": 10, "last": "drop", "short": "keep"},
        "evaluate": {"methods": ["dtw-1nn"], "signals": "movement", "bootstrap": 20},
        "out": str(tmp_path / "runs"),
    }
    recipe = TransferRecipe.parse(values)
    assert recipe.classes == ("A", "B", "C", "D")
    found = json.loads((run(recipe, "t", False) / "metrics.json").read_text())
    assert [
        one["n"]
        for one in (
            found["methods"][f"others to {name}"]["dtw-1nn"]["f1"] for name in ("one", "two")
        )
    ] == [24, 24]
    assert found["means"]["dtw-1nn"]["accuracy"]["value"] > 0.5


def test_settings_for_letters_leave_what_names_a_result_as_it_was(folder, tmp_path):
    assert "frame" not in recipe(folder, tmp_path).model_dump(mode="json")
