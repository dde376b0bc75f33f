"""Captions of a recording at three levels, after SensorLM (arXiv 2506.09108), at any sampling rate.

    caption(rec, config, missing=None, events=(), tokenizer=None) -> Caption
    captions(recordings, config, missing=None, events=None, tokenizer=None) -> list[Caption]
    hard_negative(caption, rng) -> Caption | None
    recount(caption, rec, missing=None, events=()) -> ClaimReport

*Statistical*: mean, deviation, least and greatest of every channel. *Structural*: trends, peaks
and drops with their times; of a letter the strokes. *Semantic*: label, placement, events, moods.
Every number, and every word about the signal, carries a `Claim`, which `recount` works out again
from the recording, by itself. Recordings of one clock go together, thousands a second.
"""

from __future__ import annotations

from imuscribe.prompts.captions.hierarchy.config import (
    BUDGETS,
    LEVELS,
    CaptionConfig,
    Event,
    Level,
    read_events,
)
from imuscribe.prompts.captions.hierarchy.filling import Claim, Sentence
from imuscribe.prompts.captions.hierarchy.fitting import Caption, caption, captions
from imuscribe.prompts.captions.hierarchy.negatives import hard_negative
from imuscribe.prompts.captions.hierarchy.recheck import recount
from imuscribe.prompts.captions.hierarchy.strokes import StrokeConfig
from imuscribe.prompts.captions.hierarchy.structure import StructureConfig

__all__ = [
    "BUDGETS",
    "LEVELS",
    "Caption",
    "CaptionConfig",
    "Claim",
    "Event",
    "Level",
    "Sentence",
    "StrokeConfig",
    "StructureConfig",
    "caption",
    "captions",
    "hard_negative",
    "read_events",
    "recount",
]
