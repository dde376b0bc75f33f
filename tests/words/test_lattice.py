"""Words without given bounds: joint decoding against brute force, cuts, written words."""

from __future__ import annotations

import itertools
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imuscribe.signals.cleaning import CleanConfig, clean, moving_span
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import writing_motion
from imuscribe.signals.recording import Recording
from imuscribe.signals.simulate import Writer, write_word
from imuscribe.words.decode.lattice import Lattice, LatticeBeam, LatticeDecoder
from imuscribe.words.decode.lexicon import Lexicon
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.splice import splice
from imuscribe.words.track import Durations, Track

ABC = ("A", "B", "C")
WORDS = Lexicon({"A": 2, "AB": 5, "BA": 1, "CAB": 3, "ABBA": 2, "BABA": 1, "CC": 1, "ABC": 4}, ABC)


def random_lattice(seed: int, n: int, share: float = 0.7, strong: float = 2.0) -> Lattice:
    """Return a lattice in which a share of all segments is allowed."""
    rng = np.random.default_rng(seed)
    scores = strong * rng.normal(size=(3, n, n))
    allowed = np.triu(rng.random((n, n)) < share, 1)
    return Lattice(ABC, np.arange(n) / 10, np.where(allowed, scores, -np.inf))


def ways(n: int, parts: int):
    """Yield every way to divide n cuts into so many segments."""
    for inner in itertools.combinations(range(1, n - 1), parts - 1):
        yield (0, *inner, n - 1)


def brute_score(lattice: Lattice, word: str) -> tuple[float, float, tuple[int, ...]]:
    """Return the sum over all ways, and the best way with its score."""
    found = []
    for way in ways(len(lattice.times), len(word)):
        pairs = zip(word, pairwise(way), strict=True)
        found.append((sum(lattice.scores[ABC.index(c), i, j] for c, (i, j) in pairs), way))
    finite = [one for one in found if one[0] > -np.inf]
    if not finite:
        return -np.inf, -np.inf, ()
    best = max(finite)
    return float(np.logaddexp.reduce([s for s, _ in finite])), best[0], best[1]


# Exactness


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 7),
    weight=st.sampled_from([0.0, 0.5, 1.0]),
    strong=st.sampled_from([0.5, 5.0, 25.0]),
)
def test_lattice_decoder_is_the_posterior_over_words_and_ways_by_brute_force(
    seed, n, weight, strong
):
    lattice = random_lattice(seed, n, strong=strong)
    total = sum(WORDS.counts.values())
    joint = {
        word: brute_score(lattice, word)[0] + weight * np.log(count / total)
        for word, count in WORDS.counts.items()
    }
    joint = {word: score for word, score in joint.items() if score > -np.inf}
    decoder = LatticeDecoder(WORDS, weight)
    if not joint:
        with pytest.raises(InputError, match="too short or too long"):
            decoder.decode(lattice)
        return
    norm = np.logaddexp.reduce(list(joint.values()))
    found = {c.word: c.log_prob for c in decoder.decode(lattice, 100)}
    for word, score in joint.items():
        if score - norm > -500:
            assert found[word] == pytest.approx(score - norm, abs=1e-6)
    assert set(found) <= set(joint)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 7))
def test_bounds_are_those_of_the_best_way(seed, n):
    lattice = random_lattice(seed, n)
    for word in ("A", "AB", "CAB"):
        _, best, way = brute_score(lattice, word)
        found = lattice.bounds(word)
        assert tuple(found) == way
        if way:
            pairs = zip(word, pairwise(found), strict=True)
            assert sum(lattice.scores[ABC.index(c), i, j] for c, (i, j) in pairs) == pytest.approx(
                best
            )


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 6), weight=st.sampled_from([0.5, 1.0]))
def test_a_wide_beam_is_the_exact_search_over_all_strings(seed, n, weight):
    lattice = random_lattice(seed, n, share=1.0)
    model = CharModel(WORDS, order=3)
    scores = {}
    for length in range(1, n):
        for letters in itertools.product(ABC, repeat=length):
            word = "".join(letters)
            scores[word] = brute_score(lattice, word)[0] + weight * model.log_prob(word)
    norm = np.logaddexp.reduce(list(scores.values()))
    found = LatticeBeam(model, weight, width=3**n, longest=n).decode(lattice, len(scores))
    assert len(found) == len(scores)
    for candidate in found:
        assert candidate.log_prob == pytest.approx(scores[candidate.word] - norm, abs=1e-6)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6))
