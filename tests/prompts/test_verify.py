"""The checker of answers: true ones pass, one wrong number does not."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imuscribe.prompts.captions.questions import KINDS, Fact, Number, Question, questions
from imuscribe.prompts.captions.verify import check_answer, is_right
from imuscribe.signals.recording import ACC, GYRO, LIN_ACC, Recording


@st.composite
def recordings(draw):
    """Draw a movement: swings, drifts and noise of very different size on any gravity."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rate, n = draw(st.sampled_from([20, 25, 50, 100])), draw(st.integers(60, 300))
    channels = draw(st.sampled_from([ACC, (*ACC, *GYRO), (*ACC, *LIN_ACC, *GYRO)]))
    t = np.arange(n) / rate
    size = 10 ** rng.uniform(-2, 1.5, (len(channels), 3, 1))
    swing = np.sin(2 * np.pi * rng.uniform(0.1, 6, (len(channels), 1)) * t)
    drift = np.linspace(-1, 1, n) * rng.choice([-1, 1], (len(channels), 1))
    noise = rng.normal(size=(len(channels), n))
    data = size[:, 0] * swing + size[:, 1] * drift + 0.1 * size[:, 2] * noise
    up = rng.normal(size=(3, 1))
    data[:3] += 9.81 * up / np.linalg.norm(up)
    return Recording("r", data.astype(np.float32), channels, t)


@given(recordings(), st.integers(0, 2**32 - 1))
def test_every_answer_is_right(rec, seed):
    for question in questions(rec, np.random.default_rng(seed)):
        found = check_answer(question, question.answer)
        assert found == (len(question.facts), 0), question


@given(recordings(), st.integers(0, 2**32 - 1), st.data())
def test_an_answer_with_one_number_changed_is_not(rec, seed, data):
    for question in questions(rec, np.random.default_rng(seed)):
        numbers = list(re.finditer(r"(?<![\w.])-?\d+(?:\.\d+)?", question.answer))
        widest = max((n.tolerance for fact in question.facts for n in fact.numbers), default=0)
        if not numbers:
            continue
        match = data.draw(st.sampled_from(numbers))
        value = float(match[0].removeprefix("-")) + 2 * widest + 1
        # A range's dash is no sign; "-z" is no number.
        changed = f"{value:g}" if "." not in match[0] else f"{value:.1f}"
        text = question.answer[: match.start()] + changed + question.answer[match.end() :]
        if match[0].startswith("-") and question.kind == "runs":
            text = question.answer[: match.start() + 1] + changed + question.answer[match.end() :]
        assert not is_right(question, text), (question, text)


@given(recordings(), st.integers(0, 2**32 - 1))
def test_another_word_is_not_right(rec, seed):
    other = {"rises": "falls", "falls": "steady", "steady": "rises"}
    for question in questions(rec, np.random.default_rng(seed), kinds=["trend", "overall"]):
        word = question.facts[0].what
        assert not is_right(question, question.answer.replace(word, other[word]))


def question(kind, *facts):
    made = [Fact(what, tuple(Number(*number) for number in numbers)) for what, *numbers in facts]
    return Question(kind, "acc_z", 0.1, 2.1, "?", "", tuple(made))


TREND = question("trend", ("rises",))
OVERALL = question("overall", ("falls", (9.9, "m/s²", 0.5), (9.1, "m/s²", 0.5)))
COUNTS = question(
    "counts", *((w, (n, "", 0)) for w, n in (("rises", 3), ("falls", 2), ("steady", 0)))
)
RUNS = question("runs", ("rises", (0.1, "s", 0.098), (0.5, "s", 0.098)),
                ("steady", (0.5, "s", 0.098), (1.1, "s", 0.098)))  # fmt: skip
RANGE = question("range", ("least", (-1.2, "m/s²", 0.3), (0.5, "s", 0.098)),
                 ("greatest", (3.4, "m/s²", 0.3), (1.1, "s", 0.098)))  # fmt: skip
RHYTHM = question("frequency", ("frequency", (2.1, "Hz", 0.25)))
NONE = question("frequency", ("no rhythm",))
GRAVITY = question("gravity", ("-y", (12.0, "°", 5.0)))
STRONGEST = question("strongest", ("gyro_z", (1.4, "rad/s", 0.1)))


@pytest.mark.parametrize(
    ("asked", "text", "expected"),
    [
        (TREND, "It is rising.", (1, 0)),
        (TREND, "Between 0.1 and 2.1 s acc_z falls.", (0, 1)),
        (TREND, "rises, falls, steady", (1, 2)),  # hedging is no answer
        (TREND, "", (0, 0)),
        (TREND, "I cannot tell.", (0, 0)),
        (OVERALL, "It decreases from 9.7 to 9.2 m/s^2.", (1, 0)),
        (OVERALL, "It decreases from 0.99 g to 0.93 g.", (1, 0)),
        (OVERALL, "It decreases from 9.1 to 9.9 m/s².", (0, 1)),
        (OVERALL, "It decreases from 9.9 to 9.1 rad/s.", (0, 1)),  # another quantity
        (OVERALL, "It decreases.", (0, 0)),  # half an answer is neither
        (COUNTS, "3 rises, 2 falls, 0 steady", (3, 0)),
        (COUNTS, "There are three rising and two falling stretches, zero steady.", (3, 0)),
        (COUNTS, "rises 2, falls 3, steady 0", (1, 2)),
        (COUNTS, "rises 3, falls 2", (2, 0)),
        (RUNS, "0.1-0.5 s: rises\n0.5-1.1 s: constant", (2, 0)),
        (RUNS, "from 100 ms to 500 ms rising; 0.5 s to 1.1 s stable", (2, 0)),
        (RUNS, "steady 0.5-1.1 s", (1, 0)),
        (RUNS, "rises 0.1-0.5 s, falls 0.5-1.1 s", (1, 1)),
        (RUNS, "rises 0.1-0.5 s, rises 0.1-0.5 s, steady 0.5-1.1 s", (2, 0)),
        (RANGE, "Its minimum is −1.1 m/s² at 0.5 s and its maximum 3.3 m/s² at 1.1 s.", (2, 0)),
        (RANGE, "least 3.4 m/s² at 1.1 s, greatest -1.2 m/s² at 0.5 s", (0, 2)),
        (RHYTHM, "2.1 Hz", (1, 0)),
        (RHYTHM, "The dominant frequency is 2.0 Hz.", (1, 0)),
        (RHYTHM, "frequency 3.1 Hz", (0, 1)),
        (RHYTHM, "no rhythm", (0, 0)),
        (NONE, "There is no clear rhythm.", (1, 0)),
        (NONE, "frequency 2.1 Hz", (0, 1)),
        (GRAVITY, "The -y axis, 10 degrees", (1, 0)),
        (GRAVITY, "y points down, tilted by 14°", (1, 0)),
        (GRAVITY, "+y up, tilt 12°", (0, 1)),
        (STRONGEST, "gyro_z with a deviation of 1.35 rad/s", (1, 0)),
        (STRONGEST, "gyro_x, deviation 1.4 rad/s", (0, 1)),
    ],
)
def test_free_answers_are_read(asked, text, expected):
    assert check_answer(asked, text) == expected


def test_every_kind_is_read():
    rng = np.random.default_rng(0)
    t = np.arange(200) / 50
    rows = [3 * k * np.sin(2 * np.pi * 2 * t) for k in range(3)]
    rows[0] += 9.81
    rec = Recording("r", np.array(rows, dtype=np.float32), ACC, t)
    assert {question.kind for question in questions(rec, rng)} == set(KINDS)
