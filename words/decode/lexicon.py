"""The words that may be meant, and how common each is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest
from imuscribe.words.letters import Float

LETTERS = tuple(ascii_uppercase)
MOST_WORDS = 2_000_000
PACKAGED = ("english", "nouns")

_COUNTS = ("symspellpy", "frequency_dictionary_en_82_765.txt")


@dataclass(frozen=True)
class Words:
    """The words of one length."""

    words: tuple[str, ...]
    codes: NDArray[np.uint8]
    """Column of every letter in the alphabet, (n_letters, n_words): a position is contiguous."""
    log_prior: Float
    """Natural logarithm of each word's share of all words of its length, (n_words,)."""


class Lexicon:
    """Words with counts, written in an alphabet, by length.

    Parameters
    ----------
    counts : mapping of str to float
        How often each word occurs; only ratios matter.
    labels : sequence of str
        The alphabet, one character each. Where it has one case only, words are turned into it. A
        word with any other character cannot be written and is left out (`left_out` counts them).

    Raises
    ------
    InputError
        If no word is left, there are more than `MOST_WORDS`, or a count is not positive.
    """

    def __init__(self, counts: Mapping[str, float], labels: Sequence[str] = LETTERS) -> None:
        if not counts:
            raise InputError("the lexicon is empty: give at least one word")
        if len(counts) > MOST_WORDS:
            raise InputError(f"the lexicon has {len(counts):,} words: at most {MOST_WORDS:,}")
        if long := [label for label in labels if len(label) != 1]:
            raise InputError(f"label '{long[0]}' is no single character: words need an alphabet")
        column = {label: i for i, label in enumerate(labels)}
        merged: dict[str, float] = {}
        self.left_out = 0
        for word, count in counts.items():
            if not (count > 0 and math.isfinite(count)):
                raise InputError(f"word '{word}': its count is {count:g}: need a positive number")
            folded = fold(word, labels)
            if folded and column.keys() >= set(folded):
                merged[folded] = merged.get(folded, 0.0) + count
            else:
                self.left_out += 1
        if not merged:
            word = next(iter(counts))
            raise InputError(f"the lexicon has no word of the letters {''.join(labels)}: '{word}'")
        self.labels = tuple(labels)
        self.counts = merged
        by_length: dict[int, list[str]] = {}
        for word in merged:
            by_length.setdefault(len(word), []).append(word)
        self.by_length = {
            n: self._of_length(words, column) for n, words in sorted(by_length.items())
        }

    def __len__(self) -> int:
        return len(self.counts)

    def __contains__(self, word: str) -> bool:
        return fold(word, self.labels) in self.counts

    def of_length(self, n: int) -> Words:
        """Return the words of `n` letters; an `InputError` names the lengths there are."""
        if n not in self.by_length:
            raise InputError(
                f"{n} letters: no word of the lexicon is that long; its words have "
                f"{min(self.by_length)} to {max(self.by_length)} letters: use an open vocabulary"
            )
        return self.by_length[n]

    def most_common(self, n: int) -> Lexicon:
        """Return the lexicon of the `n` most frequent words."""
        kept = sorted(self.counts, key=lambda word: (-self.counts[word], word))[:n]
        return Lexicon({word: self.counts[word] for word in kept}, self.labels)

    def without(self, words: Iterable[str]) -> Lexicon:
        """Return the lexicon that lacks `words`."""
        gone = set(words)
        left = {word: count for word, count in self.counts.items() if word not in gone}
        return Lexicon(left, self.labels)

    def _of_length(self, words: list[str], column: Mapping[str, int]) -> Words:
        codes = np.array([[column[c] for c in word] for word in words], dtype=np.uint8)
        counts = np.array([self.counts[word] for word in words])
        return Words(tuple(words), np.ascontiguousarray(codes.T), np.log(counts / counts.sum()))


def fold(word: str, labels: Sequence[str]) -> str:
    """Return a word in the case of the alphabet, where that has one case only."""
    letters = "".join(labels)
    if letters.upper() == letters:
        return word.strip().upper()
    return word.strip().lower() if letters.lower() == letters else word.strip()


def load_lexicon(
    names: str = "english",
    labels: Sequence[str] = LETTERS,
    size: int | None = None,
    lengths: Sequence[int] = (),
) -> Lexicon:
    """Read one lexicon or several joined by ``+``, such as ``english+names.txt``.

    Parameters
    ----------
    names : str
        ``english``: 82,834 words with their counts in web text, from symspellpy. ``nouns``: the
        project's 1,500 common nouns of 3 to 6 letters (`nouns`). Else a text file with a
        word a line, its count behind it if known. Words without a count weigh as the median word
        of the other lexica does; alone, all the same. A word that is given several times, in
        whatever case, has its highest count.
    labels : sequence of str
        The alphabet.
    size : int, optional
        Keep the so many most frequent words; all of them when not given.
    lengths : sequence of int
        Lengths of which there must be words.

    Raises
    ------
    InputError
        If a file is missing, no text, too long or empty, or there is no word of such a length.
    """
    found = [pair for name in names.split("+") for pair in _read(name.strip())]
    known = [count for _, count in found if count is not None]
    usual = float(np.median(known)) if known else 1.0
    counts: dict[str, float] = {}
    for word, count in found:
        folded = fold(word, labels)
        counts[folded] = max(counts.get(folded, 0.0), usual if count is None else count)
    lexicon = Lexicon(counts, labels)
    lexicon = lexicon if size is None else lexicon.most_common(size)
    for length in lengths:
        lexicon.of_length(length)
    return lexicon


def _read(name: str) -> list[tuple[str, float | None]]:
    """Return words with their counts; None where a list has none."""
    if not name:
        raise InputError(f"a lexicon without a name: give {', '.join(PACKAGED)} or a word list")
    if name == "nouns":
        source = resources.files("imuscribe.words").joinpath("nouns.txt")
        return _parse(source.read_text(encoding="utf-8"), name)
    path = _english() if name == "english" else Path(name)
    try:
        return _parse(path.read_text(encoding="utf-8-sig"), name)
    except OSError as error:
        hint = nearest(name, PACKAGED)
        raise InputError(f"lexicon '{name}': {error.strerror}; packaged ones: {hint}") from None
    except UnicodeDecodeError:
        raise InputError(f"lexicon '{name}': is no UTF-8 text: give a word a line") from None


def _english() -> Path:
    """Return symspellpy's file of counts; the package itself is not imported."""
    package, file = _COUNTS
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"the lexicon 'english' needs {package}: pip install {package}")
    return Path(next(iter(spec.submodule_search_locations))) / file


def _parse(text: str, name: str) -> list[tuple[str, float | None]]:
    found: list[tuple[str, float | None]] = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        if not parts or line.startswith("#"):
            continue
        if len(parts) > 2:
            raise InputError(
                f"lexicon '{name}' line {number}: {len(parts)} items: write WORD or WORD COUNT"
            )
        try:
            count = float(parts[1]) if len(parts) == 2 else None
        except ValueError:
            count = math.nan
        if count is not None and not (count > 0 and math.isfinite(count)):
            raise InputError(
                f"lexicon '{name}' line {number}: '{parts[1]}' is no count: write WORD COUNT, a "
                "positive number"
            )
        found.append((parts[0], count))
    if not found:
        raise InputError(f"lexicon '{name}': holds no word: give a word a line")
    return found