def test_the_likeliest_letters_are_the_best_of_all_strings_and_ways(seed, n):
    lattice = random_lattice(seed, n, share=1.0)
    strings = ("".join(s) for k in range(1, n) for s in itertools.product(ABC, repeat=k))
    best = max((brute_score(lattice, word)[1], word) for word in strings)
    word, cuts = lattice.likeliest()
    assert word == best[1]
    assert cuts == lattice.bounds(word)


def test_only_the_words_as_long_as_the_bounds_allow_remain_when_bounds_are_given():
    scores = np.full((3, 4, 4), -np.inf)
    for i, letter in enumerate("CAB"):
        scores[:, i, i + 1] = [3.0 if c == letter else 0.0 for c in ABC]
    lattice = Lattice(ABC, np.arange(4.0), scores)
    assert [c.word for c in LatticeDecoder(WORDS).decode(lattice)] == ["CAB", "ABC"]
    assert lattice.likeliest() == ("CAB", [0, 1, 2, 3])


def test_an_offset_favours_more_letters():
    lattice = random_lattice(3, 6, share=1.0, strong=0.1)
    few, many = (LatticeDecoder(WORDS, 0.0).decode(lattice.weighed(1, x), 1)[0] for x in (-9, 9))
    assert (len(few.word), len(many.word)) == (1, 4)


# Segments


def word_recording(word: str, index: int = 1, **changes) -> Recording:
    rec, _ = write_word(Writer.draw(index, 5), word, "3d", np.random.default_rng(index), rate=100.0)
    return rec.replace(**changes) if changes else rec


def track_of(rec: Recording) -> Track:
    return Track.of_motion(writing_motion(clean(rec, CleanConfig())))


@pytest.mark.parametrize("step", [0.06, 0.1, 0.25])
def test_cuts_cover_the_recording_and_leave_no_gap_beyond_the_step(step):
    track = track_of(word_recording("HI"))
    cuts = track.cuts(step)
    assert (cuts[0], cuts[-1]) == (0, track.n - 1)
    assert (np.diff(cuts) > 0).all()
    assert np.diff(cuts).max() <= np.ceil(step * track.rate)


def test_cuts_and_views_do_not_depend_on_when_the_recording_began():
    rec = word_recording("HI")
    later = rec.replace(t=rec.t + 123.0)
    a, b = track_of(rec), track_of(later)
    cuts = a.cuts(0.1)
    assert np.array_equal(cuts, b.cuts(0.1))
    assert a.views(cuts[:1], cuts[-1:]) == pytest.approx(b.views(cuts[:1], cuts[-1:]), abs=1e-4)


def test_silence_behind_the_word_changes_nothing():
    rec = word_recording("HI")
    n, rest = 60, rec.data[:, -5:].mean(axis=1, keepdims=True)
    longer = rec.replace(
        data=np.hstack([rec.data, np.repeat(rest, n, axis=1)]),
        t=np.concatenate([rec.t, rec.t[-1] + np.arange(1, n + 1) / 100]),
    )
    a, b = track_of(rec), track_of(longer)
    assert abs(a.n - b.n) <= 2
    cuts, same = a.cuts(0.1), b.cuts(0.1)
    inner = [c for c in cuts[1:-1] if np.abs(same - c).min() <= 1]
    assert len(inner) >= 0.9 * (len(cuts) - 2)


def test_a_stronger_and_larger_hand_looks_the_same():
    track = track_of(word_recording("HI"))
    louder = Track.of(3 * track.rows[:3], 0.5 * track.rows[3:], track.rate)
    ends = np.array([0]), np.array([track.n - 1])
    assert louder.views(*ends) == pytest.approx(track.views(*ends), abs=1e-5)


