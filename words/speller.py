"""Words from letters nobody has labelled: recordings as they come, or a simulated stranger's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imuscribe.finetune.reading import Reader
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording
from imuscribe.words.decode.beam import BeamDecoder
from imuscribe.words.decode.decoding import Candidate, ClosedDecoder, Decoder
from imuscribe.words.decode.lexicon import Lexicon, fold, load_lexicon
from imuscribe.words.decode.mixture import MixtureDecoder
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.letters import Letters, RepeatFusion

Float = NDArray[np.float64]

FUSION = RepeatFusion(0.88, 0.89)
"""How repeated readings add up, as fitted to the six simulated people of ``words-study``."""
PRIOR_WEIGHT = 0.5
OPEN_SHARE = 0.1
LLM_WEIGHT = 0.5

DEMO_SEED = 61
"""Other simulated people than any packaged adapter has learnt from."""


@dataclass(frozen=True)
class Speller:
    """Reads letters one by one and says which word they make so far.

    Parameters
    ----------
    reader : Reader
    lexicon : Lexicon
        In the alphabet of the reader.
    decoder : Decoder
    """

    reader: Reader
    lexicon: Lexicon
    decoder: Decoder

    @classmethod
    def load(cls, adapter: str | Path | None = None, lexicon: str = "english") -> Speller:
        """Load an adapter, a lexicon, and a character model for words that the lexicon lacks."""
        reader = Reader(adapter)
        words = load_lexicon(lexicon, reader.labels)
        beam = BeamDecoder(CharModel(words))
        return cls(
            reader, words, MixtureDecoder(ClosedDecoder(words, PRIOR_WEIGHT), beam, OPEN_SHARE)
        )

    def read(self, recordings: Sequence[Recording]) -> Float:
        """Return the log-probabilities of one letter's recordings, shape (k, n_labels)."""
        return np.asarray(self.reader.log_probs(recordings), dtype=np.float64)

    def letters(self, readings: Sequence[Float]) -> Letters:
        """Return what is known of the letters read so far, each in as many recordings."""
        return FUSION.letters(self.reader.labels, np.stack(readings))

    def candidates(self, letters: Letters, n: int = 5) -> list[Candidate]:
        """Return the likeliest words of as many letters."""
        return self.decoder.decode(letters, n)


def written_by_a_stranger(
    word: str, k: int, labels: Sequence[str], seed: int = DEMO_SEED
) -> list[list[Recording]]:
    """Let a simulated person write a word in the air, every letter k times.

    Raises
    ------
    InputError
        If the word has no letter, or one that is not among the labels.
    """
    from imuscribe.signals.simulate import SimulateConfig, simulate

    text = fold(word, labels)
    if not text:
        raise InputError("--word is empty: give a word, such as HELLO")
    if foreign := [c for c in text if c not in labels]:
        raise InputError(
            f"word '{word}': the adapter does not read '{foreign[0]}': use {''.join(labels)}"
        )
    config = SimulateConfig(
        people=1,
        labels=",".join(sorted(set(text))),
        cases=("3d",),
        repetitions=k * max(map(text.count, text)),
        rate=100,
        seed=seed,
    )
    written: dict[str, list[Recording]] = {}
    for recording in simulate(config):
        written.setdefault(recording.label, []).append(recording)
    return [[written[c].pop() for _ in range(k)] for c in text]


def rescored(candidates: Sequence[Candidate], context: str) -> list[Candidate]:
    """Weigh candidates with the packaged language model, which is told what stands before."""
    from imuscribe.recipes.words import LanguageModelConfig
    from imuscribe.words.decode.decoding import best
    from imuscribe.words.llm import LanguageModelWords

    scores = LanguageModelWords(LanguageModelConfig()).scores
    words = [candidate.word for candidate in candidates]
    own = np.array([candidate.log_prob for candidate in candidates])
    return best(words, own + LLM_WEIGHT * scores(context, words), len(words))


def asked_as_the_study(letters: Letters) -> tuple[str, str]:
    """Return what the packaged language model answers to the guesses, and the word in it."""
    from imuscribe.recipes.words import LanguageModelConfig
    from imuscribe.words.aggregate import parse_word
    from imuscribe.words.llm import LanguageModelWords

    answer = LanguageModelWords(LanguageModelConfig()).answers([letters])[0].strip()
    return answer, parse_word(answer, len(letters), letters.labels)


def bars(letters: Letters, most: int = 4, width: int = 24) -> list[str]:
    """Return one line a letter: its likeliest labels, each with a bar as long as it is likely."""
    lines = []
    for row in np.exp(letters.log_probs):
        parts = []
        for i in np.argsort(-row)[:most]:
            bar = "█" * round(width * row[i]) or "▏"
            parts.append(f"{letters.labels[i]} {bar} {row[i]:.2f}")
        lines.append("   ".join(parts))
    return lines
