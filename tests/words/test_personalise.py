"""A personal reader: what a person's own words teach, and that noise or few words teach nothing."""

from __future__ import annotations

import numpy as np
import pytest

from imuscribe.signals.errors import InputError
from imuscribe.signals.simulate import SimulateConfig, simulate
from imuscribe.words.decode.decoding import ClosedDecoder
from imuscribe.words.decode.lexicon import LETTERS, Lexicon, load_lexicon
from imuscribe.words.personalise import PersonalReader, sequences
from imuscribe.words.speller import Speller


class FromLabels:
    """A made-up reader: right about most letters, never about those it mistakes for the next."""

    labels = LETTERS

    def __init__(self, mistaken: str = "") -> None:
        self.mistaken = mistaken

    def log_probs(self, recordings, progress=False):
        scores = np.zeros((len(recordings), 26))
        for row, rec in enumerate(recordings):
            noise = np.random.default_rng(list(rec.id.encode()))
            scores[row] = noise.normal(size=26)
            scores[row, (LETTERS.index(rec.label) + (rec.label in self.mistaken)) % 26] += 4.0
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


@pytest.fixture(scope="module")
def letters():
    config = SimulateConfig(
        people=1, labels="A,E,I,L,N,R,S,T", cases=("3d",), repetitions=10, rate=100
    )
    found = {}
    for rec in simulate(config):
        found.setdefault(rec.label, []).append(rec)
    return found


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    english = load_lexicon("english", size=20000)
    return Lexicon({w: n for w, n in english.counts.items() if len(w) >= 5})


def written(letters, lexicon, n: int):
    """Return words of these letters, of the first five recordings of each, and what they spell."""
    rng = np.random.default_rng(0)
    can = [w for k in (5, 6, 7) for w in lexicon.of_length(k).words if set(w) <= set(letters)]
    words = rng.choice(can, n, replace=False)
    return [[letters[c][rng.integers(5)] for c in word] for word in words]


def right(reader, letters) -> float:
    """Return how many of the recordings that no word was spelt from are read rightly."""
    rest = [rec for recordings in letters.values() for rec in recordings[5:]]
    answers = reader.log_probs(rest).argmax(axis=1)
    return float(np.mean([LETTERS[i] == rec.label for i, rec in zip(answers, rest, strict=True)]))


def test_letters_that_a_reader_mistakes_are_learnt_from_a_persons_words(letters, lexicon):
    reader = FromLabels(mistaken="S")
    speller = Speller(reader, lexicon, ClosedDecoder(lexicon, 0.2))
    own = speller.personalised(written(letters, lexicon, 40))
    assert own.reader.known.count("S") > 0
    assert right(own.reader, letters) > right(reader, letters) + 0.08
    found = np.exp(own.read(letters["S"][5:6]))
    assert found.shape == (1, 26) and found.sum() == pytest.approx(1.0)
    assert own.lexicon is lexicon and own.decoder is speller.decoder


def test_words_given_later_are_added(letters, lexicon):
    words = written(letters, lexicon, 24)
    speller = Speller(FromLabels(), lexicon, ClosedDecoder(lexicon, 0.2))
    twice = speller.personalised(words[:20]).personalised(words[20:])
    assert twice.reader.known == speller.personalised(words).reader.known


def test_words_that_the_decoder_is_not_sure_of_teach_nothing(letters, lexicon):
    class Unsure(FromLabels):
        def log_probs(self, recordings, progress=False):
            return np.full((len(recordings), 26), -np.log(26))

    reader = Unsure()
    own = PersonalReader(reader, ClosedDecoder(lexicon), written(letters, lexicon, 8))
    assert own.known == []
    assert own.log_probs(letters["A"]) == pytest.approx(reader.log_probs(letters["A"]))


def test_fewer_than_four_words_leave_none_to_check_with(letters, lexicon):
    with pytest.raises(InputError, match="3 words: give at least 4"):
        PersonalReader(FromLabels(), ClosedDecoder(lexicon), written(letters, lexicon, 3))


def test_movements_have_one_length_whatever_the_pace(letters):
    found = sequences([letters["A"][0], letters["S"][0]])
    assert found.shape == (2, 6, 32)
