"""Questions about random segments of recordings, as rows that a language model is trained on.

This is SensorLLM's first stage: the model sees a segment's tokens, is asked what the signal does,
and learns answers that are computed from it. Prompts of training and evaluation are made here
alone, and state the segment's own channels, length and rate.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imuscribe.prompts.ask.sensor import PLACE
from imuscribe.prompts.captions.questions import QaConfig, Question, questions
from imuscribe.prompts.captions.trends import cut, preamble
from imuscribe.prompts.captions.verify import is_right
from imuscribe.signals.errors import InputError, usable
from imuscribe.signals.recording import Recording

Row = dict[str, Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """A question about a segment, which starts `start` seconds into its recording."""

    segment: Recording
    start: float
    question: Question


def pairs(
    recordings: Sequence[Recording], config: QaConfig = QaConfig(), seed: int = 0, epoch: int = 0
) -> list[Pair]:
    """Ask questions about recordings, in their order; the checker has agreed to every answer.

    Parameters
    ----------
    recordings : sequence of Recording
        Cleaned; idle stretches may be left in, they are worth a question too.
    config : QaConfig
    seed, epoch : int
        Each recording has its draws from these and its id, whatever else is in the list.

    Raises
    ------
    InputError
        If no recording can be asked about. Those that cannot (too short, a channel missing) are
        left out and counted in a warning.
    """

    def asked(rec: Recording) -> list[Pair]:
        drawn = np.random.default_rng([seed, epoch, zlib.crc32(rec.id.encode())])
        return _pairs(rec, config, drawn)

    found = [pair for some in usable(recordings, asked) for pair in some]
    right = [pair for pair in found if is_right(pair.question, pair.question.answer)]
    if len(right) < len(found):
        _log.warning("%d answers failed their check and were left out", len(found) - len(right))
    if not right:
        kinds = ", ".join(config.kinds)
        raise InputError(f"no recording can be asked about {kinds}: ask other kinds of questions")
    return right


def rows(
    recordings: Sequence[Recording],
    config: QaConfig = QaConfig(),
    seed: int = 0,
    epochs: int = 1,
) -> list[Row]:
    """Return every row of a training, epoch after epoch, shuffled within each.

    A row holds ``id``, ``label``, ``subject``, ``epoch``, ``prompt`` (with `PLACE` once, where the
    signal's tokens stand), ``completion``, ``signal_of`` (the segment) and ``question``. Every
    epoch asks anew. Errors as `pairs`.
    """
    found: list[Row] = []
    for epoch in range(epochs):
        asked = pairs(recordings, config, seed, epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(asked))
        found += [row(asked[i], config, epoch) for i in order]
    return found


def row(pair: Pair, config: QaConfig = QaConfig(), epoch: int = 0) -> Row:
    """Return one row of `rows`."""
    rec, question = pair.segment, pair.question
    opening = preamble(rec, config.trends, config.preamble)
    return {
        "id": rec.id,
        "label": rec.label,
        "subject": rec.subject,
        "epoch": epoch,
        # A prompt never ends in a space: the one before the answer belongs to the completion.
        "prompt": f"{opening}\n{PLACE}\n{question.question}\nAnswer:",
        "completion": f" {question.answer}",
        "signal_of": rec,
        "question": question,
    }


def _pairs(rec: Recording, config: QaConfig, rng: np.random.Generator) -> list[Pair]:
    if config.channels:
        rec = rec.replace(data=rec.select(config.channels), channels=config.channels)
    found: list[Pair] = []
    for _ in range(config.per_recording):
        segment, start = cut(rec, rng, config.trends)
        for i in rng.permutation(len(config.kinds)):
            # A kind that this segment can't answer gives way to the next.
            if answered := questions(segment, rng, config.trends, [config.kinds[i]]):
                found.append(Pair(segment, start, answered[0]))
                break
    return found
