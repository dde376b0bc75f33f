"""Metrics against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imuscribe.eval.metrics import (
    bootstrap_people,
    calibration_error,
    evaluate,
    means_over_groups,
    person_tables,
    wilson,
)


def log(rows):
    return np.log(np.array(rows, dtype=float))


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (1, 260, 0.0007, 0.0215),  # the study's "129 times": one right answer
        (128, 260, 0.4321, 0.5527),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
    ],
)
def test_wilson_by_hand(k, n, low, high):
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_estimate_inside_the_unit_interval(counts):
    k, n = counts
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert wilson(n - k, n) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("k", "n"), [(0, 0), (2, 1), (-1, 5)])
def test_wilson_refuses_impossible_counts(k, n):
    with pytest.raises(ValueError, match="successes out of"):
        wilson(k, n)


def test_everything_on_four_recordings():
    # Truth A A B C; answers A B B B; the second A has its truth in second place.
    scores = log([[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3]])
    m = evaluate("ABC", "AABC", scores, ["p", "p", "p", "q"])
    assert m["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert m["accuracy"]["value"] == 0.5 and m["accuracy"]["n"] == m["n"] == 4
    assert (m["accuracy"]["low"], m["accuracy"]["high"]) == wilson(2, 4)
    assert m["chance"] == pytest.approx(1 / 3)
    # F1: A 2/3, B 2·1/(1+3) = 1/2, C 0.
    assert m["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert m["top5"]["value"] == 1.0
    assert {k: v["value"] for k, v in m["per_class"].items()} == {"A": 0.5, "B": 1.0, "C": 0.0}
    assert (
        m["per_person"]["p"]["value"] == pytest.approx(2 / 3) and m["per_person"]["q"]["value"] == 0
    )
    assert m["people"]["value"] == pytest.approx(1 / 3) and m["people"]["n"] == 2
    assert m["log_loss"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 0.3]).mean())
    assert m["unparsable"] == 0


def test_top5_counts_the_fifth_place_and_not_the_sixth():
    scores = log([[0.30, 0.20, 0.15, 0.13, 0.12, 0.10]] * 2)
    assert evaluate("ABCDEF", "EF", scores, "pp")["top5"]["value"] == 0.5


def test_unparsable_answers_are_wrong_even_for_the_first_label():
    scores = np.full((2, 3), -np.inf)
    scores[0, 0] = 0.0
    m = evaluate("ABC", "AA", scores, "pp")
    assert m["accuracy"]["value"] == m["top5"]["value"] == 0.5
    assert m["unparsable"] == 0.5
    assert m["log_loss"] is None and m["calibration_error"] is None
    assert m["macro_f1"] == pytest.approx(2 / 3)


def test_an_unnamed_label_is_not_in_the_top_five():
    scores = np.array([[0.0, -np.inf, -np.inf]])
    assert evaluate("ABC", "C", scores, "p")["top5"]["value"] == 0


def test_a_label_absent_from_the_test_set_is_in_no_average():
    m = evaluate("ABC", "AB", log([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]), "pp")
    assert m["macro_f1"] == 1 and set(m["per_class"]) == {"A", "B"}


@pytest.mark.parametrize(
    "scores", [np.zeros((2, 3)), np.zeros((1, 2)), np.array([[np.nan, 0.0, 0.0]])]
)
def test_misshapen_scores_are_refused(scores):
    with pytest.raises(ValueError, match="log_probs"):
        evaluate("ABC", "A", scores, "p")


def test_people_weigh_the_same_however_much_they_wrote():
    values = [1.0] * 98 + [0.0, 0.0]
    subjects = ["a"] * 98 + ["b", "c"]
    found = bootstrap_people(values, subjects)
    assert found["value"] == pytest.approx(1 / 3) and found["n"] == 3
    # All three drawn alike has probability 1/27 each for "only a" and 8/27 for "never a".
    assert (found["low"], found["high"]) == (0.0, 1.0)


def test_bootstrap_is_seeded_and_as_wide_as_the_theory_says():
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    subjects = [f"p{i}" for i in range(400)]
    found = bootstrap_people(values, subjects, seed=3, resamples=4000)
    assert found == bootstrap_people(values, subjects, seed=3, resamples=4000)
    half = 1.96 * values.std() / np.sqrt(400)
    assert (found["high"] - found["low"]) / 2 == pytest.approx(half, rel=0.06)


def test_pairing_removes_what_people_have_in_common():
    """Hard and easy people, one method always 10 points better: the difference is certain."""
    rng = np.random.default_rng(1)
    subjects = np.repeat([f"p{i}" for i in range(8)], 10)
    ease = np.repeat(rng.uniform(0.2, 0.8, 8), 10)
    difference = bootstrap_people((ease + 0.1) - ease, subjects)
    assert (difference["value"], difference["low"], difference["high"]) == pytest.approx(
        (0.1, 0.1, 0.1)
    )
    alone = bootstrap_people(ease, subjects)
    assert alone["high"] - alone["low"] > 0.1


def test_one_person_says_nothing_about_people():
    found = bootstrap_people([1, 0], ["a", "a"])
    assert (found["value"], found["low"], found["high"], found["n"]) == (0.5, None, None, 1)
    assert bootstrap_people([1, 0], ["a", "b"], resamples=0)["low"] is None


def test_calibration_error_by_hand():
    # Two bins: confident .9 but right half the time (gap .4), and .55 always right (gap .45).
    confidence = np.array([0.9, 0.9, 0.55, 0.55])
    correct = np.array([True, False, True, True])
    assert calibration_error(confidence, correct) == pytest.approx(0.5 * 0.4 + 0.5 * 0.45)
    assert calibration_error(np.ones(3), np.ones(3, dtype=bool)) == 0


def test_figures_turn_into_json():
    import json

    m = evaluate("AB", "AB", log([[0.9, 0.1], [0.2, 0.8]]), "pq")
    assert json.loads(json.dumps(m))["accuracy"]["value"] == 1.0


def test_means_over_groups_count_each_group_alike_and_pair_what_is_compared():
    labels, people = ("a", "b"), ["p", "p", "q", "q"]
    right = person_tables(labels, ["a", "b", "a", "b"], ["a", "b", "a", "b"], people)
    half = person_tables(labels, ["a", "b"], ["a", ""], ["p", "q"])
    assert half["q"].tolist() == [[0, 0, 0], [0, 0, 1]]
    means = means_over_groups([right, half], seed=1, resamples=50)
    assert means["accuracy"]["value"] == pytest.approx(0.75) and means["accuracy"]["n"] == 6
    assert means["f1"]["value"] == pytest.approx((1.0 + 0.5) / 2)
    assert 0.5 <= means["accuracy"]["low"] <= 0.75 <= means["accuracy"]["high"] <= 1
    same = means_over_groups([right, half], [right, half], seed=1, resamples=50)
    assert same["f1"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 6}
    assert means_over_groups([right], resamples=0)["f1"]["low"] is None
