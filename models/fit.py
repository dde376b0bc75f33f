"""The training loop of the small networks, with early stopping on held-out training people."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from imuscribe.signals.errors import InputError


@dataclass(frozen=True)
class History:
    """What happened while training."""

    loss: list[float]
    """Mean of every epoch."""
    scores: list[float]
    """Of the held-out people after every epoch; empty without anybody held out."""
    best: int
    """Epoch whose weights were kept, from zero."""
    held_out: tuple[str, ...] = ()
    """Training people who decided when to stop."""


def fit(
    network: nn.Module,
    losses: Callable[[], Iterable[Tensor]],
    steps: int,
    *,
    epochs: int,
    lr: float,
    weight_decay: float = 0.01,
    score: Callable[[], float] | None = None,
    patience: int = 1,
    doing: str = "training",
    progress: bool = False,
) -> History:
    """Train a network in place with AdamW on a one-cycle schedule; it ends in evaluation mode.

    Parameters
    ----------
    network : Module
    losses : callable
        Yields the loss of every batch of one epoch; a batch is drawn when the last was learnt.
        Draws are torch's own: call `fit` inside `seeded`.
    steps : int
        Batches an epoch.
    epochs, lr, weight_decay
        Most passes, peak learning rate, and the pull of weights towards zero.
    score : callable, optional
        How well held-out training people, never test people, are read: more is better. The network
        ends with the weights of its best epoch, else with the last ones.
    patience : int
        Epochs without a better score before training stops.
    doing, progress
        What the progress bar says, and whether it is shown.

    Raises
    ------
    InputError
        If the loss is not a number.
    """
    from tqdm.auto import tqdm

    means: list[float] = []
    scores: list[float] = []
    best, top = 0, -math.inf
    weights = copy.deepcopy(network.state_dict()) if score else None
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * steps)
    bar = tqdm(total=epochs * steps, desc=doing, unit="step", file=sys.stderr, disable=not progress)
    with bar:
        for epoch in range(epochs):
            network.train()
            total: Tensor | float = 0.0
            for loss in losses():
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                total += loss.detach()
                bar.update()
            means.append(float(total) / steps)
            if not math.isfinite(means[-1]):
                raise InputError(
                    f"epoch {epoch + 1}: the loss is not a number: lower fit.lr "
                    f"({lr:g}) to {lr / 10:g}"
                )
            if score is None:
                best = epoch
                continue
            network.eval()
            scores.append(score())
            bar.set_postfix(held_out=f"{scores[-1]:.3f}")
            if scores[-1] > top:
                weights, top, best = copy.deepcopy(network.state_dict()), scores[-1], epoch
            elif epoch - best >= patience:
                break
    if weights is not None:
        network.load_state_dict(weights)
    network.eval()
    return History(means, scores, best)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch draw from a seed inside the block; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
