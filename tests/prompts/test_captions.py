"""Captions at three levels: true to the last number, within budget, the same at any rate."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from imuscribe.cli import app
from imuscribe.prompts.ask.tokens import count_tokens, load_tokenizer
from imuscribe.prompts.captions.hierarchy import (
    BUDGETS,
    LEVELS,
    Caption,
    CaptionConfig,
    Event,
    StructureConfig,
    caption,
    captions,
    hard_negative,
    recount,
)
from imuscribe.prompts.checking.claims import check_claims
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, GYRO, Recording

SIX = (*ACC, *GYRO)
WORDS = CaptionConfig(numbers=False, absent=True)


def wandering(
    seed: int = 0,
    n: int = 128,
    rate: float = 50.0,
    channels: tuple[str, ...] = SIX,
    **told: Any,
) -> Recording:
    """Return a slow random walk with spikes and a constant now and then."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(len(channels), n)).cumsum(axis=1) * rng.uniform(0.01, 1)
    data += rng.normal(size=(len(channels), 1)) * 5
    data[rng.random(len(channels)) < 0.1] = rng.normal() * 3
    data[rng.integers(len(channels)), rng.integers(n)] += rng.normal() * 30
    rec_id = told.pop("id", f"r{seed}")
    return Recording(rec_id, data.astype(np.float32), channels, np.arange(n) / rate, **told)


def swaying(what: str = "xyz", seconds: float = 2.56, rate: float = 50.0) -> Recording:
    """Return a device that rises and falls on x once, is still on y, and has one peak on z."""
    t = np.arange(round(seconds * rate)) / rate
    share = t / t[-1]
    x = 5 * np.sin(2 * np.pi * share)
    z = 9.81 + 8 * np.exp(-(((share - 0.6) / 0.04) ** 2))
    return Recording("sway", np.stack([x, 0 * x, z]), ACC, t, label="swaying", placement="wrist")


def faster(rec: Recording) -> Recording:
    """Return a recording at twice its rate: between two samples stands their mean."""
    t = np.linspace(0, rec.duration, 2 * rec.n_samples - 1) + rec.t[0]
    data = np.stack([np.interp(t, rec.t, row) for row in rec.data.astype(np.float64)])
    return rec.replace(data=data, t=t)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def structural(one: Caption) -> list[str]:
    return [sentence.text for sentence in one.sentences if sentence.level == "structural"]