@settings(max_examples=40)
@given(
    gaps=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    shortest=st.floats(0.02, 0.3),
    more=st.floats(0.01, 0.6),
)
def test_every_segment_lies_on_a_way_through_the_recording(gaps, shortest, more):
    cuts, rate = np.concatenate([[0], np.cumsum(gaps)]), 50.0
    durations = Durations(shortest, shortest + more)
    segments = durations.segments(cuts, rate)
    n = len(cuts)
    begins, ends = set(segments[:, 0].tolist()), set(segments[:, 1].tolist())
    assert 0 in begins and n - 1 in ends
    assert begins - {0} <= ends and ends - {n - 1} <= begins
    seconds = (cuts[segments[:, 1]] - cuts[segments[:, 0]]) / rate
    fits = ((seconds >= shortest) & (seconds <= shortest + more)).all()
    assert fits or segments.tolist() == [[0, n - 1]]


# Writing


@pytest.mark.parametrize("case", ["2d", "3d"])
def test_letters_of_a_word_follow_one_another_and_fill_the_recording(case):
    for index in range(4):
        rec, spans = write_word(Writer.draw(index), "LETTER", case, np.random.default_rng(index))
        assert spans.shape == (6, 2)
        assert (spans[:, 0] < spans[:, 1]).all()
        assert (spans[1:, 0] > spans[:-1, 1]).all()
        assert spans[0, 0] > 0.1 and spans[-1, 1] < rec.t[-1]
        assert rec.label == "LETTER"
        cleaned = clean(rec, CleanConfig(trim=False))
        first, last = moving_span(cleaned)
        assert abs(first / 50 - spans[0, 0]) < 0.6 and abs(last / 50 - spans[-1, 1]) < 0.6


def test_words_on_a_surface_go_to_the_right_and_those_in_the_air_stay():
    from imuscribe.signals.simulate.hand import join

    writer, rng = Writer.draw(2), np.random.default_rng(0)
    letters = [writer.drawn("O", "2d", i, rng) for i in range(4)]
    width = np.ptp(letters[0][0])
    beside, _ = join(letters, 0.4, 1.0, True, rng)
    above, _ = join(letters, 0.4, 1.0, False, rng)
    assert np.ptp(beside[0]) > 3.5 * width
    assert np.ptp(above[0]) < 1.6 * width


def test_splicing_keeps_the_letters_and_adds_moves_between_them():
    writer, rng = Writer.draw(1), np.random.default_rng(0)
    motions = []
    for char in "AB":
        from imuscribe.signals.simulate import write_letter

        rec, _ = write_letter(writer, char, "3d", rng, rate=100.0)
        motions.append(writing_motion(clean(rec, CleanConfig())))
    track, spans = splice(motions, "AB", np.random.default_rng(0))
    a, b = (len(m.t) for m in motions)
    assert spans[0] == pytest.approx([0, (a - 1) / 50])
    assert 0.1 < spans[1, 0] - spans[0, 1] < 0.5
    ratio = track.rows[:3, :a] / motions[0].acceleration
    assert ratio == pytest.approx(np.full_like(ratio, ratio[0, 0]), rel=1e-3)
    assert track.n == a + b + round((spans[1, 0] - spans[0, 1]) * 50) - 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: write_word(Writer.draw(0), "", "3d", np.random.default_rng(0)), "empty word"),
        (lambda: write_word(Writer.draw(0), "A€", "3d", np.random.default_rng(0)), "no strokes"),
        (lambda: splice([], "", np.random.default_rng(0)), "need one for each letter"),
        (lambda: Lattice(ABC, np.zeros(1), np.zeros((3, 1, 1))), "at least 2 cuts"),
        (lambda: Lattice(ABC, np.zeros(2), np.zeros((3, 2, 2))), "ends before it begins"),
        (lambda: Lattice(ABC, np.zeros(2), np.full((3, 2, 2), np.nan)), "NaN"),
        (lambda: random_lattice(0, 4).bounds("AX"), "not in the alphabet"),
        (lambda: LatticeBeam(CharModel(WORDS), width=0), "at least 1"),
        (lambda: Durations.fit([]), "no letter"),
        (
            lambda: LatticeDecoder(Lexicon({"AB": 1}, ("A", "B"))).decode(random_lattice(0, 4)),
            "other alphabets",
        ),
    ],
)
def test_wrong_input_is_refused_in_one_line(make, message):
    with pytest.raises(InputError, match=message):
        make()
