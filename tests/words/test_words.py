"""Words from letters: the decoders against exhaustive search, and what a reader may rely on."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imuscribe.signals.errors import InputError
from imuscribe.words.decode.decoding import (
    BeamDecoder,
    Candidate,
    ClosedDecoder,
    CountingDecoder,
    MixtureDecoder,
    RescoringDecoder,
)
from imuscribe.words.decode.fitting import Confidence
from imuscribe.words.decode.lexicon import LETTERS, MOST_WORDS, Lexicon, load_lexicon
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.letters import UNREADABLE, Confusion, Letters, RepeatFusion
from imuscribe.words.llm import aggregation_prompt, parse_word

ABC = ("A", "B", "C")
SMALL = Lexicon({"AB": 5, "BA": 1, "CAB": 3, "ABBA": 2, "BABA": 1, "CC": 1}, ABC)


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def random_letters(seed: int, n: int, labels: tuple[str, ...] = ABC, sure: float = 1.0) -> Letters:
    rng = np.random.default_rng(seed)
    return RepeatFusion().letters(labels, log_softmax(sure * rng.normal(size=(n, 2, len(labels)))))


def letters_of(word: str, labels: tuple[str, ...] = LETTERS, sure: float = 6.0) -> Letters:
    scores = np.zeros((len(word), 1, len(labels)))
    for i, c in enumerate(word):
        scores[i, 0, labels.index(c)] = sure
    return RepeatFusion().letters(labels, log_softmax(scores))


# Exactness


@settings(max_examples=60)
@given(
    counts=st.dictionaries(
        st.text("ABC", min_size=3, max_size=3), st.integers(1, 1000), min_size=1, max_size=27
    ),
    seed=st.integers(0, 10**6),
    weight=st.sampled_from([0.0, 0.5, 1.0]),
    n_best=st.integers(1, 27),
)
def test_closed_decoder_is_the_posterior_by_brute_force(counts, seed, weight, n_best):
    letters = random_letters(seed, 3)
    total = sum(counts.values())
    joint = {
        word: np.exp(sum(letters.log_probs[i, ABC.index(c)] for i, c in enumerate(word)))
        * (count / total) ** weight
        for word, count in counts.items()
    }
    found = ClosedDecoder(Lexicon(counts, ABC), weight).decode(letters, n_best)
    assert [c.word for c in found] == sorted(joint, key=joint.__getitem__, reverse=True)[:n_best]
    for candidate in found:
        expected = joint[candidate.word] / sum(joint.values())  # of all words, not of those named
        assert candidate.probability == pytest.approx(expected, abs=1e-12)


def test_the_best_of_thousands_of_words_come_in_order():
    words = ["".join(s) for s in itertools.product(ABC, repeat=8)]
    letters = random_letters(0, 8)
    scores = [sum(letters.log_probs[i, ABC.index(c)] for i, c in enumerate(w)) for w in words]
    expected = [words[i] for i in np.argsort(scores)[::-1][:3000]]
    found = ClosedDecoder(Lexicon(dict.fromkeys(words, 1), ABC)).decode(letters, 3000)
    assert [c.word for c in found] == expected


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 5),
    order=st.integers(1, 4),
    weight=st.sampled_from([0.5, 1.0]),
)
def test_a_beam_as_wide_as_all_strings_is_the_exact_search(seed, n, order, weight):
    model = CharModel(SMALL, order)
    letters = random_letters(seed, n)
    strings = ["".join(s) for s in itertools.product(ABC, repeat=n)]
    scores = np.array(
        [
            sum(letters.log_probs[i, ABC.index(c)] for i, c in enumerate(s))
            + weight * model.log_prob(s)
            for s in strings
        ]
    )
    expected = dict(zip(strings, log_softmax(scores), strict=True))
    found = BeamDecoder(model, weight, width=3**n).decode(letters, 3**n)
    assert {c.word: c.log_prob for c in found} == pytest.approx(expected)
    narrow = BeamDecoder(model, weight, width=27).decode(letters, 1)[0]
    assert narrow.word == found[0].word


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 4))
def test_the_mixture_sums_both_ways_to_a_word(seed, n):
    letters = random_letters(seed, n)
    closed, beam = ClosedDecoder(SMALL), BeamDecoder(CharModel(SMALL, 3), width=3**n)
    share = 0.3
    found = MixtureDecoder(closed, beam, share).decode(letters, 3**n)
    words = SMALL.of_length(n)
    prior = {w: (1 - share) * np.exp(p) for w, p in zip(words.words, words.log_prior, strict=True)}
    of_length = sum(
        np.exp(beam.model.log_prob("".join(s))) for s in itertools.product(ABC, repeat=n)
    )
    assert beam.model.log_prob_of_length(n) == pytest.approx(np.log(of_length))
    joint = {}
    for spelt in itertools.product(ABC, repeat=n):
        word = "".join(spelt)
        p = prior.get(word, 0.0) + share * np.exp(beam.model.log_prob(word)) / of_length
        joint[word] = p * np.exp(
            sum(letters.log_probs[i, ABC.index(c)] for i, c in enumerate(word))
        )
    total = sum(joint.values())
    assert {c.word: c.probability for c in found} == pytest.approx(
        {word: p / total for word, p in joint.items()}
    )


# The character model


@pytest.mark.parametrize("order", [1, 2, 4])
def test_every_context_predicts_a_distribution_and_all_words_sum_to_one(order):
    model = CharModel(SMALL, order)
    assert np.exp(model.log_probs).sum(axis=1) == pytest.approx(1.0)
    lengths = np.exp([model.log_prob_of_length(n) for n in range(400)])
    assert lengths.sum() == pytest.approx(1.0, abs=1e-6)


def test_it_finds_words_like_those_it_learnt_from_likelier_than_others():
    model = CharModel(Lexicon({"SINGING": 1, "RINGING": 1, "SORTING": 1, "STRING": 1}))
    assert model.log_prob("RESTING") > model.log_prob("GNITSER")
    assert np.isfinite(model.log_prob("QQQQ"))


def test_the_witten_bell_figure_by_hand():
    # "AB" once: after A, seen once, only B; below that A, B and the end, each seen once.
    model = CharModel(Lexicon({"AB": 1}, ("A", "B")), order=2)
    unigram = (1 + 3 * (1 / 3)) / (3 + 3)
    after = (1 + 1 * unigram) / (1 + 1)
    assert model.log_prob("AB") == pytest.approx(3 * np.log(after))


# Letters


def test_repeated_readings_multiply_and_redundancy_takes_it_back():
    one = log_softmax(np.array([[[2.0, 1.0, 0.0]]]))
    twice = np.repeat(one, 2, axis=1)
    assert RepeatFusion()(twice) == pytest.approx(log_softmax(2 * one[:, 0]))
    assert RepeatFusion(redundancy=1.0)(twice) == pytest.approx(one[:, 0])


def test_a_reading_nobody_could_parse_says_nothing():
    read = log_softmax(np.array([[[2.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]))
    read[0, 1] = -np.inf
    letters = RepeatFusion(redundancy=0.5).letters(ABC, read)
    assert letters.log_probs == pytest.approx(read[:, 0])
    assert letters.guesses.tolist() == [[0, UNREADABLE]]
    assert CountingDecoder(SMALL).decode(letters_of("AB", ABC), 1)[0].word == "AB"


def test_a_temperature_is_found_that_makes_overconfident_readings_honest():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=4000)
    honest = rng.normal(size=(4000, 1, 3))
    honest[np.arange(4000), 0, truth] += 1.0  # the log-odds of equal-variance normals: shift 1
    fitted = RepeatFusion.fit([log_softmax(3 * honest)], [truth])
    assert fitted.temperature == pytest.approx(3.0, rel=0.1)
    assert fitted.redundancy == 0.0


def test_copies_of_one_reading_are_found_redundant_and_fresh_readings_are_not():
    rng = np.random.default_rng(1)
    truth = rng.integers(3, size=3000)

    def read(k):
        scores = rng.normal(size=(3000, k, 3))
        scores[np.arange(3000), :, truth] += 1.0
        return log_softmax(scores)

    single = read(1)
    copies = RepeatFusion.fit([single, np.repeat(single, 3, axis=1)], [truth, truth])
    fresh = RepeatFusion.fit([read(1), read(3)], [truth, truth])
    assert copies.redundancy > 0.95
    assert fresh.redundancy < 0.15


def test_confusions_are_counted_by_what_was_written_with_smoothing():
    truth = np.array([0, 0, 0, 1])
    guesses = np.array([0, 2, 2, UNREADABLE])
    channel = Confusion.fit(truth, guesses, 3, add=0.3)
    assert np.exp(channel.log_probs[0]) == pytest.approx(np.array([1.3, 0.3, 2.3]) / 3.9)
    assert np.exp(channel.log_probs[1]) == pytest.approx(1 / 3)
    # A reader that calls A mostly C: a C is best explained by an A, and two say so more surely.
    one = channel.letters(ABC, np.array([[2]])).log_probs
    two = channel.letters(ABC, np.array([[2, 2]])).log_probs
    assert one.argmax() == two.argmax() == 0 and two.max() > one.max()


def test_knowing_the_confusions_beats_counting_matches():
    """The study's WEST read as NEST: its model reads W as N half of the time."""
    lexicon = Lexicon({"WEST": 1, "NEST": 1, "PEST": 1})
    column = {c: i for i, c in enumerate(LETTERS)}
    truth = np.array([column[c] for c in "W" * 10 + "N" * 11 + "EST" * 10])
    guesses = np.array([column[c] for c in "NNNNNWWWWM" + "NNNNNNNVVJL" + "EST" * 10])
    read = [[column[c] for c in three] for three in ("NWN", "EEE", "SSS", "TTT")]
    letters = Confusion.fit(truth, guesses, 26).letters(LETTERS, np.array(read))
    assert ClosedDecoder(lexicon).decode(letters, 1)[0].word == "WEST"
    assert CountingDecoder(lexicon).decode(letters, 1)[0].word == "NEST"


