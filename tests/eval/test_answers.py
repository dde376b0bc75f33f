"""Answers to questions: judged by their facts, compared with blind ones."""

import numpy as np
import pytest

from imuscribe.eval.methods.answers import Answered, Blind, gain, judge_answers, text_overlap
from imuscribe.prompts.captions.questions import Fact, Number, Question, questions
from imuscribe.prompts.captions.trends import TrendConfig
from imuscribe.signals.cleaning import clean

SHORT = TrendConfig(least=0.6, most=1.5)


def mean(value, channel="acc_z"):
    """Return a question about one number."""
    fact = Fact("mean", (Number(value, "m/s²", 0.3),))
    said = f"mean {value:.1f} m/s²"
    return Question("statistics", channel, 0.1, 0.9, f"The mean of {channel}?", said, (fact,))


def trend(word):
    return Question("trend", "acc_x", 0.1, 0.9, "The trend?", word, (Fact(word),))


@pytest.fixture(scope="module")
def asked(letters):
    found = [clean(rec) for rec in letters()]
    rng = np.random.default_rng(0)
    return [(q, rec.subject) for rec in found for q in questions(rec, rng, SHORT)]


def test_the_truth_is_all_right(asked):
    found = judge_answers([Answered(q, q.answer, who) for q, who in asked])
    for name in ("right", "people", "facts"):
        assert found[name]["value"] == 1
    assert found["false"]["value"] == found["silent"]["value"] == 0
    assert found["rouge1"]["value"] == found["rougeL"]["value"] == pytest.approx(1)
    assert sum(kind["n"] for kind in found["kinds"].values()) == found["n"] == len(asked)


def test_saying_nothing_is_silent_and_not_right(asked):
    found = judge_answers([Answered(q, "", who) for q, who in asked])
    assert found["right"]["value"] == found["facts"]["value"] == found["false"]["value"] == 0
    assert found["silent"]["value"] == 1
    assert found["rouge1"]["value"] == found["meteor"]["value"] == 0


def test_shares_are_counted_by_kind():
    answers = [
        Answered(trend("rises"), "rises", "a"),
        Answered(trend("rises"), "falls", "a"),
        Answered(trend("falls"), "It is falling.", "b"),
        Answered(mean(9.8), "mean 9.9 m/s²", "b"),
    ]
    found = judge_answers(answers)
    assert found["right"]["value"] == found["facts"]["value"] == 0.75
    assert found["kinds"]["trend"]["value"] == pytest.approx(2 / 3)
    assert found["kinds"]["statistics"] == {"value": 1.0, "low": pytest.approx(0.2065, abs=1e-3),
                                            "high": 1.0, "n": 1}  # fmt: skip
    assert found["people"]["value"] == 0.75 and found["people"]["n"] == 2
    assert found["false"]["value"] == 0.25


def test_overlap_rewards_the_form_where_the_facts_are_wrong():
    right, wrong = "rises 3, falls 2, steady 0", "rises 2, falls 3, steady 0"
    assert text_overlap(wrong, right)["rouge1"] == 1
    assert text_overlap(wrong, right)["rougeL"] < 1
    assert text_overlap("no idea", right)["meteor"] == 0
    assert 0.9 < text_overlap(right, right)["meteor"] <= 1


def test_the_majority_is_the_commonest_answer_to_a_kind():
    blind = Blind([trend("rises"), trend("falls"), trend("rises"), mean(1.0)], "majority")
    assert blind(trend("steady")) == "rises"
    assert blind(mean(5.0)) == "mean 1.0 m/s²"
    assert Blind([trend("rises")])(mean(5.0)) == ""


def test_a_blind_answer_knows_the_channel_and_the_tolerance():
    train = [mean(value, "acc_z") for value in (9.5, 9.7, 9.9, 12.0, 12.0)]
    train += [mean(value, "acc_x") for value in (0.0, 0.1, 3.0)]
    blind = Blind(train)
    assert blind(mean(9.8, "acc_z")) == "mean 9.7 m/s²"  # right three times, 12.0 only twice
    assert blind(mean(0.1, "acc_x")) in ("mean 0.0 m/s²", "mean 0.1 m/s²")
    assert blind(mean(0.1, "acc_y"))  # a channel never seen: the kind's answer


def test_reading_the_signal_beats_answering_blindly(asked):
    train = [q for q, who in asked if who == asked[0][1]]
    test = [(q, who) for q, who in asked if who != asked[0][1]]
    blind = Blind(train)
    ours = [Answered(q, q.answer, who) for q, who in test]
    theirs = [Answered(q, blind(q), who) for q, who in test]
    assert 0 < judge_answers(theirs)["right"]["value"] < 0.6
    assert gain(ours, theirs)["value"] > 0.4
    assert gain(ours, ours)["value"] == 0


def test_bad_input():
    with pytest.raises(ValueError, match="at least one"):
        judge_answers([])
    with pytest.raises(ValueError, match="different questions"):
        gain([Answered(trend("rises"), "")], [Answered(trend("falls"), "")])
