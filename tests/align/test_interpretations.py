"""Texts that stand apart are written anew; sets are told apart by how far, and relative to what."""

from __future__ import annotations

import numpy as np
import pytest

from imuscribe.align.divergence import divergence
from imuscribe.align.interpretations import Writer, regenerate
from imuscribe.models.text import WordEncoder
from imuscribe.prompts.captions.interpret import RuleInterpreter
from imuscribe.prompts.teacher.chat import Reply, Unanswered
from imuscribe.prompts.teacher.interpret import InterpretConfig, LanguageInterpreter
from tests.signals.test_statistics import gait


def windows(n, label="walking"):
    return [gait(size=2.0 + 0.1 * k).replace(id=f"{label}{k}", label=label) for k in range(n)]


def test_a_text_apart_is_asked_again_and_taken_only_if_it_is_nearer():
    texts = ["steady even steps"] * 5 + ["a flat line without any waves", "something else entirely"]
    answers = {"walking5": "steady even steps", "walking6": "nothing of the kind whatever it be"}
    asked = []

    def again(rec, text, number):
        asked.append(rec.id)
        return answers[rec.id]

    found, log = regenerate(windows(7), texts, WordEncoder(), again, rounds=5)
    assert found[:6] == ["steady even steps"] * 6 and found[6] in texts
    assert set(asked) <= set(answers) and {one.id for one in log if one.taken} <= {"walking5"}
    for one in log:
        assert one.taken == (one.after is not None and one.after < one.before)
    assert max(one.round for one in log) < 5  # nothing changes any more


def test_a_model_that_fails_when_asked_again_loses_nothing():
    def again(rec, text, number):
        raise Unanswered("no answer from the server")

    texts = ["one two three", "one two three", "one two three", "four five six"]
    found, log = regenerate(windows(4), texts, WordEncoder(), again, rounds=2)
    assert found == texts and not any(one.taken for one in log)
    assert all("no answer" in one.why for one in log)


def test_kinds_are_not_mixed_and_one_text_has_none_beside_it():
    both = [*windows(1, "still"), *windows(3)]
    found, log = regenerate(
        both, ["x y", "a b", "a b", "c d"], WordEncoder(), lambda *_: "a b", rounds=1
    )
    assert found == ["x y", "a b", "a b", "a b"] and {one.kind for one in log} == {"walking"}


class Scribe:
    """A chat model that writes as the rules do of the windows it knows, nonsense of others."""

    name = identity = "scribe"

    def __init__(self, known):
        self.known, self.asked = [RuleInterpreter().interpret(rec).text for rec in known], 0

    def answer(self, request):
        self.asked += 1
        for text in self.known:
            if text.split("rms ")[1].split(" ")[0] in request.user.split("body rms: ")[1][:6]:
                return Reply(text)
        return Reply("qwertz")


def test_a_window_that_a_model_cannot_describe_is_described_by_rules_and_counted():
    recordings = windows(3)
    model = Scribe(recordings[:2])
    writer = Writer(RuleInterpreter(), LanguageInterpreter(model, InterpretConfig(rounds=0)))
    texts = writer(recordings)
    assert texts == [RuleInterpreter().interpret(rec).text for rec in recordings]
    assert "2 of 3 true" in writer.note() and "wrong about the window (1)" in writer.note()
    assert Writer(RuleInterpreter()).note() == ""


def test_asked_again_a_model_sees_its_text_and_a_wrong_one_is_refused():
    [rec] = windows(1)
    model = Scribe([rec])
    who = LanguageInterpreter(model)
    good = who.interpret(rec).text
    assert who.again(rec, good, 0).text == good
    with pytest.raises(Unanswered, match="wrong about the window"):
        LanguageInterpreter(Scribe([])).again(rec, good, 0)


def test_sets_that_differ_less_than_classes_have_a_relative_divergence_below_one():
    rng = np.random.default_rng(0)
    sets, classes = (np.repeat(["a", "b"], 100), np.tile(np.repeat(["x", "y"], 50), 2))
    rows = rng.normal(size=(200, 12))
    apart = rows + 6.0 * (classes == "x")[:, None]
    near, same = divergence(apart, sets, classes), divergence(rows, sets, classes)
    assert near["relative"] < 0.2 and same["relative"] == pytest.approx(1, abs=0.5)
    shifted = divergence(apart + 6.0 * np.outer(sets == "a", np.arange(12) % 2), sets, classes)
    assert shifted["relative"] > near["relative"] and shifted["sets"] > near["sets"] >= 0
    assert divergence(rows[:8], sets[:8], classes[:8]) == {}
