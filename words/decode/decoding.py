"""From letters to candidates: over a closed lexicon, over any string, and mixtures of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.words.decode.lexicon import Lexicon, Words
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.letters import Float, Letters

WordScores = Callable[[str, Sequence[str]], Float]
"""Natural-log probabilities of words after a context, as a language model finds them."""


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


@dataclass(frozen=True)
class ClosedDecoder:
    """The exact posterior over a lexicon: ``log p(word | letters) ∝ Σ_i log p_i + w log prior``.

    Every word of the right length is scored, so nothing is missed: 100,000 of ten letters take a
    few milliseconds. `prior_weight` is the exponent w of the words' frequencies: 1 where people
    write as the counts were taken, 0 where all words are equally likely.
    """

    lexicon: Lexicon
    prior_weight: float = 1.0

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the most likely words of as many letters.

        InputError if the lexicon has no word of that length, or is written in another alphabet.
        """
        letters.check_alphabet(self.lexicon.labels)
        words = self.lexicon.of_length(len(letters))
        scores = _spelling(words, letters.log_probs) + self.prior_weight * words.log_prior
        return best(words.words, scores, n_best)


@dataclass(frozen=True)
class CountingDecoder:
    """The baseline that knows no channel: the word that most guesses agree with, letter by letter.

    Of equally good words the most frequent wins. Its probabilities mean nothing.
    """

    lexicon: Lexicon

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the words with the most matches."""
        letters.check_alphabet(self.lexicon.labels)
        words = self.lexicon.of_length(len(letters))
        votes = np.zeros((len(letters), len(letters.labels)))
        for position, guesses in enumerate(letters.guesses):
            np.add.at(votes[position], guesses[guesses >= 0], 1.0)
        # A share of all words is below one: it decides between equals and nothing else.
        scores = _spelling(words, votes) + np.exp(words.log_prior) / 2
        return best(words.words, scores, n_best)


@dataclass(frozen=True)
class BeamDecoder:
    """Open vocabulary: beam search under ``Σ_i log p_i + w log p(word)``, by a character model.

    `width` hypotheses are kept after every letter; as wide as the number of all strings it is the
    exact search. Probabilities are shares of what the beam holds at the end, so a narrow one is too
    sure of itself. `prior_weight` is the exponent w of the character model.
    """

    model: CharModel
    prior_weight: float = 1.0
    width: int = 300

    def __post_init__(self) -> None:
        if self.width < 1:
            raise InputError(f"beam width {self.width}: keep at least 1 hypothesis")

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the most likely strings of as many letters."""
        words, scores = self.search(letters)
        return best(words, scores, n_best)

    def search(self, letters: Letters) -> tuple[list[str], Float]:
        """Return every hypothesis left at the end with its unnormalised log-probability."""
        model, weight = self.model, self.prior_weight
        letters.check_alphabet(model.labels)
        scores, states = np.zeros(1), np.array([model.start])
        spelt = np.zeros((1, 0), dtype=np.int64)
        for row in letters.log_probs:
            longer = (scores[:, None] + weight * model.log_probs[states, :-1] + row).ravel()
            kept = np.arange(len(longer))
            if len(longer) > self.width:
                kept = np.argpartition(-longer, self.width - 1)[: self.width]
            before, letter = np.divmod(kept, len(row))
            scores = longer[kept]
            states = model.following[states[before], letter]
            spelt = np.concatenate([spelt[before], letter[:, None]], axis=1)
        scores = scores + weight * model.log_probs[states, -1]
        return ["".join(letters.labels[i] for i in row) for row in spelt], scores


@dataclass(frozen=True)
class MixtureDecoder:
    """A word comes from the lexicon or, with probability `open_share`, from the character model.

    ``log p(word | letters) ∝ Σ_i log p_i + log((1 − s) p_lexicon(word) + s p_model(word))``, both
    priors given the word's length and with their own exponents. Weighed are all words of the
    lexicon and what a beam finds. Where the lexicon has no word of that length the character model
    decides alone. `open_share`, between 0 and 1, is the expected share of words that the lexicon
    lacks.
    """

    closed: ClosedDecoder
    beam: BeamDecoder
    open_share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.open_share < 1:
            raise InputError(f"open share {self.open_share:g}: need a number between 0 and 1")

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the most likely words, those of the lexicon and others."""
        letters.check_alphabet(self.closed.lexicon.labels)
        found, open_scores = self.beam.search(letters)
        length = self.beam.model.log_prob_of_length(len(letters))
        open_scores = open_scores - self.beam.prior_weight * length + np.log(self.open_share)
        if len(letters) not in self.closed.lexicon.by_length:
            return best(found, open_scores, n_best)
        words = self.closed.lexicon.of_length(len(letters))
        prior = self.closed.prior_weight * words.log_prior
        prior = prior - np.logaddexp.reduce(prior) + np.log1p(-self.open_share)
        closed_scores = _spelling(words, letters.log_probs) + prior
        scores = dict(zip(found, open_scores, strict=True))
        for i in np.argsort(-closed_scores)[: max(100, n_best)]:
            word = words.words[i]
            scores[word] = float(np.logaddexp(closed_scores[i], scores.get(word, -np.inf)))
        return best(list(scores), np.array(list(scores.values())), n_best)


@dataclass(frozen=True)
class RescoringDecoder:
    """Weigh the n-best of another decoder with a language model that has read words in sentences.

    `weight` is the language model's exponent, `n_best` how many candidates it is asked about,
    `context` what stands before the word.
    """

    decoder: Decoder
    word_scores: WordScores
    weight: float
    n_best: int = 20
    context: str = ""

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the other decoder's candidates in their new order."""
        candidates = self.decoder.decode(letters, self.n_best)
        words = [candidate.word for candidate in candidates]
        own = np.array([candidate.log_prob for candidate in candidates])
        return best(words, own + self.weight * self.word_scores(self.context, words), n_best)


def best(words: Sequence[str], scores: Float, n_best: int) -> list[Candidate]:
    """Return the best-scored words with their share of all; equal scores keep their order."""
    n = min(max(n_best, 1), len(scores))
    top = np.argpartition(-scores, n - 1)[:n]
    top = top[np.lexsort((top, -scores[top]))]
    high = scores[top[0]]
    total = float(high + np.log(np.exp(scores - high).sum()))
    return [Candidate(words[i], float(scores[i]) - total) for i in top]


def _spelling(words: Words, log_probs: Float) -> Float:
    """Return the sum over positions of each word's letters, shape (n_words,)."""
    scores: Float = log_probs[0][words.codes[0]]
    for row, codes in zip(log_probs[1:], words.codes[1:], strict=True):
        scores += row[codes]
    return scores
