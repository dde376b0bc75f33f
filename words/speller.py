"""Words from letters nobody has labelled: recordings as they come, or a simulated person's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording
from imuscribe.words.decode.decoding import (
    BeamDecoder,
    Candidate,
    ClosedDecoder,
    Decoder,
    MixtureDecoder,
    RescoringDecoder,
)
from imuscribe.words.decode.lexicon import Lexicon, fold, load_lexicon
from imuscribe.words.decode.ngram import CharModel
from imuscribe.words.letters import Float, Letters, RepeatFusion
from imuscribe.words.personalise import PersonalReader

if TYPE_CHECKING:
    from imuscribe.finetune.reading import Reader
    from imuscribe.words.llm import LanguageModelWords

FUSION = RepeatFusion(0.88, 0.89)
"""How repeated readings add up, as fitted to the six simulated people of ``words-study``."""
PRIOR_WEIGHT = 0.5
OPEN_SHARE = 0.1
LLM_WEIGHT = 0.5
_RESCORED = 20
_LONGEST = 60
"""Candidates that a language model is asked about, at least."""

DEMO_SEED = 61
"""Other simulated people than any packaged adapter has learnt from."""


@dataclass(frozen=True)
class Speller:
    """Reads letters one by one and says which word they make so far.

    Parameters
    ----------
    reader : Reader or PersonalReader
    lexicon : Lexicon
        In the alphabet of the reader.
    decoder : Decoder
    """

    reader: Reader | PersonalReader
    lexicon: Lexicon
    decoder: Decoder

    @classmethod
    def load(cls, adapter: str | Path | None = None, lexicon: str = "english") -> Speller:
        """Load an adapter, a lexicon, and a character model for words that the lexicon lacks.

        Raises
        ------
        InputError
            If there is no such adapter or lexicon.
        """
        from imuscribe.finetune.reading import Reader

        reader = Reader(adapter)
        words = load_lexicon(lexicon, reader.labels)
        closed, beam = ClosedDecoder(words, PRIOR_WEIGHT), BeamDecoder(CharModel(words))
        return cls(reader, words, MixtureDecoder(closed, beam, OPEN_SHARE))

    def personalised(self, words: Sequence[Sequence[Recording]]) -> Speller:
        """Return a speller that has learnt a person's letters from words, without labels.

        Parameters
        ----------
        words : sequence of sequence of Recording
            For every word one recording of each letter; at least four words, better twenty. They
            are added to those of which this speller has learnt already.
        """
        reader = self.reader
        if isinstance(reader, PersonalReader):
            words = [*reader.words, *words]
            reader = reader.reader
        return replace(self, reader=PersonalReader(reader, self.decoder, words))

    def read(self, recordings: Sequence[Recording]) -> Float:
        """Return the log-probabilities of one letter's recordings, shape (k, n_labels)."""
        return np.asarray(self.reader.log_probs(recordings), dtype=np.float64)

    def letters(self, readings: Sequence[Float]) -> Letters:
        """Return what is known of the letters read so far, each in as many recordings."""
        return FUSION.letters(self.reader.labels, np.stack(readings))

    def candidates(self, letters: Letters, n: int = 5, context: str = "") -> list[Candidate]:
        """Return the likeliest words of as many letters.

        A language model weighs them where a `context`, what stands before the word, is given.
        """
        if not context:
            return self.decoder.decode(letters, n)
        scores, asked = self.language_model.scores, max(n, _RESCORED)
        return RescoringDecoder(self.decoder, scores, LLM_WEIGHT, asked, context).decode(letters, n)

    @cached_property
    def language_model(self) -> LanguageModelWords:
        """The packaged language model, loaded when first asked."""
        from imuscribe.recipes.words import LanguageModelConfig
        from imuscribe.words.llm import LanguageModelWords

        return LanguageModelWords(LanguageModelConfig())


def write_simulated(
    word: str, k: int, labels: Sequence[str], seed: int = DEMO_SEED
) -> list[list[Recording]]:
    """Let a simulated person write a word in the air, every letter k times.

    InputError if the word has no letter, or one that is not among the labels.
    """
    from imuscribe.signals.simulate import SimulateConfig, simulate

    text = fold(word, labels)
    if not text:
        raise InputError("--word is empty: give a word, such as HELLO")
    if len(text) > _LONGEST:
        raise InputError(f"word '{word}': has {len(text)} letters: give one of {_LONGEST} at most")
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
