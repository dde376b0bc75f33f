"""What every decoder answers, and the two exact ones over a closed lexicon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imuscribe.words.decode.lexicon import Lexicon, Words
from imuscribe.words.letters import Letters

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A word and its natural-log probability among all that the decoder weighed."""

    word: str
    log_prob: float

    @property
    def probability(self) -> float:
        """Between 0 and 1."""
        return float(np.exp(self.log_prob))


class Decoder(Protocol):
    """Turns the letters of a word into candidates."""

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the most likely words, best first; at least one, at most `n_best`."""
        ...


class ClosedDecoder:
    """The exact posterior over a lexicon: ``log p(word | letters) ∝ Σ_i log p_i + w log prior``.

    Every word of the right length is scored, so nothing is missed: 100,000 of ten letters take a
    few milliseconds.

    Parameters
    ----------
    lexicon : Lexicon
    prior_weight : float
        Exponent of the words' frequencies: 1 where people write as the counts were taken, 0 where
        all words are equally likely.
    """

    def __init__(self, lexicon: Lexicon, prior_weight: float = 1.0) -> None:
        self.lexicon = lexicon
        self.prior_weight = prior_weight

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the most likely words of as many letters.

        Raises
        ------
        InputError
            If the lexicon has no word of that length, or is written in another alphabet.
        """
        letters.check_alphabet(self.lexicon.labels)
        words = self.lexicon.of_length(len(letters))
        scores = spelling(words, letters.log_probs) + self.prior_weight * words.log_prior
        return best(words.words, scores, n_best)


class CountingDecoder:
    """The rival that knows no channel: the word that most guesses agree with, letter by letter.

    Of equally good words the most frequent wins. Its probabilities mean nothing.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the words with the most matches."""
        letters.check_alphabet(self.lexicon.labels)
        words = self.lexicon.of_length(len(letters))
        votes = np.zeros((len(letters), len(letters.labels)))
        for position, guesses in enumerate(letters.guesses):
            np.add.at(votes[position], guesses[guesses >= 0], 1.0)
        # A share of all words is below one: it decides between equals and nothing else.
        scores = spelling(words, votes) + np.exp(words.log_prior) / 2
        return best(words.words, scores, n_best)


def spelling(words: Words, log_probs: Float) -> Float:
    """Return the sum over positions of each word's letters, shape (n_words,)."""
    scores: Float = log_probs[0][words.codes[0]]
    for row, codes in zip(log_probs[1:], words.codes[1:], strict=True):
        scores += row[codes]
    return scores


def best(words: Sequence[str], scores: Float, n_best: int) -> list[Candidate]:
    """Return the best-scored words with their share of all; equal scores keep their order."""
    n = min(max(n_best, 1), len(scores))
    top = np.argpartition(-scores, n - 1)[:n]
    top = top[np.lexsort((top, -scores[top]))]
    high = scores[top[0]]
    total = float(high + np.log(np.exp(scores - high).sum()))
    return [Candidate(words[i], float(scores[i]) - total) for i in top]
