"""Windows in words: seven categories, numbers that are true, no activity named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.prompts.captions.figures import check_figures
from imuscribe.prompts.captions.interpret import (
    CATEGORIES,
    RuleInterpreter,
    described,
    label_texts,
    names_of_activities,
    parts_of,
)
from imuscribe.prompts.checking.leaks import leaks
from imuscribe.prompts.tables import tables
from imuscribe.prompts.teacher.chat import Reply, Unanswered
from imuscribe.prompts.teacher.interpret import LanguageInterpreter, interpret_all
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.statistics import Statistic, statistics
from imuscribe.signals.readers.parquet import save
from tests.chat_server import Answer, ChatServer
from tests.signals.test_statistics import gait, turned


def rest():
    rec = gait()
    return rec.replace(data=np.tile([[0.0], [0], [9.81], [0], [0], [0]], rec.n_samples))


WINDOWS = {
    "gait": gait(),
    "run": gait(size=14.0, hz=2.8),
    "slow": gait(hz=1.0, size=0.8),
    "rest": rest(),
    "no gyroscope": gait(gyro=False),
    "25 Hz": gait(25.0),
    "upside down": turned(gait(), np.diag([1.0, -1.0, -1.0])),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_rules_fill_every_category_with_true_numbers_and_name_no_activity(name):
    said = RuleInterpreter().interpret(WINDOWS[name])
    assert tuple(said.parts) == CATEGORIES
    assert "{" not in said.text
    found = check_figures(said.text, WINDOWS[name])
    assert found.errors == () and found.supported == found.claims >= 5
    assert not any(leaks(said.text, word) for word in names_of_activities())


def test_words_follow_the_signal():
    of = {name: RuleInterpreter().interpret(rec).parts for name, rec in WINDOWS.items()}
    assert "moderate" in of["gait"]["Strength"] and "very strongly" in of["run"]["Strength"]
    assert "hardly moves" in of["rest"]["Strength"] and "no rhythm" in of["rest"]["Rhythm"]
    assert "109 steps/min" in of["gait"]["Rhythm"] and "fast" in of["run"]["Rhythm"]
    assert "-z axis" in of["upside down"]["Posture"] and "+z axis" in of["gait"]["Posture"]
    assert of["upside down"]["Impact"] == of["gait"]["Impact"]


def test_a_wrong_number_and_a_named_activity_are_errors():
    rec = gait()
    text = RuleInterpreter().interpret(rec).text
    rate = text.replace("1.81 Hz", "2.60 Hz")
    assert any("2.60 Hz" in error for error in check_figures(rate, rec).errors)
    other = gait(size=9.0)
    assert len(check_figures(text, other).errors) >= 3  # the text of another window
    assert "walks" in check_figures(f"{text}\nSomebody walks.", rec).errors[0]
    about = check_figures("The window lasts 4 s and is sampled at 50 Hz.", rec)
    assert about.errors == () and about.supported == 2


def test_parts_are_found_however_a_model_marks_them():
    text = "1. **Strength:** strong\n- Direction - up\n### Rhythm: even\nof two lines"
    assert parts_of(text) == {
        "Strength": "strong",
        "Direction": "up",
        "Rhythm": "even of two lines",
    }


@pytest.mark.parametrize("label", tables("captions/activities.yaml"))
def test_every_packaged_label_has_wordings_that_name_no_other(label):
    everything = list(tables("captions/activities.yaml"))
    texts = label_texts(everything)[label]
    assert len(texts) >= 3 and len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"rowing": []}, "label 'rowing': has no text"),
        ({"rowing": [" "]}, "an empty text"),
        ({"rowing": ["stronger than walking"]}, "names 'walking'"),
    ],
)
def test_label_texts_that_mislead_are_refused(own, says):
    with pytest.raises(InputError, match=says):
        label_texts(["walking", "rowing"], own)


class Scripted:
    """A chat model that answers from a list."""

    name = identity = "scripted"

    def __init__(self, *texts):
        self.texts, self.asked = list(texts), []

    def answer(self, request):
        self.asked.append(request)
        return Reply(self.texts[min(len(self.asked), len(self.texts)) - 1])


def test_a_model_is_told_what_is_wrong_and_its_better_version_taken():
    good = RuleInterpreter().interpret(gait()).text
    bad = good.replace("Impact:", "Conclusion: walking, struck with 55.5 m/s².")
    model = Scripted(bad, good)
    said = LanguageInterpreter(model).interpret(gait())
    assert said.text == good and said.history == (3, 0) and said.supported == said.claims
    assert "Wrong in it" not in model.asked[0].user
    assert "55.5 m/s²" in model.asked[1].user and "'Impact:'" in model.asked[1].user
    assert model.asked[0].seed != model.asked[1].seed
    assert not any(leaks(model.asked[0].user, word) for word in ("walking", "upstairs", "sitting"))


def test_a_model_that_talks_nonsense_loses_its_window_and_no_other():
    model = Scripted("I do not know.")
    [(_, said)] = interpret_all([gait()], LanguageInterpreter(model))
    assert isinstance(said, Unanswered) and "wrong about the window" in str(said)
    assert len(model.asked) == 3
    short = gait().replace(data=gait().data[:, :5], t=gait().t[:5])
    first, second = interpret_all([short, gait()], RuleInterpreter())
    assert isinstance(first[1], Unanswered) and second[1].supported == second[1].claims


def test_the_command_writes_a_line_a_window(tmp_path):
    save([gait(seconds=9).replace(id="a", label="walking", subject="p")], tmp_path / "a.parquet")
    done = CliRunner().invoke(app, ["interpret", str(tmp_path / "a.parquet")])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["id"] for row in rows] == ["a@0.00", "a@4.00", "a@5.00"]
    assert all(row["numbers"] == row["supported"] > 10 for row in rows)
    refused = CliRunner().invoke(app, ["interpret", str(tmp_path / "a.parquet"), "--model", "x"])
    assert refused.exit_code != 0


def test_a_site_is_said_and_its_bounds_are_its_own():
    rec = gait().replace(placement="trouser-pocket")
    plain, told = (RuleInterpreter(site).interpret(rec).parts for site in (False, True))
    assert "worn at the trouser-pocket" in told["Posture"] and "worn" not in plain["Posture"]
    ratio = statistics(rec)["up to level"].value
    for site, words in (("pocket", "mostly vertical"), ("chest", "mostly vertical")):
        assert words in described(statistics(rec), site) and ratio > 1.6
    between = statistics(rec) | {"up to level": Statistic(1.2, "", "ACC")}
    assert "mostly vertical" in described(between, "pocket")
    assert "balanced" in described(between, "Chest") and "balanced" in described(between)
    assert check_figures(RuleInterpreter(True).interpret(rec).text, rec).errors == ()
    unknown = RuleInterpreter(True).interpret(rec.replace(placement="left earlobe"))
    assert "left earlobe" in unknown.text


def test_relative_figures_stay_when_everything_is_stronger():
    gravity = np.array([[0], [0], [9.81], [0], [0], [0]])
    rec = gait(size=2.0)
    weak = statistics(rec)
    strong = statistics(rec.replace(data=(gravity + 2 * (rec.data - gravity)).astype(np.float32)))
    assert strong["body rms"].value == pytest.approx(2 * weak["body rms"].value, rel=0.05)
    for name in ("body frequency", "jerk to strength", "impact to strength", "up to level"):
        assert strong[name].value == pytest.approx(weak[name].value, rel=0.05), name
    slow, fast = (statistics(gait(rate)) for rate in (25.0, 100.0))
    assert slow["body frequency"].value == pytest.approx(fast["body frequency"].value, rel=0.03)


def test_a_served_model_that_talks_nonsense_is_one_line(tmp_path):
    save([gait(seconds=9).replace(id="a", label="walking", subject="p")], tmp_path / "a.parquet")
    asked = ["interpret", str(tmp_path / "a.parquet"), "--limit", "2", "--regenerate", "1"]
    refused = CliRunner().invoke(app, asked)
    assert refused.exit_code != 0 and "for a language model" in str(refused.exception)
    with ChatServer(lambda fields, server: Answer("qwertz")) as server:
        asked += ["--teacher", server.url, "--model", "m", "--cache", str(tmp_path / "c.sqlite")]
        done = CliRunner().invoke(app, asked)
    assert isinstance(done.exception, InputError)
    assert "2 of 2 windows set aside: wrong about the window (2)" in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_served_model_is_asked_again_and_each_attempt_is_told(tmp_path):
    [good] = {RuleInterpreter().interpret(rec).text for rec in [gait(rate=20.0, hz=2.0)]}
    save(
        [gait(rate=20.0, hz=2.0).replace(id=f"a{k}", label="walking", subject="p") for k in "123"],
        tmp_path / "a.parquet",
    )
    lines = good.splitlines()
    shorter = "\n".join([*lines[:-1], "Impact: even contacts."])

    def handle(fields, server):
        again = "You wrote before" in fields["messages"][-1]["content"]
        return Answer(good if again or len(server.seen) < 3 else shorter)

    with ChatServer(handle) as server:
        asked = ["interpret", str(tmp_path / "a.parquet"), "--regenerate", "2", "--teacher"]
        asked += [server.url, "--model", "m", "--cache", str(tmp_path / "c.sqlite")]
        done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["id"] for row in rows] == ["a1@0.00", "a2@0.00", "a3@0.00"]
    assert all(row["numbers"] == row["supported"] for row in rows)
    assert "texts written anew were taken" in done.output
