"""The checker tells what a recording bears out from what it refutes, and leaves the rest alone."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.claims import NAMES, RIGHT, check_table
from imuscribe.prompts.captions.explain import explain
from imuscribe.prompts.captions.facts import Facts, turning_samples
from imuscribe.prompts.checking.claims import check_claims
from imuscribe.prompts.checking.config import CheckConfig
from imuscribe.prompts.checking.lexicon import lexicon
from imuscribe.prompts.checking.words import sentences
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import load
from imuscribe.signals.recording import ACC, STANDARD_GRAVITY
from tests.claim_recordings import fixed_recordings

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def fixed():
    return {name: Facts(rec) for name, rec in fixed_recordings().items()}


@pytest.fixture(scope="module")
def written(letters):
    """Computed explanations of simulated letters, with and without gyroscope, and of the fixed."""
    recordings = letters(1, 1, "A-Z")
    recordings += [rec.replace(data=rec.acc, channels=ACC) for rec in recordings[:8]]
    recordings += fixed_recordings().values()
    return [(explain(rec).text, Facts(rec)) for rec in recordings]


@pytest.mark.parametrize("name", NAMES)
def test_true_and_false_claims_are_told_apart(name):
    found, wrong = check_table(name)
    called = sum(found[truth, "contradicted"] for truth in RIGHT)
    false = sum(n for (truth, _), n in found.items() if truth == "false")
    precision, recall = (found["false", "contradicted"] / n for n in (called, false))
    figures = f"{name}: precision {precision:.3f} of {called}, recall {recall:.3f} of {false}"
    assert precision >= 0.95 and recall >= 0.95, f"{figures}: {wrong}"


def test_the_tables_hold_what_they_should():
    dev, prose = check_table("dev")[0].total(), check_table("heldout")[0].total()
    assert dev >= 60
    assert prose >= 40


def test_what_the_explainer_says_is_all_supported(written):
    for text, facts in written:
        report = check_claims(text, facts)
        assert report.claims
        assert report.supported == len(report.claims), (report.errors, report.claims)


@pytest.mark.parametrize("name", ["charsense", "weda_fall"])
def test_what_the_explainer_says_of_real_recordings_is_all_supported(shared_data, name):
    recordings = load(shared_data(f"{name}.parquet"))
    rng = np.random.default_rng(0)
    n = 0
    for i in rng.permutation(len(recordings))[:15]:
        try:
            rec = clean(recordings[i])
            text = explain(rec).text
        except InputError:
            continue
        report = check_claims(text, rec)
        assert report.supported == len(report.claims) > 0, report.errors
        n += 1
    assert n >= 12


def planted(text, match, share):
    """Return the text with one number changed beyond its tolerance, by more for a larger share."""
    old, before, after = match.group(), text[: match.start()], text[match.end() :]
    value, config = float(old), CheckConfig()
    if before.endswith("points: "):
        least, most = 1.0, 9.0
    elif before.endswith("mean acceleration "):
        least, most = 0.01 * value + 0.03, 5.0
    elif after.startswith(" m/s²"):
        least, most = max(0.06, config.relative * abs(value)) + 0.11, 9.0
    elif after.startswith(" m/s"):
        least, most = max(0.05, config.relative * value) + 0.11, 3.0
    elif after.startswith(" m"):
        least, most = max(0.006, config.relative * value) + 0.011, 1.0
    else:
        least, most = config.exact + 0.016, 2.0
    change = (least + abs(share) * (most - least)) * (1 if share >= 0 else -1)
    decimals = len(old.partition(".")[2])
    new = value + change if old[0] in "+-" or value + change >= 0 else value - change
    form = "+" if old[0] in "+-" else ""
    return f"{before}{new:{form}.{decimals}f}{after}"


@settings(max_examples=300)
@given(data=st.data())
def test_a_planted_false_number_is_always_caught(written, data):
    text, facts = data.draw(st.sampled_from(written))
    match = data.draw(st.sampled_from(list(NUMBER.finditer(text))))
    share = data.draw(st.floats(-1, 1))
    false = planted(text, match, share)
    report = check_claims(false, facts)
    assert report.contradicted, false
    assert report.errors


def test_a_planted_false_direction_or_axis_is_caught(written):
    for text, facts in written:
        opposite = {"left": "right", "right": "left", "up": "down", "down": "up"}
        for old, new in opposite.items():
            false = re.sub(rf"s {old} 0", f"s {new} 0", text, count=1)
            assert false == text or check_claims(false, facts).contradicted, false
        for old, new in (("is +", "is -"), ("is -", "is +")):
            false = text.replace(old, new)
            assert false == text or check_claims(false, facts).contradicted, false


def test_every_phrase_of_the_tables_is_read_as_what_it_is():
    for phrase, roles in lexicon().table.items():
        tokens = [token for found in sentences(phrase, 0, len(phrase)) for token in found]
        assert [token.roles for token in tokens] == [roles], phrase


@pytest.mark.parametrize("unit", ["m/s²", "g", "rad/s", "°/s", "cm/s", "ms", "Hz", "samples", "mm"])
def test_a_number_is_read_with_its_unit(unit):
    ((token,),) = sentences(f"-2.5 {unit}", 0, 20)
    factor = token.number / -2.5
    assert token.unit and token.signed and token.half == pytest.approx(0.05 * factor)
    known = {"g": STANDARD_GRAVITY, "°/s": np.pi / 180, "cm/s": 0.01, "ms": 1e-3, "mm": 1e-3}
    assert factor == pytest.approx(known.get(unit, 1.0))


@settings(max_examples=100)
@given(text=st.text(max_size=300))
def test_no_text_breaks_it(fixed, text):
    report = check_claims(text, fixed["corner"])
    assert all(0 <= c.start < c.end <= len(text) for c in report.claims)


WORDS = """the hand moves left right up down rest peak of maximum x-axis y z 3 m/s² 0.5 s 7 samples
    from to between and then first positive negative gravity on at about not never three turning
    points . , ;"""


@settings(max_examples=200)
@given(words=st.lists(st.sampled_from(WORDS.split()), max_size=30))
def test_no_order_of_known_words_breaks_it(fixed, words):
    for facts in fixed.values():
        check_claims(" ".join(words), facts)


TRUE = {
    "max": "The {axis}-axis acceleration has a maximum of {max:.2f} m/s².",
    "least": "On the {axis} axis the lowest acceleration is {min:.2f} m/s².",
    "mean": "acc_{axis} averages {mean:.2f} m/s².",
    "std": "The standard deviation of {axis} is {std:.2f} m/s².",
    "range": "{axis} ranges from {min:.1f} to {max:.1f} m/s².",
    "when": "The maximum of the {axis} acceleration comes at {when:.2f} s.",
    "sample": "The {axis} acceleration is highest at sample {k} with {max:.1f} m/s².",
    "bound": "The {axis} acceleration never exceeds {above:.1f} m/s².",
    "floor": "The {axis} acceleration never falls below {below:.1f} m/s².",
    "time": "The recording lasts {seconds:.2f} seconds.",
    "many": "There are {n} samples at {rate:.0f} Hz.",
    "speed": "The hand reaches a top speed of {speed:.2f} m/s.",
    "wide": "The path is {wide:.2f} m wide.",
}


def statements(facts, axis, shift):
    """Return sentences whose numbers are off by `shift` of what they may be at most."""
    v, rec = facts.signal("acc", axis), facts.rec
    spread = np.ptp(v) + 1
    values = {
        "axis": axis,
        "max": v.max() + shift * spread,
        "min": v.min() - shift * spread,
        "mean": v.mean() + shift * spread,
        "std": v.std() * (1 + 2 * shift) + shift,
        "when": (rec.t[v.argmax()] + shift * rec.duration) % (rec.duration + 1e-6),
        "k": int(v.argmax()),
        "above": v.max() * (1 - shift) + 0.1 - shift * (2 + abs(v.max())),
        "below": v.min() - 0.1 + shift * spread,
        "seconds": rec.duration * (1 + shift),
        "n": int(rec.n_samples * (1 + shift)),
        "rate": rec.rate * (1 + shift),
        "speed": facts.speed.max() * (1 + shift) + shift,
        "wide": np.ptp(facts.path[0]) * (1 + shift) + shift * 0.2,
    }
    return {name: text.format(**values) for name, text in TRUE.items()}


@pytest.mark.parametrize("axis", "xyz")
def test_true_statements_are_supported_and_false_ones_refuted(letters, axis):
    for rec in letters(1, 1, "A-H"):
        facts = Facts(rec)
        for text in statements(facts, axis, 0.0).values():
            report = check_claims(text, facts)
            assert report.contradicted == 0, (text, report.errors)
            assert report.supported, text
        for name, text in statements(facts, axis, 0.7).items():
            if name != "when":  # elsewhere there may be as high a peak
                assert check_claims(text, facts).contradicted, text


@pytest.mark.parametrize(
    "text",
    [
        "A typical L starts at the top and goes up, then left, at 9 m/s.",
        "If gravity were on x, the mean of x would be 9.8 m/s².",
        "The hand might move up to 3 m, perhaps to the left.",
        "The letter 'W' has four strokes and goes up twice.",
        "This could last 20 s.",
        "Good handwriting takes practice; all is well that ends well.",
        "The person who wrote this is right-handed and made up her mind.",
        "Version 2.0 of the 3D protocol, see section 4.1 and table 2.",
        "It turns out that, in short, this is what we see.",
        "The pen did not move up at all, nor was x positive.",
        "The jerk reaches 300 m/s³ and the angle turns by 90 degrees.",
    ],
)
def test_what_is_no_claim_about_the_recording_is_never_contradicted(fixed, text):
    report = check_claims(text, fixed["corner"])
    assert report.contradicted == 0, report.errors


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The maximum of x is 5.1 m/s².", "contradicted"),
        ("The maximum of x is about 5.1 m/s².", "supported"),
        ("The maximum of x is 4.7 m/s².", "supported"),
        ("x peaks at 0.47 g.", "supported"),
        ("x peaks at 0.9 g.", "contradicted"),
    ],
)
def test_tolerance_hedges_and_units(fixed, text, verdict):
    report = check_claims(text, fixed["corner"])
    assert {claim.verdict for claim in report.claims} <= {verdict, "unchecked"}
    assert verdict == "unchecked" or any(c.verdict == verdict for c in report.claims)


@pytest.mark.parametrize("text", ["All axes rest. The mean is 3 m/s².", "Each axis. Peak at 1 s."])
def test_a_sentence_after_one_about_every_axis_is_checked_on_all(fixed, text):
    assert check_claims(text, fixed["corner"]).claims


def test_an_error_quotes_the_text_and_tells_the_recording(fixed):
    text = "All is well. The recording lasts 2.40 s. There is one turning point."
    report = check_claims(text, fixed["corner"])
    assert report.counts == {"claims": 2, "supported": 1, "contradicted": 1, "unchecked": 0}
    (error,) = report.errors
    assert error == 'you wrote "The recording lasts 2.40 s"; the recording shows 1.59 s long'
    assert [text[c.start : c.end] for c in report.claims] == ["2.40 s", "one turning point"]


def test_without_gyroscope_or_gravity_what_needs_them_is_unchecked(letters):
    (rec,) = letters(1, 1, "Z")
    text = "The hand moves left. There are 9 turning points. It lasts 99 s."
    for poor in (
        rec.replace(data=rec.acc, channels=ACC),
        rec.replace(data=rec.data - np.concatenate([rec.acc.mean(axis=1), np.zeros(3)])[:, None]),
    ):
        report = check_claims(text, poor)
        assert report.counts["contradicted"] == 1
        assert report.counts["unchecked"] == 2


def test_facts_can_be_used_again(written):
    text, facts = written[0]
    assert check_claims(text, facts) == check_claims(text, facts) == check_claims(text, facts.rec)


def test_turning_samples_of_a_known_wave():
    wave = np.sin(np.linspace(0, 4 * np.pi, 401))
    high, low = turning_samples(wave, 0.4)
    assert (high, low) == ([50, 250], [150, 350])
    assert turning_samples(wave + 0.001 * np.sin(np.arange(401)), 0.5)[0] == pytest.approx(
        [50, 250], abs=5
    )
    assert turning_samples(np.ones(20), 0.5) == ([], [])
