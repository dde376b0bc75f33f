"""Retrieval: near recordings are found, and nobody is told what their own recordings show."""

from dataclasses import replace

import numpy as np
import pytest

from imuscribe.eval.methods.language import Predictors
from imuscribe.eval.splits import make_folds
from imuscribe.finetune.rows import training_rows
from imuscribe.prompts.ask.retrieval import RetrieveConfig, Retriever
from imuscribe.prompts.ask.shots import draw_own, draw_own_shots
from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.ask.tokens import load_tokenizer
from imuscribe.prompts.serialize import build_serializer
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.augment import augment

CONFIG = RetrieveConfig(others=3, own=1)


@pytest.fixture(scope="module")
def pool(letters):
    return [clean(rec) for rec in letters(3, 2, "A-C")]


def by_somebody_else(rec, name="guest"):
    return augment(rec, np.random.default_rng(0)).replace(id=f"{rec.id}-varied", subject=name)


def test_a_varied_copy_finds_the_label_of_what_it_was_made_from(pool):
    queries = [by_somebody_else(rec) for rec in pool]
    nearest = [line.split()[1] for line in Retriever(pool, CONFIG).lines(queries)]
    assert np.mean([a == rec.label for a, rec in zip(nearest, pool, strict=True)]) > 0.9


def test_a_persons_own_recordings_are_never_named_as_somebody_elses(pool):
    """The nearest of all is a copy by the same person under a telling label."""
    query = pool[0]
    planted = query.replace(id="planted", label="LEAK")
    lines = Retriever([*pool, planted], CONFIG).lines([query])
    assert "LEAK" not in lines[0]
    assert lines == Retriever(pool, CONFIG).lines([query])


def test_own_recordings_are_named_only_when_given_and_never_the_query_itself(pool):
    query = pool[0]
    own = [rec.id for rec in pool if rec.subject == query.subject]
    retriever = Retriever(pool, RetrieveConfig(others=1, own=9))
    assert retriever.lines([query], [own])[0].count("own ") == len(own) - 1
    assert "own" not in retriever.lines([query], [[]])[0]
    strangers = [rec.id for rec in pool if rec.subject != query.subject]
    assert "own" not in retriever.lines([query], [strangers])[0]


def test_all_are_named_in_one_order_of_nearness(pool):
    """A person's own copy comes before everybody else, whoever else is named."""
    query = by_somebody_else(pool[0], pool[0].subject)
    own = [rec.id for rec in pool if rec.subject == query.subject]
    line = Retriever(pool, RetrieveConfig(others=3, own=9)).lines([query], [own])[0]
    assert line.startswith(f"alike own {query.label}")
    without_own = Retriever(pool, RetrieveConfig(others=3)).lines([query])[0].split()[1:]
    words = line.split()[1:]
    assert [w for i, w in enumerate(words) if w != "own" and words[i - 1] != "own"] == without_own


def test_neither_order_nor_company_changes_what_is_found(pool):
    queries = [by_somebody_else(rec) for rec in pool[:5]]
    together = Retriever(pool, CONFIG).lines(queries)
    assert together == Retriever(pool[::-1], CONFIG).lines(queries)
    assert together == [Retriever(pool, CONFIG).lines([query])[0] for query in queries]


def test_one_recording_of_each_label_is_drawn_without_the_query(pool):
    mine = [rec for rec in pool if rec.subject == pool[0].subject]
    for seed in range(5):
        drawn = draw_own(mine, np.random.default_rng(seed), without=mine[0].id)
        labels = sorted(rec.label for rec in mine if rec.id in drawn)
        assert labels == ["A", "B", "C"]
        assert mine[0].id not in drawn


@pytest.fixture(scope="module")
def recipe(tiny_model_dir):
    return Recipe.parse(
        {
            "name": "told",
            "labels": "A-C",
            "model": {"base": str(tiny_model_dir), "dtype": "fp32"},
            "lora": {"r": 2},
            "prompt": {"retrieve": {"others": 2, "own": 1}},
            "train": {"epochs": 4, "batch_size": 4},
            "evaluate": {
                "methods": ["fine-tuned-retrieval", "fine-tuned-own"],
                "test_copies": 1,
                "calibrate": 1,
            },
        }
    )


def test_training_sees_all_three_situations(pool, recipe):
    builder = PromptBuilder(load_tokenizer(recipe.model.base), recipe.label_set, recipe.prompt)
    rows = training_rows(pool, recipe, builder, build_serializer(recipe.text))
    own = np.mean([" own " in row["prompt"] for row in rows])
    plain = np.mean(["alike" not in row["prompt"] for row in rows])
    assert own == pytest.approx(0.3, abs=0.15)
    assert plain == pytest.approx(0.3, abs=0.15)


def test_shown_recordings_of_the_test_person_are_not_tested(pool, recipe, tmp_path):
    fold = make_folds(pool, recipe.split, recipe.label_set)[0]
    predictors = Predictors(recipe, progress=False)
    told = predictors.predict("fine-tuned-retrieval", fold, tmp_path)
    own = predictors.predict("fine-tuned-own", fold, tmp_path)
    shown = {rec.id for rec in draw_own_shots(fold.test, recipe.seed, fold.name)}
    assert told.ids == tuple(rec.id for rec in fold.test)
    assert set(own.ids) == set(told.ids) - shown
    assert f"shown {len(shown)} recordings of {fold.test[0].subject}" in own.note
    assert "calibrated on 3 recordings of training people" in own.note
    assert predictors.predict("dtw-1nn-own", fold, tmp_path).ids == own.ids
    np.testing.assert_allclose(np.exp(own.log_probs).sum(axis=1), 1, atol=1e-5)


def test_a_planted_leak_into_the_pool_is_refused(pool, recipe, tmp_path):
    fold = make_folds(pool, recipe.split, recipe.label_set)[0]
    leaking = replace(fold, train=[*fold.train, fold.test[0]])
    predictors = Predictors(recipe, progress=False)
    with pytest.raises(InputError, match="both the training and the test set"):
        predictors.predict("fine-tuned-retrieval", leaking, tmp_path)


def test_a_method_that_was_never_taught_the_line_is_refused():
    with pytest.raises(InputError, match=r"prompt.retrieve"):
        Recipe.parse({"name": "x", "evaluate": {"methods": ["fine-tuned-retrieval"]}})