def test_a_longer_word_is_easier_with_equally_blurred_letters():
    lexicon = load_lexicon("english")
    rng = np.random.default_rng(0)
    right = {}
    for n in (3, 6, 10):
        words = rng.choice(lexicon.of_length(n).words, 60)
        scores = rng.normal(size=(60, n, 1, 26))
        for i, word in enumerate(words):
            for j, c in enumerate(word):
                scores[i, j, 0, LETTERS.index(c)] += 2.5
        read = [RepeatFusion().letters(LETTERS, log_softmax(s)) for s in scores]
        decoder = ClosedDecoder(lexicon, 0.0)
        right[n] = np.mean(
            [decoder.decode(x, 1)[0].word == w for x, w in zip(read, words, strict=True)]
        )
    assert right[3] < right[6] <= right[10]


# Lexica


def test_the_nouns_are_1500_of_3_to_6_letters():
    lexicon = load_lexicon("nouns")
    assert len(lexicon) == 1500 and list(lexicon.by_length) == [3, 4, 5, 6]
    assert {"TIME", "HOUSE", "WATER"} <= set(lexicon.counts)


def test_english_is_weighted_by_use_and_a_users_words_join_it(tmp_path: Path):
    names = tmp_path / "names.txt"
    names.write_text("# friends\nimuscribe\nZoë\nZzyzx 123456789\n", encoding="utf-8")
    english = load_lexicon("english")
    both = load_lexicon(f"english+{names}")
    assert english.counts["THE"] > 1000 * english.counts["THENCE"]
    assert "IMUSCRIBE" not in english and "imuscribe" in both
    assert both.left_out == english.left_out + 1  # ë is not in the alphabet
    assert both.counts["ZZYZX"] == 123456789
    usual = np.median(list(english.counts.values()))
    assert both.counts["IMUSCRIBE"] == pytest.approx(usual, rel=0.01)


