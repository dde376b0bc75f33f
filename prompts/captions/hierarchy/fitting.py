"""Captions of many recordings at once, within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from imuscribe.prompts.captions.hierarchy.config import BUDGETS, LEVELS, CaptionConfig, Event
from imuscribe.prompts.captions.hierarchy.filling import Claim, Scale, Sentence
from imuscribe.prompts.captions.hierarchy.levels import Mask, present_of
from imuscribe.prompts.captions.hierarchy.strokes import Stroke, strokes_of
from imuscribe.prompts.captions.hierarchy.structure import Findings, analyse
from imuscribe.prompts.captions.hierarchy.wording import Writer
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class Caption:
    """A text about one recording, and what each part of it claims."""

    id: str
    sentences: tuple[Sentence, ...]
    found: Findings
    """What there is to tell of the recording."""
    scale: Scale
    config: CaptionConfig
    left_out: int = 0
    """Sentences that did not fit the budget."""
    tokens: int | None = None
    """Tokens of the text, special ones not counted; None where none were counted."""

    @cached_property
    def text(self) -> str:
        """The whole text, one line."""
        return " ".join(one.text for one in self.sentences)

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """All claims, their places counted from the start of `text`."""
        found: list[Claim] = []
        place = 0
        for one in self.sentences:
            found += [Claim(m[0], m[1] + place, m[2] + place, *m[3:]) for m in one.marks]
            place += len(one.text) + 1
        return tuple(found)


def caption(
    rec: Recording,
    config: CaptionConfig = CaptionConfig(),
    missing: Mask | None = None,
    events: Sequence[Event] = (),
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> Caption:
    """Write the caption of one recording; see `captions`, which is faster for many."""
    return captions([rec], config, [missing], [events], tokenizer)[0]


def captions(
    recordings: Sequence[Recording],
    config: CaptionConfig = CaptionConfig(),
    missing: Sequence[Mask | None] | None = None,
    events: Sequence[Sequence[Event]] | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> list[Caption]:
    """Write the captions of recordings.

    Parameters
    ----------
    recordings : sequence of Recording
        Of any length and sampling period.
    config : CaptionConfig
    missing : sequence, optional
        For each recording None, or a mask of shape (n_channels, n_samples) or (n_samples,), true
        where a value is missing: what stands there has no influence, and how much it is, is said.
    events : sequence, optional
        What was noted of each recording.
    tokenizer : tokenizer, optional
        Counts tokens; the packaged SmolLM2's where only ``config.max_tokens`` is given.

    Returns
    -------
    list of Caption
        Sentences that do not fit the budget are left out whole, the shortest stretches first. The
        same recording, seed and settings give the same caption, alone or among others.

    Raises
    ------
    InputError
        If there is no recording, a mask does not fit or leaves nothing, there is nothing to say, or
        not one sentence fits the budget.
    """
    if not recordings:
        raise InputError("0 recordings: nothing to caption: give one or more")
    noted: Sequence[Sequence[Event]] = [()] * len(recordings) if events is None else events
    masks = [None] * len(recordings) if missing is None else missing
    if len(noted) != len(recordings):
        raise InputError(
            f"events for {len(noted)} of {len(recordings)} recordings: give one list each"
        )
    written = []
    for found, mask, mine in zip(
        analyse(recordings, config.structure, masks), masks, noted, strict=True
    ):
        rec = found.rec
        strokes: tuple[Stroke, ...] = ()
        if rec.case and config.strokes is not None and "structural" in config.levels:
            strokes = strokes_of(rec, present_of(rec, mask), config.strokes)
        writer = Writer(found, config, mine, strokes)
        written.append(Caption(rec.id, tuple(writer.sentences()), found, writer.scale, config))
    if tokenizer is None and config.max_tokens is not None:
        from imuscribe.prompts.ask.tokens import load_tokenizer

        tokenizer = load_tokenizer("smollm2")
    if tokenizer is None:
        return written
    return _fitted(written, config.max_tokens or BUDGETS[frozenset(config.levels)], tokenizer)


def _fitted(
    written: list[Caption], budget: int, tokenizer: PreTrainedTokenizerBase
) -> list[Caption]:
    """Leave out sentences, the least first, until every text fits."""
    from imuscribe.prompts.ask.tokens import count_tokens

    sizes = iter(count_tokens(tokenizer, [f" {s.text}" for one in written for s in one.sentences]))
    kept = [_chosen(one, budget, [next(sizes) for _ in one.sentences]) for one in written]
    done: dict[int, Caption] = {}
    left = list(range(len(written)))
    while left:
        # Joined, sentences may cost more than alone: the text itself is what counts.
        tries = [_only(written[i], kept[i]) for i in left]
        counts = count_tokens(tokenizer, [one.text for one in tries])
        done |= {i: replace(one, tokens=n) for i, one, n in zip(left, tries, counts, strict=True)}
        left = [i for i, n in zip(left, counts, strict=True) if n > budget]
        for i in left:
            if len(kept[i]) == 1:
                raise _too_long(written[i], budget, int(done[i].tokens or 0))
            kept[i].pop()
    return [done[i] for i in range(len(written))]


def _chosen(whole: Caption, budget: int, sizes: list[int]) -> list[int]:
    """Return which sentences fit, the most important first: the levels take turns."""
    order: list[tuple[int, int, int]] = []
    for place, level in enumerate((*LEVELS, "extra")):
        mine = [k for k, one in enumerate(whole.sentences) if one.level == level]
        mine.sort(key=lambda k: whole.sentences[k].rank)
        order += [(turn, place, k) for turn, k in enumerate(mine)]
    kept, left = [], budget
    for *_, k in sorted(order):
        if sizes[k] <= left:
            kept.append(k)
            left -= sizes[k]
    if not kept:
        raise _too_long(whole, budget, min(sizes))
    return kept


def _only(whole: Caption, kept: list[int]) -> Caption:
    sentences = tuple(whole.sentences[k] for k in sorted(kept))
    return replace(whole, sentences=sentences, left_out=len(whole.sentences) - len(sentences))


def _too_long(whole: Caption, budget: int, least: int) -> InputError:
    return InputError(
        f"recording '{whole.id}': a budget of {budget} tokens holds no sentence, the shortest has "
        f"{least}: set max_tokens={least} or more",
        "over budget",
    )
