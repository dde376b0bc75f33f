"""Teaching an encoder: anchors of one condition, positives and negatives of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imuscribe.mapping3d.encoder import Encoder
from imuscribe.models.config import FitConfig
from imuscribe.models.fit import History, fit, seeded
from imuscribe.models.losses import build_loss
from imuscribe.models.vary import vary
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array


@dataclass(frozen=True)
class Samples:
    """Views (n, n_channels, steps) of one condition with what they show, by whom."""

    x: Array
    labels: NDArray[np.str_]
    people: NDArray[np.str_]
    weight: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """How often a sample is drawn among those of its class, relatively; empty where all alike."""


def fit_encoder(
    encoder: Encoder,
    source: Samples,
    target: Samples,
    config: FitConfig = FitConfig(),
    held_out: Samples | None = None,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train an encoder in place; it ends in evaluation mode with its best weights, on the CPU.

    Parameters
    ----------
    encoder : Encoder
        Fresh, or trained before.
    source, target : Samples
        Anchors and references. Classes that only one side has are left out of the loss.
    config : FitConfig
    held_out : Samples, optional
        Source samples of training people who are in neither side; they decide when to stop, by the
        share of them whose nearest reference has their label.
    seed : int
        Of batches and dropout.

    Raises
    ------
    InputError
        With fewer than two classes on both sides, a held-out person who also trains, or a loss that
        is not a number.
    """
    classes = np.array(sorted(set(source.labels) & set(target.labels)))
    if len(classes) < 2:
        found = ", ".join(classes) or "none"
        raise InputError(
            f"classes with recordings of both conditions: {found}: "
            "a mapping is learnt from at least two"
        )
    stops = tuple(sorted(set(held_out.people))) if held_out is not None else ()
    if both := sorted(set(stops) & (set(source.people) | set(target.people))):
        raise InputError(f"person {both[0]} is held out and trains: keep each on one side")
    device = _device(config.device)
    encoder.to(device)
    generator = np.random.default_rng(seed)
    anchors, references = (
        _drawer(samples, classes, config.per_class, generator, device)
        for samples in (source, target)
    )
    steps = max(1, round(config.triplets / (len(classes) * config.per_class)))
    loss_of = build_loss(config.loss)
    axes = None if encoder.view.space == "plane" else 0
    varied = config.vary
    whole = varied and varied.model_copy(update={"late": 0.0, "early": 0.0})

    def losses() -> Iterator[Tensor]:
        numbers = torch.arange(len(classes), device=device).repeat_interleave(config.per_class)
        for _ in range(steps):
            x, y = anchors(), references()
            if varied and whole:
                x, y = vary(x, varied, axes), vary(y, whole, axes)
            a, b = encoder.both(x, y)
            # One tensor given twice would mean the same samples: see `build_loss`.
            yield loss_of(a, numbers, b, numbers.clone())

    def found_again() -> float:
        assert held_out is not None
        queries, pool = encoder.embed(held_out.x, "source"), encoder.embed(target.x, "target")
        square = (pool**2).sum(axis=1)[None] - 2 * queries @ pool.T
        return float((target.labels[square.argmin(axis=1)] == held_out.labels).mean())

    with seeded(seed):
        history = fit(
            encoder, losses, steps, epochs=config.epochs, lr=config.lr,
            weight_decay=config.weight_decay, score=found_again if held_out is not None else None,
            patience=config.patience, doing="fitting", progress=progress,
        )  # fmt: skip
    encoder.to("cpu")
    return replace(history, held_out=stops)


def split_held_out(people: Sequence[str], n: int) -> tuple[str, ...]:
    """Return who decides when to stop: the `n` people with the fewest of these recordings.

    Fewer than `n` are returned where nobody would be left to learn from.
    """
    names, counts = np.unique(np.asarray(people), return_counts=True)
    order = names[np.argsort(counts, kind="stable")]
    return tuple(str(name) for name in order[: min(n, len(names) - 1)])


def _drawer(
    samples: Samples,
    classes: NDArray[np.str_],
    per_class: int,
    generator: np.random.Generator,
    device: torch.device,
) -> Callable[[], Tensor]:
    """Return what draws views, the same number of every class, one class after the other."""
    x = torch.from_numpy(samples.x).to(device)
    rows = [np.flatnonzero(samples.labels == name) for name in classes]
    shares: list[NDArray[np.float64] | None] = [None] * len(classes)
    if samples.weight.size:
        shares = [samples.weight[r] / samples.weight[r].sum() for r in rows]

    def draw() -> Tensor:
        drawn = [
            generator.choice(mine, per_class, p=p) for mine, p in zip(rows, shares, strict=True)
        ]
        return x[torch.from_numpy(np.concatenate(drawn)).to(device)]

    return draw


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("fit.device is 'cuda': there is no GPU here: set fit.device=auto")
    gpu = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if gpu else "cpu")