def test_a_word_given_twice_has_its_highest_count_whatever_its_case_and_list(tmp_path: Path):
    mine = tmp_path / "mine.txt"
    mine.write_bytes(b"\xef\xbb\xbfhello 5\r\nHello 3\r\nhello 2\r\nworld 9\r\nThe\r\n")
    assert load_lexicon(str(mine)).counts == {"HELLO": 5, "WORLD": 9, "THE": 4}
    english = load_lexicon("english")
    assert load_lexicon(f"english+{mine}").counts["THE"] == english.counts["THE"]


def test_case_follows_the_alphabet():
    assert set(Lexicon({"Ab": 1}, ABC).counts) == {"AB"}
    assert set(Lexicon({"Ab": 1}, ("a", "b")).counts) == {"ab"}
    assert set(Lexicon({"Ab": 1, "ab": 2}, ("A", "b", "a")).counts) == {"Ab", "ab"}


# Language models and confidence


def test_rescoring_follows_the_model_as_far_as_its_weight():
    letters = letters_of("AB", ABC, sure=1.0)
    asked = []

    def likes_ba(context, words):
        asked.append((context, tuple(words)))
        return np.array([0.0 if word == "BA" else -20.0 for word in words])

    closed = ClosedDecoder(SMALL, 0.0)
    plain = closed.decode(letters)
    assert RescoringDecoder(closed, likes_ba, 0.0).decode(letters) == plain
    best = RescoringDecoder(closed, likes_ba, 1.0, context="not AB but").decode(letters)[0]
    assert best.word == "BA"
    assert asked[-1] == ("not AB but", tuple(c.word for c in plain))


