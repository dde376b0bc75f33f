"""Predictors: examples come from training people, and one model answers in every way."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from imuscribe.eval.methods.language import Predictors
from imuscribe.eval.predictions import Predictions, load, save
from imuscribe.eval.splits import make_folds
from imuscribe.finetune.reading import most_likely
from imuscribe.models.config import SensorConfig
from imuscribe.prompts.ask.shots import draw_shots
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError


@pytest.fixture(scope="module")
def recipe(tiny_model_dir):
    return Recipe.parse(
        {
            "name": "tiny",
            "labels": "A-C",
            "model": {"base": str(tiny_model_dir), "dtype": "fp32"},
            "lora": {"r": 2},
            "train": {"epochs": 1, "batch_size": 4, "max_length": 1024},
            "evaluate": {
                "methods": ["zero-shot"],
                "shots": 4,
                "batch_size": 4,
                "generate_limit": 2,
                "max_new_tokens": 4,
            },
        }
    )


@pytest.fixture(scope="module")
def fold(letters, recipe):
    cleaned = [clean(rec) for rec in letters(2, 2, "A-C")]
    return make_folds(cleaned, recipe.split, recipe.label_set)[0]


def test_shots_are_by_training_people_and_cover_the_labels_first(fold):
    shown = draw_shots(fold.train, 4, 0, fold.name)
    assert {rec.subject for rec in shown}.isdisjoint(rec.subject for rec in fold.test)
    assert sorted(Counter(rec.label for rec in shown).values()) == [1, 1, 2]
    assert [r.id for r in shown] == [r.id for r in draw_shots(fold.train, 4, 0, fold.name)]
    others = {tuple(r.id for r in draw_shots(fold.train, 4, s, fold.name)) for s in range(5)}
    assert len(others) > 1
    assert draw_shots(fold.train, 0, 0, fold.name) == []


def test_zero_and_few_shot(recipe, fold, tmp_path):
    predictors = Predictors(recipe, progress=False)
    zero = predictors.predict("zero-shot", fold, tmp_path)
    few = predictors.predict("few-shot", fold, tmp_path)
    for found in (zero, few):
        assert found.ids == tuple(rec.id for rec in fold.test)
        assert found.truth == tuple(rec.label for rec in fold.test)
        np.testing.assert_allclose(np.exp(found.log_probs).sum(axis=1), 1, atol=1e-5)
        assert found.fit_seconds == 0
    assert (few.tokens > 4 * zero.tokens).all()  # four examples and the question
    assert zero.note == ""
    for rec in draw_shots(fold.train, 4, recipe.seed, fold.name):
        assert f"{rec.id} ({rec.label}, {rec.subject})" in few.note


def test_generation_answers_a_drawn_part_and_names_no_probabilities(recipe, fold, tmp_path):
    found = Predictors(recipe, progress=False).predict("generate", fold, tmp_path)
    assert len(found.ids) == 2 and set(found.ids) <= {rec.id for rec in fold.test}
    assert "2 recordings drawn for generation, seed 0" in found.note
    # A random model writes nonsense: each row is a ranking from 0 down, or nothing at all.
    for row in found.log_probs:
        ranks = sorted(-row[np.isfinite(row)])
        assert ranks == list(range(len(ranks)))


def test_fine_tuned_is_trained_once_and_differs_from_the_base(recipe, fold, tmp_path):
    predictors = Predictors(recipe, progress=False)
    zero = predictors.predict("zero-shot", fold, tmp_path)
    tuned = predictors.predict("fine-tuned", fold, tmp_path)
    assert not np.allclose(zero.log_probs, tuned.log_probs)
    written = (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    few = predictors.predict("fine-tuned-few-shot", fold, tmp_path)
    assert (few.tokens > tuned.tokens).all()
    again = Predictors(recipe, progress=False).predict("fine-tuned", fold, tmp_path)
    np.testing.assert_allclose(again.log_probs, tuned.log_probs, atol=1e-5)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == written

    ranked = most_likely(fold.test[:2], tmp_path / "adapter", n=2)
    for names, row in zip(ranked, tuned.log_probs, strict=False):
        assert [label for label, _ in names] == [recipe.label_set[i] for i in np.argsort(-row)[:2]]
        assert names[0][1] == pytest.approx(np.exp(row.max()), abs=1e-4)


def test_a_persons_own_letters_are_found_again_by_what_the_encoder_makes_of_them(
    recipe, letters, tmp_path
):
    sensor = {"tokens": 2, "steps": 32, "width": 16, "hidden": [], "warm_up": 4}
    recipe = recipe.model_copy(update={"sensor": SensorConfig.parse(sensor)})
    cleaned = [clean(rec) for rec in letters(2, 4, "A-C")]
    fold = make_folds(cleaned, recipe.split, recipe.label_set)[0]
    predictors = Predictors(recipe, progress=False)
    head = predictors.predict("encoder", fold, tmp_path)
    own = predictors.predict("encoder-own", fold, tmp_path)
    # Those that were shown are not tested; a simulated person writes a letter nearly always alike.
    assert set(own.ids) < set(head.ids) and len(own.ids) == len(head.ids) - 3
    assert np.mean(own.correct) >= 0.85 and not own.tokens.any()
    np.testing.assert_allclose(np.exp(own.log_probs).sum(axis=1), 1)
    assert "shown 3 recordings" in own.note


def test_a_prompt_over_its_budget_is_an_error(recipe, fold, tmp_path):
    tight = recipe.model_copy(
        update={"prompt": recipe.prompt.model_copy(update={"max_tokens": 40})}
    )
    with pytest.raises(InputError, match="max_tokens"):
        Predictors(tight, progress=False).predict("zero-shot", fold, tmp_path)


def test_showing_all_that_a_person_wrote_leaves_nothing_to_test(recipe, fold, tmp_path):
    one = {rec.label: rec for rec in fold.test}
    few = replace(fold, test=list(one.values()))
    with pytest.raises(InputError, match=r"leaves none to test: raise split.max_test_per_label"):
        Predictors(recipe, progress=False).predict("dtw-1nn-own", few, tmp_path)


def test_a_folder_without_an_adapter_is_an_error(fold, tmp_path):
    with pytest.raises(InputError, match="trained adapter"):
        most_likely(fold.test[:1], tmp_path)


def test_predictions_survive_the_file_only_under_their_key(fold, tmp_path):
    scores = np.log(np.array([[0.7, 0.3], [0.4, 0.6]]))
    scores[1] = -np.inf
    kept = Predictions(
        labels=("A", "sitting down"),
        ids=("x", "y"),
        subjects=("p", "q"),
        cases=("2d", "3d"),
        truth=("A", "A"),
        log_probs=scores,
        tokens=np.array([7, 9]),
        seconds=0.5,
        fit_seconds=2.0,
        note="why",
    )
    path = tmp_path / "f" / "m.parquet"
    save(kept, path, "f", "m", "key")
    asked = [fold.test[0].replace(id=i, case=c) for i, c in (("x", "2d"), ("y", "3d"))]
    back = load(path, "key", asked)
    np.testing.assert_array_equal(back.log_probs, scores)
    assert (back.labels, back.ids, back.truth) == (kept.labels, kept.ids, kept.truth)
    assert back.cases == kept.cases
    assert (back.fit_seconds, back.seconds, back.note) == (2.0, 0.5, "why")
    assert list(kept.frame("f", "m")["top1"]) == ["A", ""]
    assert load(path, "another key", asked) is None
    assert load(path, "key", asked[:1]) is None  # another draw of test recordings
    assert load(tmp_path / "absent.parquet", "key", asked) is None


def test_predictions_of_a_version_without_cases_are_found_again(fold, tmp_path):
    import pyarrow.parquet as pq

    ids = tuple(rec.id for rec in fold.test)
    kept = Predictions(
        labels=("A", "B", "C"),
        ids=ids,
        subjects=tuple(rec.subject for rec in fold.test),
        cases=("",) * len(ids),
        truth=tuple(rec.label for rec in fold.test),
        log_probs=np.zeros((len(ids), 3)),
        tokens=np.zeros(len(ids), dtype=np.int64),
        seconds=0.5,
    )
    path = tmp_path / "m.parquet"
    save(kept, path, "f", "m", "key")
    pq.write_table(pq.read_table(path).drop_columns("case"), path)
    assert load(path, "key", fold.test).cases == ("3d",) * len(ids)