# True --------------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 150),
    rate=st.sampled_from([1 / 60, 0.5, 10.0, 50.0, 104.17]),
    channels=st.permutations([*SIX, "heart_rate", "lin_acc_x"]),
    kept=st.integers(1, 8),
    lost=st.sampled_from([0.0, 0.0, 0.1, 0.6]),
    numbers=st.booleans(),
    bin=st.sampled_from([None, None, 0.0371, 0.25]),
)
@settings(max_examples=40)
def test_every_number_and_word_is_worked_out_again_from_the_signal(
    seed, n, rate, channels, kept, lost, numbers, bin
):
    rec = wandering(seed, n, rate, tuple(channels[:kept]), label="walking", case="")
    rng = np.random.default_rng(seed)
    missing = rng.random(rec.data.shape) < lost
    missing[:, : n // 3] |= rng.random((kept, 1)) < lost / 2
    missing[0, 0] = False
    if bin is not None and rec.duration / bin > 500:
        bin = None
    config = CaptionConfig(
        numbers=numbers, rate=True, absent=True, seed=seed, structure=StructureConfig(bin=bin)
    )
    events = [Event("tea", 0.0, rec.duration / 2), Event("calm", rec.duration, kind="mood")]
    one = caption(rec, config, missing, events)
    found = recount(one, rec, missing, events)
    assert found.errors == ()
    assert "{" not in one.text and "nan" not in one.text and "inf" not in one.text
    assert any(claim.value is not None for claim in one.claims) or not numbers
    assert numbers or not re.search(r"\d", one.text)


@pytest.mark.parametrize("seed", range(4))
def test_the_checker_of_free_prose_finds_nothing_false_either(seed):
    rec = wandering(seed)
    report = check_claims(caption(rec, CaptionConfig(rate=True, seed=seed)).text, rec)
    assert report.errors == ()
    assert report.supported >= 12


def test_a_false_caption_is_found_out():
    rec, other = wandering(1), wandering(2)
    assert recount(caption(rec), other).errors
    moved = rec.replace(data=rec.data + 0.02)
    assert recount(caption(rec), moved).errors


def test_what_is_seen_is_said():
    said = caption(swaying(), CaptionConfig(absent=True, rate=True)).text
    for words in ("swaying", "wrist", "acceleration along y", "50.0 Hz", "2.56 s", "gyroscope"):
        assert words.lower() in said.lower()
    goes = [c.kind for c in caption(swaying()).claims if c.channel == "acc_x" and c.word]
    assert goes[:2] == ["rises", "falls"] or goes[0] == "falls"
    peak = next(c for c in caption(swaying()).claims if c.kind == "peak")
    assert peak.channel == "acc_z" and peak.since <= 0.6 * 2.54 <= peak.until
    assert "constant" in said or "always" in said or "unchanging" in said


def test_nothing_is_said_of_nothing():
    still = swaying().replace(data=np.tile([[0.0], [0.0], [9.81]], 128))
    said = caption(still, CaptionConfig(levels=("structural",), absent=True))
    assert {c.kind for c in said.claims} == {"calm", "no peak", "no gyroscope"}
    assert not re.search(r"\ban? [aeiou]", caption(wandering(3)).text.replace("An ", "an "))


# The same ----------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), n=st.integers(30, 150))
@settings(max_examples=60)
def test_twice_the_rate_changes_no_structural_word(seed, n):
    rec = wandering(seed, n)
    slow, fast = caption(rec).found.events, caption(faster(rec)).found.events
    assert [(e.what, e.channel, e.start, e.end) for e in slow] == [
        (e.what, e.channel, e.start, e.end) for e in fast
    ]
    assert structural(caption(rec, WORDS)) == structural(caption(faster(rec), WORDS))


def test_twice_the_rate_changes_no_stroke(letters):
    for rec in letters(1, 1, "A-Z"):
        said = structural(caption(rec))
        assert said == structural(caption(faster(rec)))
        assert any(" " in text for text in said)


@given(seed=st.integers(0, 10_000), share=st.floats(0.01, 0.9))
@settings(max_examples=60)
def test_what_is_missing_has_no_influence(seed, share):
    rng = np.random.default_rng(seed)
    rec = wandering(seed, 100)
    missing = rng.random(rec.data.shape) < share
    other = rec.replace(data=np.where(missing, rng.normal(size=missing.shape) * 1e4, rec.data))
    if missing.all():
        return
    for config in (WORDS, CaptionConfig()):
        assert caption(rec, config, missing).text == caption(other, config, missing).text


def test_what_is_missing_of_a_letter_has_no_influence(letters):
    rec = letters(1, 1, "B")[0]
    missing = np.zeros(rec.n_samples, dtype=bool)
    missing[20:25] = True
    other = rec.replace(data=np.where(missing, 99.0, rec.data))
    assert caption(rec, WORDS, missing).text == caption(other, WORDS, missing).text


def test_how_much_is_missing_is_said():
    rec = wandering(5)
    missing = np.zeros(rec.data.shape, dtype=bool)
    missing[0, :64] = True
    missing[5] = True
    said = caption(rec, CaptionConfig(), missing).text
    assert "16.7 %" in said and "33.3 %" in said and "rotation z missing" in said
    missing[3:] = True
    assert re.search(
        "All of the rotation is missing|Rotation is missing thr", caption(rec, missing=missing).text
    )
    assert "acceleration" in caption(rec, WORDS, missing).text


@given(seed=st.integers(0, 10_000), order=st.permutations(range(6)))
@settings(max_examples=40)
def test_the_order_of_channels_changes_nothing(seed, order):
    rec = wandering(seed)
    channels = tuple(rec.channels[k] for k in order)
    turned = rec.replace(data=rec.data[list(order)], channels=channels)
    assert caption(turned).text == caption(rec).text


def test_a_caption_depends_on_its_recording_and_the_seed_alone():
    recs = [wandering(k, 60 + k % 3) for k in range(12)]
    together = [one.text for one in captions(recs)]
    assert together == [caption(rec).text for rec in recs]
    others = [caption(rec, CaptionConfig(seed=1)) for rec in recs]
    assert sum(a != b.text for a, b in zip(together, others, strict=True)) > 8
    values = [Counter(c.value for c in caption(rec).claims) for rec in recs]
    assert values == [Counter(c.value for c in one.claims) for one in others]


# Any period --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "rate"), [(0.9, 50.0), (10.0, 100.0), (86400.0, 1 / 60)])
def test_bins_and_times_grow_with_the_recording(seconds, rate):
    rec = swaying(seconds=seconds, rate=rate)
    one = caption(rec)
    kinds = Counter(c.kind for c in one.claims)
    assert kinds["peak"] == 1 and kinds["rises"] + kinds["falls"] >= 2
    assert ("min" in {c.unit for c in one.claims}) == (seconds > 600)
    assert 16 <= one.found.n_bins <= 64
    assert recount(one, rec).errors == ()


def test_half_a_day_of_events_longest_first():
    rec = swaying(seconds=43200, rate=1 / 60)
    events = [Event("nap", 0, 1200), Event("walk", 3600, 10800), Event("ride", 20000, 23600)]
    events.append(Event("cheerful", 30000, kind="mood"))
    config = CaptionConfig(levels=("semantic",))
    said = caption(rec, config, events=events)
    places = [said.text.lower().index(name) for name in ("walk", "ride", "nap", "cheerful")]
    assert places == sorted(places)
    assert "180 min" in said.text and recount(said, rec, events=events).errors == ()
    three = caption(rec, config.model_copy(update={"most_events": 1}), events=events).text
    assert "walk" in three.lower() and "nap" not in three.lower()


def test_a_gap_is_bridged_by_no_line():
    rec = swaying(seconds=60, rate=10)
    kept = (rec.t < 20) | (rec.t > 50)
    holed = rec.replace(data=rec.data[:, kept], t=rec.t[kept])
    one = caption(holed)
    assert recount(one, holed).errors == ()
    assert one.found.n_levels <= 22
    inside = [e for e in one.found.events if e.start < 49 and e.end > 21]
    assert not [e for e in inside if e.start >= 20 or e.end <= 50]
    bridged = CaptionConfig(structure=StructureConfig(gap=40))
    assert caption(holed, bridged).found.n_levels > one.found.n_levels + 5


# Budgets -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer("smollm2")


@pytest.mark.parametrize(
    "levels", [c for k in (1, 2, 3) for c in itertools.combinations(LEVELS, k)], ids="+".join
)
def test_no_combination_of_levels_exceeds_its_budget(levels, tokenizer):
    recs = [wandering(k, label="walking", placement="waist") for k in range(12)]
    for most in (None, 300, 60, 31):
        config = CaptionConfig(levels=levels, max_tokens=most, absent=True)
        for one, rec in zip(captions(recs, config, tokenizer=tokenizer), recs, strict=True):
            counted = count_tokens(tokenizer, [one.text])[0]
            assert one.tokens == counted <= (most or BUDGETS[frozenset(levels)])
            assert recount(one, rec).errors == ()
            whole = caption(rec, CaptionConfig(levels=levels, absent=True))
            assert set(one.sentences) <= set(whole.sentences)
            assert len(whole.sentences) - len(one.sentences) == one.left_out


def test_the_longest_stretch_is_kept(tokenizer):
    rec = wandering(4)
    whole = caption(rec, CaptionConfig(levels=("structural",)))
    some = caption(rec, CaptionConfig(levels=("structural",), max_tokens=80), tokenizer=tokenizer)
    assert some.left_out > 0
    lengths = [s.about.end - s.about.start for s in whole.sentences if s.about]
    kept = [s.about.end - s.about.start for s in some.sentences if s.about]
    assert max(kept) == pytest.approx(max(lengths))


# Hard negatives ----------------------------------------------------------------------------------


@given(seed=st.integers(0, 10_000), numbers=st.booleans())
@settings(max_examples=30)
def test_a_hard_negative_has_the_same_numbers_and_is_false(seed, numbers):
    rec = wandering(seed)
    one = caption(rec, CaptionConfig(numbers=numbers))
    wrong = hard_negative(one, np.random.default_rng(seed))
    if wrong is None:
        return
    assert wrong.text != one.text
    assert Counter(re.findall(r"[-\d.]+\d", wrong.text)) == Counter(
        re.findall(r"[-\d.]+\d", one.text)
    )
    assert Counter(re.findall(r"\w+", wrong.text)) == Counter(re.findall(r"\w+", one.text))
    assert recount(wrong, rec).errors
    again = hard_negative(one, np.random.default_rng(seed))
    assert again is not None and again.text == wrong.text


def test_events_and_strokes_change_places_too(letters):
    rec = swaying(seconds=43200, rate=1 / 60)
    events = [Event("nap", 0, 1200), Event("walk", 3600, 10800)]
    one = caption(rec, CaptionConfig(levels=("semantic",)), events=events)
    wrong = hard_negative(one, np.random.default_rng(0))
    assert wrong is not None and recount(wrong, rec, events=events).errors
    made = [caption(rec, CaptionConfig(levels=("structural",))) for rec in letters(1, 1, "A-Z")]
    wrong_ones = [hard_negative(one, np.random.default_rng(0)) for one in made]
    assert sum(one is not None for one in wrong_ones) > 5
    for one, wrong, rec in zip(made, wrong_ones, letters(1, 1, "A-Z"), strict=True):
        assert wrong is None or recount(wrong, rec).errors
        assert recount(one, rec).errors == ()


def test_nothing_that_happens_has_no_negative():
    still = swaying().replace(data=np.tile([[0.0], [0.0], [9.81]], 128))
    assert hard_negative(caption(still), np.random.default_rng(0)) is None


# The command ------------------------------------------------------------------------------------


def test_the_command_writes_checks_and_shows(tmp_path, letters):
    save([swaying(), swaying(seconds=5).replace(id="slow")], tmp_path / "walks.parquet")
    (tmp_path / "diary.csv").write_text("id,start,end,name\nsway,0,1.5,tea\n")
    out, page = tmp_path / "captions.jsonl", tmp_path / "page.html"
    options = ["--events", str(tmp_path / "diary.csv"), "--out", str(out), "--html", str(page)]
    told = run("caption", str(tmp_path / "walks.parquet"), *options, "--say-absent")
    assert told.exit_code == 0, told.output
    first, second = map(json.loads, out.read_text().splitlines())
    assert first["false"] == second["false"] == 0 and first["numbers"] > 12
    assert "tea" in first["text"].lower() and first["tokens"] <= 1024
    html = page.read_text()
    assert "drawn with seed 0" in html and "contradicted" in html and "data:image/png" in html
    save(letters(1, 1, "A-C"), tmp_path / "letters.parquet")
    told = run("caption", str(tmp_path / "letters.parquet"), "--no-numbers", "--seconds", "0.5")
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(rows) > 3 and not any(row["numbers"] for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--levels", "structual"], "did you mean 'structural'"),
        (["--levels", ","], "name one or more"),
        (["--max-tokens", "3"], "holds no sentence"),
        (["--out", "walks.parquet"], "is the file that is read"),
        (["--events", "none.csv"], "cannot be read"),
        (["--events", "bad.csv"], "unknown column 'begin': valid: id, start"),
        (["--events", "times.csv"], "line 2: start 'noon', end '': need seconds"),
        (["--events", "kinds.csv"], "kind 'mod': valid: activity, mood"),
        (["--events", "lost.csv"], "no recording 'r9' in walks.parquet"),
        (["--events", "few.csv"], "has no column name"),
        (["--events", "lost.csv", "--seconds", "1"], "times are those of whole recordings"),
    ],
)
def test_a_mistake_of_the_command_is_one_line(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    save([swaying()], "walks.parquet")
    files = {
        "bad": "id,begin,name\nsway,0,tea\n",
        "times": "id,start,name\nsway,noon,tea\n",
        "kinds": "id,start,name,kind\nsway,0,tea,mod\n",
        "lost": "id,start,name\nr9,0,tea\n",
        "few": "id,start\nsway,0\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    told = run("caption", "walks.parquet", *options)
    assert isinstance(told.exception, InputError) and message in str(told.exception)
    assert "\n" not in str(told.exception)


# Mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: captions([]), "0 recordings: nothing to caption"),
        (lambda r: caption(r, missing=np.ones(128, dtype=bool)), "every value is missing"),
        (lambda r: caption(r, missing=np.zeros(5, dtype=bool)), r"a mask of bool \(5,\)"),
        (lambda r: caption(r, missing=np.zeros(128)), "need true and false"),
        (lambda r: captions([r], missing=[None, None]), "2 masks for 1 recordings"),
        (lambda r: captions([r], events=[]), "events for 0 of 1 recordings"),
        (lambda r: caption(r, CaptionConfig(max_tokens=2)), "a budget of 2 tokens holds no sent"),
        (lambda r: caption(r, CaptionConfig(levels=("semantic",))), "has no label, no placement"),
        (lambda r: caption(r, events=[Event("nap", 2.0, 9.0)]), "event 'nap' from 2 to 9 s"),
        (lambda r: caption(r, events=[Event(" ", 0.0, 1.0)]), "needs a name"),
        (
            lambda r: CaptionConfig.parse({"levels": ["structual"]}),
            "did you mean 'structural'",
        ),
        (lambda r: CaptionConfig.parse({"levels": []}), "name one or more of semantic"),
    ],
)
def test_a_mistake_is_one_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call(wandering(0))
    assert "\n" not in str(error.value)