def test_the_aggregation_tells_the_guesses_and_takes_only_a_word_that_fits():
    guesses = np.array([[0, 2], [1, UNREADABLE]])
    letters = Letters(ABC, np.log(np.full((2, 3), 1 / 3)), guesses)
    prompt = aggregation_prompt(letters)
    assert "Letter 1: A, C\nLetter 2: B, ?" in prompt and "2 capital letters" in prompt
    assert parse_word("The word is: ab.", 2, ABC) == "AB"
    assert parse_word('BA is near, but the word is "AB".', 2, ABC) == "AB"
    assert parse_word('The word is "CAB".', 2, ABC) == ""
    assert parse_word('The word is "S, S".', 3, LETTERS) == ""  # and not THE
    assert parse_word("", 2, ABC) == ""


def test_confidence_is_learnt_from_what_came_true():
    said = Candidate("AB", np.log(0.95))
    fitted = Confidence.fit([(said, "AB"), (said, "BA")] * 200)
    assert fitted(said) == pytest.approx(0.5, abs=0.05)
    assert Confidence()(said) == pytest.approx(0.95)
    sure = ClosedDecoder(SMALL).decode(letters_of("AB", ABC, sure=9.0))[0]
    assert fitted(said) < fitted(sure) < 0.9999999 and Confidence()(sure) > 0.9


# Mistakes


