"""Budgets hold for every recording, buy the most they can, and refuse what cannot fit."""

from __future__ import annotations

import numpy as np
import pytest

from imuscribe.prompts.ask.templates import PromptBuilder, PromptConfig
from imuscribe.prompts.ask.tokens import count_tokens, load_tokenizer
from imuscribe.prompts.serialize import TextConfig, View, build_serializer
from imuscribe.prompts.serialize.budget import fit_budget
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, GYRO, Recording


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir):
    return load_tokenizer(str(tiny_model_dir))


@pytest.fixture(scope="module")
def recordings(letters):
    return [clean(rec) for rec in letters(2, 2, "A-C")]


def recount(report, recordings, tokenizer):
    serializer = build_serializer(report.config)
    return count_tokens(tokenizer, [serializer.text(rec) for rec in recordings])


@pytest.mark.parametrize(
    ("format", "budget"), [("csv", 200), ("digits", 90), ("strokes", 250), ("summary", 30)]
)
def test_the_budget_holds_for_every_recording(recordings, tokenizer, format, budget):
    report = fit_budget(recordings, tokenizer, format, budget)
    tokens = recount(report, recordings, tokenizer)
    assert list(report.tokens) == tokens
    assert max(tokens) <= budget
    assert report.config.format == format
    assert 0 < report.error < 1


@pytest.mark.parametrize("format", ["csv", "digits", "strokes"])
def test_a_larger_budget_never_keeps_less(recordings, tokenizer, format):
    errors = [fit_budget(recordings, tokenizer, format, budget).error for budget in (60, 200, 1200)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 2


def test_the_smallest_budget_named_is_one_that_fits(recordings, tokenizer):
    base = TextConfig(views=(View(),))
    for format in ("csv", "digits", "strokes", "summary"):
        with pytest.raises(InputError, match="the smallest that does is") as error:
            fit_budget(recordings, tokenizer, format, 1, base=base)
        smallest = int(str(error.value).rsplit(" ", 1)[1])
        report = fit_budget(recordings, tokenizer, format, smallest, base=base)
        assert max(report.tokens) <= smallest


def test_counts_a_class(recordings, tokenizer):
    report = fit_budget(recordings, tokenizer, "csv", 200)
    assert list(report.by_class) == ["A", "B", "C"]
    for label, (least, middle, most, n) in report.by_class.items():
        own = [k for k, rec in zip(report.tokens, recordings, strict=True) if rec.label == label]
        assert (least, middle, most, n) == (min(own), np.median(own), max(own), 4)


def test_the_error_is_that_of_the_decoded_text(tokenizer):
    # A straight ramp of 1 m/s² in z, told in bins whose middles lie on it: only the half bins at
    # both ends, drawn flat, and the rounding of the digits are lost.
    ramp = np.linspace(0, 1, 401)
    rec = Recording("r", np.stack([ramp]), ("acc_z",), np.linspace(0, 4, 401), label="A")
    base = TextConfig(channels=("acc_z",))
    report = fit_budget([rec], tokenizer, "digits", 30, base=base)
    config = report.config
    (told,) = build_serializer(config).decode(build_serializer(config).text(rec))
    middles = (np.arange(config.steps) + 0.5) * 4 / config.steps
    lost = np.interp(rec.t, middles, told[0]) - ramp
    assert report.error == pytest.approx(np.sqrt((lost**2).mean()) / ramp.std(), rel=1e-3)


def test_channels_are_given_up_when_there_is_no_room(tokenizer):
    # One channel carries a slow wave, the other noise that no few numbers can tell.
    t = np.arange(200) / 50
    wave, noise = np.sin(t * 3), np.random.default_rng(0).normal(size=200)
    rec = Recording("r", np.stack([noise, wave]), ACC[:2], t, label="A")
    base = TextConfig(channels=ACC[:2])
    tight = fit_budget([rec], tokenizer, "digits", 20, base=base)
    roomy = fit_budget([rec], tokenizer, "digits", 400, base=base)
    assert tight.config.channels == ("acc_y",)
    assert roomy.config.channels == ("acc_x", "acc_y")
    assert tight.error > roomy.error


def test_strokes_search_the_signals_asked_for(recordings, tokenizer):
    base = TextConfig(views=(View(signal="rotation"),))
    report = fit_budget(recordings, tokenizer, "strokes", 120, base=base)
    assert [view.signal for view in report.config.views] == ["rotation"]


def test_tokens_around_the_text_count_too(recordings, tokenizer):
    bare = fit_budget(recordings, tokenizer, "digits", 120)
    kept_free = fit_budget(recordings, tokenizer, "digits", 120, around=50)
    assert max(recount(kept_free, recordings, tokenizer)) <= 70 < max(bare.tokens)
    assert max(kept_free.tokens) <= 120


@pytest.mark.parametrize("chat", [False, True])
def test_a_prompt_built_with_the_chosen_setting_fits(recordings, tokenizer, chat):
    labels = ["A", "B", "C"]
    prompt = PromptConfig(style="short", chat=chat, max_tokens=8)  # its own limit does not count
    report = fit_budget(
        recordings, tokenizer, "digits", 400, PromptBuilder(tokenizer, labels, prompt)
    )
    builder = PromptBuilder(tokenizer, labels, prompt.model_copy(update={"max_tokens": 400}))
    serializer = build_serializer(report.config)
    prompts = [builder.prompt(serializer.text(rec)) for rec in recordings]
    totals = [builder.n_tokens(p) + builder.answer_tokens for p in prompts]
    assert tuple(totals) == report.tokens


def test_statistics_are_kept_and_counted(recordings, tokenizer):
    base = TextConfig(stats=True)
    report = fit_budget(recordings, tokenizer, "digits", 150, base=base)
    assert report.config.stats
    assert list(report.tokens) == recount(report, recordings, tokenizer)


def test_what_cannot_be_told_at_all_is_refused(recordings, tokenizer):
    with pytest.raises(InputError, match="no recordings"):
        fit_budget([], tokenizer, "csv", 100)
    no_gyro = recordings[0].replace(data=recordings[0].acc, channels=ACC)
    rotation = TextConfig(views=(View(signal="rotation"),))
    with pytest.raises(InputError, match="no gyroscope"):
        fit_budget([no_gyro], tokenizer, "strokes", 100, base=rotation)
    with pytest.raises(InputError, match="has no gyro_x"):
        fit_budget([no_gyro], tokenizer, "csv", 100, base=TextConfig(channels=GYRO))


def test_one_short_recording_among_long_ones_is_served(recordings, tokenizer):
    short = recordings[0].replace(
        id="short", data=recordings[0].data[:, 20:30], t=recordings[0].t[20:30]
    )
    report = fit_budget([*recordings, short], tokenizer, "digits", 150)
    assert len(report.tokens) == len(recordings) + 1
