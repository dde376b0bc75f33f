"""How long a word takes to decode, and what rescoring costs against generating.

Decoding: the exact posterior over 100,000 words of ten letters, and of the packaged lexicon with
and without open vocabulary. Rescoring: a language model weighs the ten best candidates after a
sentence's beginning; generating: the same model is asked for the word as the air-writing study
asks. All in processor time on one core, so that other work on the machine does not count.

python -m bench.words [n_words]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np

from imuscribe.recipes.words import LanguageModelConfig
from imuscribe.words.decode.decoding import (
    BeamDecoder,
    ClosedDecoder,
    Decoder,
    MixtureDecoder,
)
from imuscribe.words.decode.lexicon import LETTERS, Lexicon, load_lexicon
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.letters import Letters, RepeatFusion
from imuscribe.words.llm import LanguageModelWords

MOST_MS = 20.0
LEAST_RATIO = 10.0
N_LETTERS = 10
N_BEST = 10
CONTEXT = "We talked about the"


def letters(word: str, rng: np.random.Generator) -> Letters:
    """Return a word read twice by a reader that names about three letters of four."""
    scores = rng.normal(size=(len(word), 2, len(LETTERS)))
    for i, c in enumerate(word):
        scores[i, :, LETTERS.index(c)] += 2.5
    scores -= np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    return RepeatFusion().letters(LETTERS, scores)


def hundred_thousand(english: Lexicon, rng: np.random.Generator) -> Lexicon:
    """Return 100,000 different strings of ten letters that look like words."""
    words = dict.fromkeys(english.of_length(N_LETTERS).words, 10.0)
    parts = [word[:5] for word in words], [word[5:] for word in words]
    while len(words) < 100_000:
        words["".join(part[rng.integers(len(part))] for part in parts)] = 1.0
    return Lexicon(words)


def milliseconds(decoder: Decoder, words: Sequence[Letters]) -> float:
    """Return the median time to decode a word."""
    return 1000 * each(decoder.decode, words)


def each(work: Callable[[Letters], object], words: Sequence[Letters]) -> float:
    """Return the median seconds of `work` on a word."""
    times = []
    for word in words:
        start = time.process_time()
        work(word)
        times.append(time.process_time() - start)
    return float(np.median(times))


def main(n: int) -> bool:
    """Time `n` words each way, print it, return whether both targets are met."""
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    english = load_lexicon("english")
    words = [letters(w, rng) for w in rng.choice(english.of_length(N_LETTERS).words, n)]
    large = milliseconds(ClosedDecoder(hundred_thousand(english, rng)), words)
    closed, beam = ClosedDecoder(english), BeamDecoder(CharModel(english))
    print(f"closed, 100,000 words of {N_LETTERS} letters  {large:7.2f} ms (at most {MOST_MS:g})")
    print(f"closed, {len(english):,} words          {milliseconds(closed, words):7.2f} ms")
    print(f"open, beam of {beam.width}               {milliseconds(beam, words):7.2f} ms")
    mixture = MixtureDecoder(closed, beam)
    print(f"both                            {milliseconds(mixture, words):7.2f} ms")

    model = LanguageModelWords(LanguageModelConfig())
    few = words[: max(2, n // 10)]
    candidates = {id(word): [c.word for c in closed.decode(word, N_BEST)] for word in few}
    model.scores(CONTEXT, ["up"])  # the sentence was read before the word was written
    rescoring = each(lambda word: model.scores(CONTEXT, candidates[id(word)]), few)
    generating = each(lambda word: model.answers([word]), few)
    ratio = generating / rescoring
    print(f"rescoring {N_BEST} candidates         {1000 * rescoring:7.0f} ms")
    print(f"generating the word             {1000 * generating:7.0f} ms")
    print(f"ratio                           {ratio:7.1f} (at least {LEAST_RATIO:g})")
    return large <= MOST_MS and ratio >= LEAST_RATIO


if __name__ == "__main__":
    sys.exit(not main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
