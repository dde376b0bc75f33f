"""The most faithful text that fits a token budget.

Faithful means a small *reconstruction error*: decode the text, draw its steps as a line through
the middles of the time bins, and compare with the signal on the recording's own clock. A signal's
error is its root mean square over all recordings, as a fraction of the signal's own (raw channels:
around each recording's mean; writing-frame signals: around zero, scaled to the recording, because
`strokes` writes no scale). A signal left out has error 1. The error of a setting is the root mean
square over the signals asked for. `summary` draws no signal: its error is that of its figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.ask.tokens import count_tokens
from imuscribe.prompts.serialize import Features, Format, TextConfig, View, build_serializer
from imuscribe.prompts.serialize.numbers import TOO_LONG
from imuscribe.prompts.serialize.text import STEPS_PER_SAMPLE
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array, Recording

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_STEPS = (2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128)
_RATES = (100.0, 50.0, 25.0, 20.0, 12.5, 10.0, 8.0, 6.25, 5.0, 4.0, 3.0, 2.0, 1.0)
_DECIMALS = (0, 1, 2, 3)
_DIGITS = (1, 2, 3)
_DIRECTIONS: tuple[Literal[8, 16], ...] = (8, 16)
_LEVELS = (1, 2, 3)
_SAMPLE = 60
"""Recordings, evenly spaced in the list, on which settings are compared."""
_LONGEST = 3
"""Recordings tried first: if these do not fit, the rest need not be counted."""

Float = NDArray[np.float64]
Scored = tuple[float, TextConfig]
Cost = Callable[[TextConfig, Sequence[Recording]], list[int]]


@dataclass(frozen=True)
class BudgetReport:
    """What was chosen and what it costs."""

    config: TextConfig
    """The setting with the least error of those that fit every recording."""
    error: float
    """Its reconstruction error, 0 for perfect, 1 for nothing kept."""
    budget: int
    """Most tokens allowed."""
    tokens: tuple[int, ...]
    """Tokens of each recording, in the order given, the prompt around the text included."""
    by_class: dict[str, tuple[int, float, int, int]]
    """Smallest, median and largest count of each label, and its number of recordings."""
    n_compared: int
    """Recordings the error was measured on."""


def fit_budget(
    recordings: Sequence[Recording],
    tokenizer: PreTrainedTokenizerBase,
    format: Format,
    budget: int,
    around: PromptBuilder | int = 0,
    base: TextConfig = TextConfig(),
) -> BudgetReport:
    """Choose the setting of a format that keeps the most signal within a token budget.

    Searches rate or steps, precision, and which of the signals to keep.

    Parameters
    ----------
    recordings : sequence of Recording
        Cleaned. The budget holds for each of them.
    tokenizer : PreTrainedTokenizerBase
        The tokenizer of the model that will read the text.
    format : str
        ``"csv"``, ``"digits"``, ``"strokes"`` or ``"summary"``.
    budget : int
        Most tokens.
    around : PromptBuilder or int
        The prompt that will hold the text: then prompt and answer together stay within the
        budget, whatever the builder's own limit. Or a fixed number of tokens to keep free.
    base : TextConfig
        Gives the signals to choose from (`channels`, or the signals of `views`), `stats`, `frame`.

    Returns
    -------
    BudgetReport
        The setting, its error (a share, 0 to 1) and its tokens.

    Raises
    ------
    InputError
        If no setting fits every recording; names the smallest budget that would.
    """
    if not recordings:
        raise InputError("no recordings were given: a budget needs at least one")
    cost = _cost(tokenizer, around)
    base = base.model_copy(update={"format": format})
    stride = max(1, len(recordings) // _SAMPLE)
    compared = recordings[::stride]
    search = _strokes if format == "strokes" else _numbers
    longest = sorted(recordings, key=lambda rec: -rec.duration)[:_LONGEST]
    cheapest: tuple[int, TextConfig] | None = None
    for error, config in sorted(search(base, recordings, compared), key=lambda scored: scored[0]):
        most = max(cost(config, longest))
        if most <= budget:
            tokens = cost(config, recordings)
            most = max(tokens)
            if most <= budget:
                by_class = _by_class(recordings, tokens)
                return BudgetReport(config, error, budget, tuple(tokens), by_class, len(compared))
        if cheapest is None or most < cheapest[0]:
            cheapest = most, config
    if cheapest is None:
        raise InputError(f"format '{format}': the recordings are too short for any setting")
    smallest = max(cost(cheapest[1], recordings))
    raise InputError(
        f"budget {budget}: no setting of '{format}' fits all {len(recordings)} recordings: "
        f"the smallest that does is {smallest}"
    )


def _cost(tokenizer: PreTrainedTokenizerBase, around: PromptBuilder | int) -> Cost:
    """Return what counts the tokens of recordings under a setting, exactly."""
    if isinstance(around, PromptBuilder):  # count beyond its own limit instead of failing
        limitless = around.config.model_copy(update={"max_tokens": 2**40})
        around = PromptBuilder(around.tokenizer, around.labels, limitless)

    def count(config: TextConfig, recordings: Sequence[Recording]) -> list[int]:
        serializer = build_serializer(config)
        texts = serializer.encode([serializer.features(rec) for rec in recordings])
        if isinstance(around, int):
            return [around + n for n in count_tokens(tokenizer, texts)]
        return [around.n_tokens(around.prompt(text)) + around.answer_tokens for text in texts]

    return count


def _numbers(
    base: TextConfig, recordings: Sequence[Recording], compared: Sequence[Recording]
) -> Iterator[Scored]:
    """Yield settings of raw channels: resolution × precision × the best k channels."""
    if base.format == "summary":
        resolutions: list[dict[str, Any]] = [{}]
        precisions = [{"decimals": decimals} for decimals in _DECIMALS]
    elif base.format == "digits":
        resolutions = [{"steps": n} for n in _possible_steps(recordings)]
        precisions = [{"digits": digits} for digits in _DIGITS]
    else:
        slowest = min(rec.rate for rec in recordings)
        resolutions = [{"rate": rate} for rate in (None, *(r for r in _RATES if r < slowest))]
        precisions = [{"decimals": decimals} for decimals in _DECIMALS]
    n = len(base.channels)
    for resolution in resolutions:
        bare = base.model_copy(update={**resolution, "stats": False})
        try:
            features = [build_serializer(bare).features(rec) for rec in compared]
        except InputError as error:
            if error.reason != TOO_LONG:
                raise
            continue
        for precision in precisions:
            config = base.model_copy(update={**resolution, **precision})
            errors = _errors(bare.model_copy(update=precision), compared, features)
            order = np.argsort(errors)
            for k in range(1, n + 1):
                kept = sorted(order[:k])
                channels = tuple(base.channels[i] for i in kept)
                squares = float(np.square(errors[kept]).sum()) + (n - k)
                yield (squares / n) ** 0.5, config.model_copy(update={"channels": channels})


def _strokes(
    base: TextConfig, recordings: Sequence[Recording], compared: Sequence[Recording]
) -> Iterator[Scored]:
    """Yield settings of `strokes`: each signal left out, or written in some number of steps.

    Directions and levels cost no tokens, so for each number of steps only the best are taken.
    """
    signals = tuple(dict.fromkeys(view.signal for view in base.views))
    grid = list(itertools.product(signals, _possible_steps(recordings)))
    best: dict[tuple[str, int], tuple[float, View | None]] = {}
    features: list[Features] | None = None
    for directions, levels in itertools.product(_DIRECTIONS, _LEVELS):
        views = tuple(
            View(signal=signal, steps=steps, directions=directions, levels=levels)
            for signal, steps in grid
        )
        config = base.model_copy(update={"views": views, "stats": False})
        if features is None:  # the words change, what is written does not
            features = [build_serializer(config).features(rec) for rec in compared]
        errors = _errors(config, compared, features)
        for key, view, error in zip(grid, views, errors.tolist(), strict=True):
            if key not in best or error < best[key][0]:
                best[key] = error, view
    choices = [
        [(1.0, None), *(scored for key, scored in best.items() if key[0] == signal)]
        for signal in signals
    ]
    for combination in itertools.product(*choices):
        kept = tuple(view for _, view in combination if view is not None)
        if kept:
            error = (sum(e * e for e, _ in combination) / len(signals)) ** 0.5
            yield error, base.model_copy(update={"views": kept})


def _possible_steps(recordings: Sequence[Recording]) -> list[int]:
    most = STEPS_PER_SAMPLE * min(rec.n_samples for rec in recordings)
    return [steps for steps in _STEPS if steps <= most]


def _errors(
    config: TextConfig, recordings: Sequence[Recording], features: Sequence[Features]
) -> Float:
    """Return the reconstruction error of each channel, for `strokes` of each view."""
    serializer = build_serializer(config)
    missed = power = np.zeros(1)
    for rec, text in zip(recordings, serializer.encode(features), strict=True):
        squares = [
            _squares(config.format, true, _on_clock(rec, decoded, steps))
            for true, decoded, steps in zip(
                serializer.signals(rec), serializer.decode(text), serializer.steps(rec), strict=True
            )
        ]
        missed = missed + np.concatenate([lost for lost, _ in squares])
        power = power + np.concatenate([whole for _, whole in squares])
    return np.asarray(np.sqrt(missed / np.maximum(power, 1e-30)))


def _on_clock(rec: Recording, decoded: Array, steps: int | None) -> Float:
    """Draw the decoded steps as a line through the middles of their bins, sampled at ``rec.t``."""
    if steps is None:
        return decoded.astype(np.float64)
    middles = rec.t[0] + (np.arange(steps) + 0.5) * rec.duration / steps
    return np.stack([np.interp(rec.t, middles, row) for row in decoded])


def _squares(format: Format, true: Array, decoded: Float) -> tuple[Float, Float]:
    """Return the squared error and the squared signal: a number a channel, or one a view."""
    exact = true.astype(np.float64)
    if format == "summary":
        return ((decoded - exact) ** 2).sum(axis=1), (exact**2).sum(axis=1)
    if format != "strokes":
        around_mean = exact - exact.mean(axis=1, keepdims=True)
        return ((decoded - exact) ** 2).sum(axis=1), (around_mean**2).sum(axis=1)
    scale = (decoded * exact).sum() / max((decoded**2).sum(), 1e-30)
    return ((scale * decoded - exact) ** 2).sum(keepdims=True)[0], (exact**2).sum(keepdims=True)[0]


def _by_class(
    recordings: Sequence[Recording], tokens: Sequence[int]
) -> dict[str, tuple[int, float, int, int]]:
    counts: dict[str, list[int]] = {}
    for rec, n in zip(recordings, tokens, strict=True):
        counts.setdefault(rec.label, []).append(n)
    return {
        label: (min(ns), float(np.median(ns)), max(ns), len(ns))
        for label, ns in sorted(counts.items())
    }