@pytest.mark.parametrize(
    ("readings", "message"),
    [
        (np.zeros((0, 1, 3)), "at least one letter"),
        (np.zeros((2, 0, 3)), "k is 0"),
        (np.log(np.full((2, 1, 4), 0.25)), r"need \(n_positions, k, 3\)"),
        (np.full((2, 1, 3), np.nan), "position 1: a log-probability is NaN"),
        (np.log([[[0.2, 0.3, 0.5]], [[0.9, 0.9, 0.9]]]), "position 2: probabilities sum to 2.7"),
        (np.array([[[0.2, 0.3, 0.5]]]), "natural logarithms"),
        ([[[-1.0, -1.0, -1.0]], [[-1.0, -1.0, -1.0]] * 2], "position 1|unequal"),
    ],
)
def test_readings_that_are_none_are_refused_in_one_line(readings, message):
    with pytest.raises(InputError, match=message) as error:
        RepeatFusion().letters(ABC, readings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("guesses", "message"),
    [
        ([], "at least one letter"),
        ([[], []], "k is 0"),
        ([["A"], ["Ä"]], "guess 'Ä': not in the alphabet"),
        (np.array([[7]]), "guess 7: the alphabet has 3 labels"),
        (np.array([[-2, 1]]), "guess -2: the alphabet has 3 labels"),
        (np.array([[1.5]]), "guess 1.5"),
    ],
)
def test_guesses_that_are_none_are_refused(guesses, message):
    with pytest.raises(InputError, match=message):
        Confusion(np.log(np.full((3, 3), 1 / 3))).letters(ABC, guesses)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "lexicon is empty"),
        ({"ÄÖÜ": 1}, "no word of the letters ABC"),
        ({"AB": -1}, "word 'AB': its count is -1"),
        ({"AB": float("nan")}, "its count is nan"),
    ],
)
def test_lexica_that_are_none_are_refused(counts, message):
    with pytest.raises(InputError, match=message):
        Lexicon(counts, ABC)


def test_a_huge_lexicon_is_refused_before_it_fills_the_memory():
    class Huge(dict):
        def __len__(self):
            return MOST_WORDS + 1

    with pytest.raises(InputError, match="at most 2,000,000"):
        Lexicon(Huge(A=1), ABC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no word"),
        ("one two three\n", "line 1: 3 items"),
        ("one many\n", "'many' is no count"),
        ("two 2\none -1\n", "line 2: '-1' is no count"),
        ("one nan\n", "'nan' is no count"),
    ],
)
def test_word_lists_that_are_none_are_refused(tmp_path: Path, text, message):
    path = tmp_path / "words.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_lexicon(str(path))
    with pytest.raises(InputError, match="did you mean 'english'"):
        load_lexicon("englisch")
    with pytest.raises(InputError, match="without a name: give english, nouns"):
        load_lexicon("english+")


@pytest.mark.parametrize("labels", [("a", "b", "c"), ("C", "B", "A"), ("A", "B")])
def test_letters_of_another_alphabet_than_the_lexicon_spell_no_word(labels):
    letters = random_letters(0, 2, labels)
    closed, beam = ClosedDecoder(SMALL), BeamDecoder(CharModel(SMALL))
    for decoder in (closed, CountingDecoder(SMALL), beam, MixtureDecoder(closed, beam)):
        with pytest.raises(InputError, match="build the lexicon with the letters' labels"):
            decoder.decode(letters)


def test_letters_without_a_fusion_are_checked_too():
    guesses = np.zeros((2, 1), dtype=np.int64)
    with pytest.raises(InputError, match="position 2: a value is NaN"):
        Letters(ABC, np.array([[0.0, 0.0, 0.0], [0.0, np.nan, 0.0]]), guesses)
    with pytest.raises(InputError, match=r"need \(n_positions, 3\)"):
        Letters(ABC, np.zeros((2, 4)), guesses)
    with pytest.raises(InputError, match="temperature 0: need a positive"):
        RepeatFusion(0.0)


def test_a_word_longer_than_any_is_an_error_or_left_to_the_character_model():
    letters = random_letters(0, 9)
    closed = ClosedDecoder(SMALL)
    with pytest.raises(InputError, match=r"9 letters: .* 2 to 4 letters: use an open vocabulary"):
        closed.decode(letters)
    beam = BeamDecoder(CharModel(SMALL))
    mixed = MixtureDecoder(closed, beam).decode(letters, 3)
    assert [c.word for c in mixed] == [c.word for c in beam.decode(letters, 3)]
    with pytest.raises(InputError, match="open share 1"):
        MixtureDecoder(closed, beam, 1.0)
    with pytest.raises(InputError, match="beam width 0"):
        BeamDecoder(CharModel(SMALL), width=0)
    with pytest.raises(InputError, match="order 0"):
        CharModel(SMALL, 0)
