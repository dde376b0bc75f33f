"""A lexicon that does not know every word: fused with the character model, and with an LLM."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.words.decode.beam import BeamDecoder
from imuscribe.words.decode.decoding import Candidate, ClosedDecoder, Decoder, Float, best, spelling
from imuscribe.words.letters import Letters

WordScores = Callable[[str, Sequence[str]], Float]
"""Natural-log probabilities of words after a context, as a language model finds them."""


class MixtureDecoder:
    """A word comes from the lexicon or, with probability `open_share`, from the character model.

    ``log p(word | letters) ∝ Σ_i log p_i + log((1 − s) p_lexicon(word) + s p_model(word))``, both
    priors given the word's length and with their own exponents. Weighed are all words of the
    lexicon and what a beam finds. Where the lexicon has no word of that length the character model
    decides alone.

    Parameters
    ----------
    closed : ClosedDecoder
    beam : BeamDecoder
    open_share : float
        Expected share of words that the lexicon lacks, between 0 and 1.
    """

    def __init__(self, closed: ClosedDecoder, beam: BeamDecoder, open_share: float = 0.1) -> None:
        if not 0 < open_share < 1:
            raise InputError(f"open share {open_share:g}: need a number between 0 and 1")
        self.closed = closed
        self.beam = beam
        self.open_share = open_share

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
        closed_scores = spelling(words, letters.log_probs) + prior
        scores = dict(zip(found, open_scores, strict=True))
        for i in np.argsort(-closed_scores)[: max(100, n_best)]:
            word = words.words[i]
            scores[word] = float(np.logaddexp(closed_scores[i], scores.get(word, -np.inf)))
        return best(list(scores), np.array(list(scores.values())), n_best)


class RescoringDecoder:
    """Weigh the n-best of another decoder with a language model that has read words in sentences.

    Parameters
    ----------
    decoder : Decoder
    word_scores : callable
        ``(context, words) → log-probabilities``.
    weight : float
        Exponent of the language model.
    n_best : int
        Candidates it is asked about.
    context : str
        What stands before the word.
    """

    def __init__(
        self,
        decoder: Decoder,
        word_scores: WordScores,
        weight: float,
        n_best: int = 20,
        context: str = "",
    ) -> None:
        self.decoder = decoder
        self.word_scores = word_scores
        self.weight = weight
        self.n_best = n_best
        self.context = context

    def decode(self, letters: Letters, n_best: int = 10) -> list[Candidate]:
        """Return the other decoder's candidates in their new order."""
        candidates = self.decoder.decode(letters, self.n_best)
        words = [candidate.word for candidate in candidates]
        own = np.array([candidate.log_prob for candidate in candidates])
        return best(words, own + self.weight * self.word_scores(self.context, words), n_best)
