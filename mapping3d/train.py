"""Teaching an encoder: anchors of one condition, positives and negatives of the other."""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from imuscribe.mapping3d.encoder import Encoder
from imuscribe.mapping3d.losses import LossConfig, build_loss
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array

log = logging.getLogger(__name__)


class FitConfig(Config):
    """How an encoder is trained.

    Attributes
    ----------
    epochs : int
        Most passes; training stops earlier when the held-out people stop gaining.
    triplets : int
        Anchors of an epoch, each with positives and negatives mined from its batch.
    per_class : int
        Anchors, and references, of every class in a batch.
    lr, weight_decay : float
        Peak of the one-cycle schedule, and the pull of weights towards zero (AdamW).
    loss : LossConfig
    hold_out : int
        Training people whose recordings only decide when to stop: those with the fewest. None are
        held out where that would leave nobody to learn from.
    patience : int
        Epochs without a gain before training stops.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU where there is one.
    """

    epochs: PositiveInt = 12
    triplets: PositiveInt = 10_000
    per_class: PositiveInt = 4
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    loss: LossConfig = LossConfig()
    hold_out: NonNegativeInt = 1
    patience: PositiveInt = 4
    device: Annotated[str, Field(pattern="^(auto|cpu|cuda)$")] = "auto"


@dataclass(frozen=True)
class Samples:
    """Views of one condition with what they show, by whom.

    Parameters
    ----------
    x : ndarray of float32, shape (n, n_channels, steps)
    labels, people : ndarray of str, shape (n,)
    weight : ndarray of float64, shape (n,), optional
        How often a sample is drawn among those of its class, relatively; all alike by default.
    """

    x: Array
    labels: NDArray[np.str_]
    people: NDArray[np.str_]
    weight: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def of(self, chosen: NDArray[np.bool_]) -> Samples:
        """Return the chosen ones."""
        weight = self.weight[chosen] if self.weight.size else self.weight
        return Samples(self.x[chosen], self.labels[chosen], self.people[chosen], weight)


@dataclass(frozen=True)
class History:
    """What happened while training.

    Attributes
    ----------
    held_out : tuple of str
        People who decided when to stop.
    loss : list of float
        Mean of every epoch.
    retrieval : list of float
        Share of the held-out recordings whose nearest reference has their label, after every epoch;
        empty without anybody held out.
    best : int
        Epoch whose weights were kept, from zero.
    """

    held_out: tuple[str, ...]
    loss: list[float]
    retrieval: list[float]
    best: int


def fit(
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
        Source samples of training people who are in neither side; they decide when to stop.
    seed : int
        Of batches and dropout.
    progress : bool
        Show a progress bar.

    Raises
    ------
    InputError
        With fewer than two classes on both sides, a held-out person who also trains, or a loss that
        is not a number.
    """
    from tqdm import tqdm

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
    anchors = _Drawer(source, classes, config.per_class, generator, device)
    references = _Drawer(target, classes, config.per_class, generator, device)
    batch = len(classes) * config.per_class
    steps = max(1, round(config.triplets / batch))
    loss_of = build_loss(config.loss)
    best, history = copy.deepcopy(encoder.state_dict()), History(stops, [], [], 0)
    kept, top = 0, -1.0
    # Someone else's random state is none of our business.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        optimizer = torch.optim.AdamW(
            encoder.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.lr, total_steps=config.epochs * steps
        )
        bar = tqdm(
            total=config.epochs * steps, desc="fitting", unit="step", file=sys.stderr,
            disable=not progress,
        )  # fmt: skip
        with bar:
            for epoch in range(config.epochs):
                encoder.train()
                total = torch.zeros((), device=device)
                for _ in range(steps):
                    loss = loss_of(*_embedded(encoder, anchors(), references()))
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                    schedule.step()
                    total += loss.detach()
                    bar.update()
                history.loss.append(float(total) / steps)
                if not np.isfinite(history.loss[-1]):
                    raise InputError(
                        f"epoch {epoch + 1}: the loss is not a number: lower fit.lr "
                        f"({config.lr:g}) to {config.lr / 10:g}"
                    )
                if held_out is None:
                    kept = epoch
                    continue
                history.retrieval.append(_retrieved(encoder, held_out, target))
                bar.set_postfix(held_out=f"{history.retrieval[-1]:.3f}")
                if history.retrieval[-1] > top:
                    best, top, kept = (
                        copy.deepcopy(encoder.state_dict()),
                        history.retrieval[-1],
                        epoch,
                    )
                elif epoch - kept >= config.patience:
                    break
    if held_out is not None:
        encoder.load_state_dict(best)
    encoder.to("cpu").eval()
    return History(stops, history.loss, history.retrieval, kept)


def split_held_out(people: Sequence[str], n: int) -> tuple[str, ...]:
    """Return who decides when to stop: the `n` people with the fewest recordings.

    Parameters
    ----------
    people : sequence of str
        One a recording.
    n : int
        Wanted; fewer are returned where nobody would be left to learn from.
    """
    names, counts = np.unique(np.asarray(people), return_counts=True)
    order = names[np.argsort(counts, kind="stable")]
    return tuple(str(name) for name in order[: min(n, len(names) - 1)])


class _Drawer:
    """Draws the same number of samples of every class."""

    def __init__(
        self,
        samples: Samples,
        classes: NDArray[np.str_],
        per_class: int,
        generator: np.random.Generator,
        device: torch.device,
    ) -> None:
        self._x = torch.from_numpy(samples.x).to(device)
        self._rows = [np.flatnonzero(samples.labels == name) for name in classes]
        self._shares: list[NDArray[np.float64] | None] = [None] * len(classes)
        if samples.weight.size:
            self._shares = [samples.weight[r] / samples.weight[r].sum() for r in self._rows]
        self._per_class = per_class
        self._generator = generator
        self._classes = torch.arange(len(classes), device=device).repeat_interleave(per_class)

    def __call__(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return views and the numbers of their classes."""
        drawn = [
            self._generator.choice(rows, self._per_class, p=shares)
            for rows, shares in zip(self._rows, self._shares, strict=True)
        ]
        return self._x[torch.from_numpy(np.concatenate(drawn)).to(self._x.device)], self._classes


def _embedded(
    encoder: Encoder,
    anchors: tuple[torch.Tensor, torch.Tensor],
    references: tuple[torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    first, second = encoder.both(anchors[0], references[0])
    return first, anchors[1], second, references[1]


def _retrieved(encoder: Encoder, queries: Samples, references: Samples) -> float:
    """Return the share of queries whose nearest reference has their label."""
    found = encoder.embed(queries.x, "source")
    pool = encoder.embed(references.x, "target")
    square = (pool**2).sum(axis=1)[None] - 2 * found @ pool.T
    return float((references.labels[square.argmin(axis=1)] == queries.labels).mean())


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("fit.device is 'cuda': there is no GPU here: set fit.device=auto")
    gpu = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if gpu else "cpu")
