"""A character n-gram model of words: what a word looks like that no lexicon holds.

Interpolated Witten–Bell smoothing (Witten & Bell, IEEE Trans. Inf. Theory 37, 1991): after a
context h seen N times with T different letters behind it,

    p(c | h) = (N(h, c) + T(h) · p(c | h')) / (N(h) + T(h)),

h' being h without its first letter. Below the single letters is the uniform distribution, so every
string has a probability.
"""

from __future__ import annotations

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.words.decode.lexicon import Lexicon
from imuscribe.words.letters import Float, Int


class CharModel:
    """Witten–Bell over letters as a finite automaton.

    A state is the longest context that was seen; a letter leads from one state to the next. So
    thousands of hypotheses go on at once by looking up rows.

    An n-gram spans `order` letters, the predicted one included. A word seen n times counts
    n ** damping (n in units of the smallest count): 0 learns from the list of words alone, which
    suits rare ones; 1 from running text. `log_probs` (n_states, n_labels + 1) are of every next
    letter, and of the word's end in the last column; `following` (n_states, n_labels) is the state
    after each letter, `start` the one before a word's first.
    """

    def __init__(self, lexicon: Lexicon, order: int = 5, damping: float = 0.0) -> None:
        if order < 1:
            raise InputError(f"order {order}: an n-gram spans at least 1 letter")
        self.labels = lexicon.labels
        base = len(self.labels) + 2  # the letters, the word's end, and what stands before a word
        counts = _counts(lexicon, order, damping, base)
        contexts, rows = [np.zeros(1, dtype=np.int64)], [_unigrams(counts[0], base)]
        for n in range(1, order):
            seen, learnt = _interpolate(counts[n], contexts[-1], rows[-1], base ** (n - 1))
            contexts.append(seen)
            rows.append(learnt)
        first = np.cumsum([0, *map(len, contexts)])
        self.log_probs = np.log(np.concatenate(rows))
        self.following = _transitions(contexts, first, base)
        before = sum((base - 1) * base**i for i in range(order - 1))
        self.start = int(first[-2] + np.searchsorted(contexts[-1], before)) if order > 1 else 0
        self._lengths: list[float] = []
        self._reached: Float = np.zeros(len(self.log_probs))
        self._reached[self.start] = 1.0

    def log_prob(self, word: str) -> float:
        """Return the natural-log probability of a word, its end included."""
        state, total = self.start, 0.0
        for character in word:
            if character not in self.labels:
                raise InputError(f"word '{word}': '{character}' is not in the alphabet")
            code = self.labels.index(character)
            total += float(self.log_probs[state, code])
            state = int(self.following[state, code])
        return total + float(self.log_probs[state, -1])

    def log_prob_of_length(self, n: int) -> float:
        """Return the natural-log probability that a word has `n` letters."""
        while n >= len(self._lengths):
            self._lengths.append(float(np.log(self._reached @ np.exp(self.log_probs[:, -1]))))
            moved = self._reached[:, None] * np.exp(self.log_probs[:, :-1])
            summed = np.bincount(self.following.ravel(), moved.ravel(), len(moved))
            self._reached = np.asarray(summed, dtype=np.float64)
        return self._lengths[n]


def _counts(
    lexicon: Lexicon, order: int, damping: float, base: int
) -> list[tuple[Int, Int, Float]]:
    """Return for every context length the seen (context, next symbol, count), sorted by context."""
    contexts: list[list[Int]] = [[] for _ in range(order)]
    symbols: list[Int] = []
    weights: list[Float] = []
    least = min(lexicon.counts.values())
    for n, words in lexicon.by_length.items():
        counts = np.array([lexicon.counts[word] for word in words.words])
        padded = np.full((order - 1 + n + 1, len(counts)), base - 1, dtype=np.int64)
        padded[order - 1 : -1] = words.codes
        padded[-1] = base - 2
        for at in range(order - 1, len(padded)):
            code = np.zeros(len(counts), dtype=np.int64)
            for length in range(order):
                if length:
                    code = code + padded[at - length] * base ** (length - 1)
                contexts[length].append(code)
            symbols.append(padded[at])
            weights.append((counts / least) ** damping)
    symbol, weight = np.concatenate(symbols), np.concatenate(weights)
    found = []
    for context in contexts:
        gram, where = np.unique(np.concatenate(context) * base + symbol, return_inverse=True)
        summed: Float = np.bincount(where, weight).astype(np.float64)
        found.append((gram // base, gram % base, summed))
    return found


def _unigrams(counts: tuple[Int, Int, Float], base: int) -> Float:
    """Return the single row below all contexts, shape (1, n_labels + 1)."""
    _, symbol, count = counts
    row = np.zeros(base - 1)
    row[symbol] = count
    kinds = np.count_nonzero(row)
    return np.asarray((row + kinds / (base - 1)) / (row.sum() + kinds))[None]


def _interpolate(
    counts: tuple[Int, Int, Float], shorter: Int, below: Float, highest: int
) -> tuple[Int, Float]:
    """Return the contexts of one length and their rows, from those one letter shorter.

    The oldest letter is the digit worth `highest`: without it, the shorter context remains.
    """
    context, symbol, count = counts
    seen, where = np.unique(context, return_inverse=True)
    rows = np.zeros((len(seen), below.shape[1]))
    rows[where, symbol] = count
    kinds = np.count_nonzero(rows, axis=1)[:, None]
    parent = np.searchsorted(shorter, seen % highest)
    return seen, (rows + kinds * below[parent]) / (rows.sum(axis=1, keepdims=True) + kinds)


def _transitions(contexts: list[Int], first: Int, base: int) -> Int:
    """Return the state after each letter: the longest context seen that ends in it."""
    letters = np.arange(base - 2)
    tables = []
    for length, seen in enumerate(contexts):
        state = np.zeros((len(seen), base - 2), dtype=np.int64)
        # Longer contexts come later and so replace shorter ones.
        for kept in range(1, min(length + 1, len(contexts) - 1) + 1):
            wanted = (seen % base ** (kept - 1))[:, None] * base + letters
            at = np.minimum(np.searchsorted(contexts[kept], wanted), len(contexts[kept]) - 1)
            state = np.where(contexts[kept][at] == wanted, first[kept] + at, state)
        tables.append(state)
    return np.concatenate(tables)
