"""The training loop of the small networks, with early stopping on held-out training people."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from imuscribe.models.losses import processes
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path


@dataclass(frozen=True)
class Checkpoint:
    """Where a training that is not finished is kept, epoch by epoch."""

    path: Path
    identity: str
    """What tells it from every other training: a fingerprint of settings and data."""


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
    keep: Checkpoint | None = None,
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
    keep : Checkpoint, optional
        Written after every epoch. One that is there is gone on from, to the same weights as without
        an interruption; who has saved the network removes it.

    Raises
    ------
    InputError
        If the loss is not a number, or the checkpoint is of another training.
    """
    from tqdm.auto import tqdm

    done = _Done([], [], 0, -math.inf, copy.deepcopy(network.state_dict()) if score else None)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * steps)
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    if keep is not None and keep.path.is_file():
        done = _restore(parts, keep)
    begun, quiet = len(done.loss) * steps, not progress
    bar = tqdm(None, doing, epochs * steps, initial=begun, file=sys.stderr, disable=quiet)
    with bar:
        for epoch in range(len(done.loss), epochs):
            network.train()
            mean = _epoch(losses(), optimizer, schedule, bar) / steps
            if not math.isfinite(mean):
                said = f"the loss is not a number: lower fit.lr ({lr:g}) to {lr / 10:g}"
                raise InputError(f"epoch {epoch + 1}: {said}")
            done.loss.append(mean)
            if score is None:
                done.best = epoch
            else:
                network.eval()
                done.scores.append(score())
                bar.set_postfix(held_out=f"{done.scores[-1]:.3f}")
                if done.scores[-1] > done.top:
                    done.weights = copy.deepcopy(network.state_dict())
                    done.top, done.best = done.scores[-1], epoch
                elif epoch - done.best >= patience:
                    break
            if keep is not None:
                _save(parts, done, keep)
    if done.weights is not None:
        network.load_state_dict(done.weights)
    network.eval()
    return History(done.loss, done.scores, done.best)


@dataclass
class _Done:
    """What a training has come to after some epochs."""

    loss: list[float]
    scores: list[float]
    best: int
    top: float
    weights: dict[str, Any] | None


def _epoch(losses: Iterable[Tensor], optimizer: Any, schedule: Any, bar: Any) -> float:
    """Learn every batch of an epoch and return the sum of their losses."""
    total: Tensor | float = 0.0
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        _average(optimizer)
        optimizer.step()
        schedule.step()
        total += loss.detach()
        bar.update()
    return float(total)


def _average(optimizer: Any) -> None:
    """Give every process the mean of all gradients; one alone has it."""
    if (world := processes()) == 1:
        return
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.requires_grad:
                grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                torch.distributed.all_reduce(grad)
                weight.grad = grad / world


def _save(parts: Mapping[str, Any], done: _Done, keep: Checkpoint) -> None:
    if processes() > 1 and torch.distributed.get_rank():
        return  # the first writes for all
    state = {name: part.state_dict() for name, part in parts.items()}
    drawn = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    with atomic_path(keep.path) as temporary:
        torch.save(
            {"identity": keep.identity, "done": vars(done), "drawn": drawn} | state, temporary
        )


def _restore(parts: Mapping[str, Any], keep: Checkpoint) -> _Done:
    """Bring network, optimiser, schedule and random draws back to the end of the last epoch."""
    try:
        state = torch.load(keep.path, map_location="cpu", weights_only=True)
        known = state["identity"]
    except (OSError, RuntimeError, KeyError, UnpicklingError) as error:
        said = str(error).splitlines()[0]
        raise InputError(
            f"{keep.path}: cannot be read ({said}): start over with --restart"
        ) from None
    if known != keep.identity:
        raise InputError(
            f"{keep.path}: is of another training: finish that with the settings and data it began "
            "with, give another --out, or start over with --restart"
        )
    for name, part in parts.items():
        part.load_state_dict(state[name])
    first, *others = state["drawn"]
    torch.set_rng_state(first)
    if others and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(others)
    return _Done(**state["done"])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch draw from a seed inside the block; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
