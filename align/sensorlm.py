"""Teach a sensor encoder what its windows are called: SensorLM (arXiv 2506.09108).

``python -m imuscribe.align.sensorlm RECIPE key=value …`` trains on everybody in a recipe's sets;
under ``accelerate launch -m imuscribe.align.sensorlm …`` processes share each batch, and every one
sees the signals and captions of all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.align.space import Prepared, Shape, prepared, save
from imuscribe.models.config import AlignConfig
from imuscribe.prompts.captions.hierarchy import Caption, CaptionConfig, captions, hard_negative
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import sha256
from imuscribe.signals.labels import balanced
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imuscribe.models.sensorlm.captions import Vocabulary
    from imuscribe.models.sensorlm.network import Batch, SensorLM
    from imuscribe.recipes.retrieval import RetrievalRecipe

_SAMPLED = 3000
"""Windows whose captions make the vocabulary."""


def train(
    windows: Sequence[Recording],
    shape: Shape,
    config: AlignConfig,
    telling: CaptionConfig,
    seed: int,
    out: Path,
    about: dict[str, Any] | None = None,
    progress: bool = True,
    resume: bool = True,
) -> SensorLM:
    """Train a model on windows and the captions that are written of them, and save it.

    Parameters
    ----------
    windows : sequence of Recording
        Of one length and rate, by training people alone; a label is told as it stands.
    shape : Shape
    config : AlignConfig
    telling : CaptionConfig
        What captions tell. In every epoch each window gets a new wording of some of the levels,
        with numbers or without.
    seed : int
    out : Path
        The model's folder. What is not finished is kept beside it, in a file that ends in
        ``.checkpoint``; a training that is started again goes on there, to the same weights.
    about : dict, optional
        What else the folder is to say, as plain values.
    progress, resume : bool

    Raises
    ------
    InputError
        If there are fewer than two windows, none can be used, the loss is not a number, or the
        checkpoint is of another training.
    """
    import torch

    from imuscribe.models.fit import Checkpoint, fit, seeded
    from imuscribe.models.losses import processes
    from imuscribe.models.sensorlm.network import SensorLM

    if len(windows) < 2:
        raise InputError(f"{len(windows)} window: two or more are needed to tell one from another")
    given = prepared(windows, shape)
    vocabulary = words_of(given.windows, telling, seed)
    with seeded(seed):
        network = SensorLM(config, shape.steps, vocabulary)
    if torch.cuda.is_available():
        network = network.cuda()
    told = _Told(given, network, telling, seed)
    keep = Checkpoint(
        out.with_name(f"{out.name}.checkpoint"), _identity(given, shape, config, telling, seed)
    )
    if not resume and _first():
        keep.path.unlink(missing_ok=True)
    with seeded(seed):
        history = fit(
            network,
            told.losses,
            told.steps,
            epochs=config.epochs,
            lr=config.lr,
            doing=f"training {config.loss}",
            progress=progress and _first(),
            keep=keep,
        )
    if _first():
        people = sorted({rec.subject for rec in given.windows})
        learnt = {
            "subjects": people,
            "windows": len(given.windows),
            "loss_by_epoch": history.loss,
            "processes": processes(),
        }
        save(network, shape, telling, out, learnt | (about or {}))
        keep.path.unlink(missing_ok=True)
    return network


def words_of(windows: Sequence[Recording], telling: CaptionConfig, seed: int) -> Vocabulary:
    """Return the vocabulary of windows' captions, with every label and place of the body."""
    from imuscribe.models.sensorlm.captions import Vocabulary

    rng = np.random.default_rng(seed)
    drawn = [windows[i] for i in rng.permutation(len(windows))[:_SAMPLED]]
    named = {(rec.label, rec.placement): rec for rec in windows}
    texts = [
        one.text
        for numbers in (True, False)
        for some in (drawn, [*named.values()], [*named.values()])
        for one in captions(some, telling.model_copy(update={"numbers": numbers, "seed": seed}))
    ]
    return Vocabulary.of(texts)


def by_people(
    subjects: Sequence[str], size: int, people: int | None, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Deal windows to batches, each of so many people with as many windows of each.

    Who has more windows than the others is not seen whole in an epoch; what is left out is drawn
    anew each time. How many batches there are does not depend on the draw.

    Parameters
    ----------
    subjects : sequence of str
        One a window.
    size : int
        Windows of a batch.
    people : int or None
        None: windows of all people, in random order.
    """
    order = rng.permutation(len(subjects))
    if people is None or (several := min(people, len(set(subjects)), size)) < 2:
        return np.array_split(order, max(1, len(order) // size))
    mine: dict[str, list[int]] = defaultdict(list)
    for i in order:
        mine[subjects[i]].append(int(i))
    each = max(1, size // several)
    parts = {
        person: [rows[i : i + each] for i in range(0, len(rows) - each + 1, each)] or [rows]
        for person, rows in mine.items()
    }
    batches: list[NDArray[np.int64]] = []
    while True:
        # Those with most left come first, so that few are left over; equals in random order.
        names = [name for name in rng.permutation(sorted(parts)) if parts[name]]
        chosen = sorted(names, key=lambda name: -len(parts[name]))[:several]
        if len(chosen) < several and batches:
            return batches
        batches.append(np.array([i for name in chosen for i in parts[name].pop()]))


class _Told:
    """Draws batches of windows with their captions, epoch by epoch."""

    def __init__(
        self, given: Prepared, network: SensorLM, telling: CaptionConfig, seed: int
    ) -> None:
        self.given, self.network, self.telling = given, network, telling
        self.config: AlignConfig = network.config
        self.subjects = [rec.subject for rec in given.windows]
        self.steps = len(self._dealt(np.random.default_rng(seed)))

    def losses(self) -> Iterator[Any]:
        """Yield the loss of every batch of an epoch, which is drawn by torch's own generator."""
        import torch

        from imuscribe.models.losses import processes

        drawn = torch.randint(2**31, (1,))
        world, rank = processes(), 0
        if world > 1:
            torch.distributed.broadcast(drawn, 0)
            rank = torch.distributed.get_rank()
        rng = np.random.default_rng(int(drawn))
        device = self.network.bias.device
        for rows in self._dealt(rng):
            # What is drawn of a batch is drawn for all of it: two processes see one's captions.
            whole = len(rows) // world * world
            batch = self.batch(rows[:whole], rng, slice(rank, None, world))
            yield self.network.loss(batch.to(device))

    def batch(self, rows: NDArray[np.int64], rng: np.random.Generator, mine: slice) -> Batch:
        """Return windows of a batch with captions drawn for them, those of one process."""
        import torch

        from imuscribe.models.sensorlm.network import Batch

        said = self._captions(rows, rng)
        wrong = self._wrong(said, rng)
        seen = lose(self.given.seen[rows], self.config.missing, rng)[mine]
        said, others = said[mine], wrong[mine]
        texts = [one.text for one in said]
        network = self.network
        spelled = [network.vocabulary.spell(text) for text in texts]
        longest = max(map(len, spelled))
        padded = [ids + [0] * (longest - len(ids)) for ids in spelled]
        reads = network.reader is not None
        return Batch(
            torch.from_numpy(self.given.x[rows[mine]]),
            torch.from_numpy(seen),
            network.texts(texts if reads else [""]),
            torch.tensor([_hash(text) for text in texts]),
            network.texts([one or "none" for one in others]) if reads and any(wrong) else None,
            torch.tensor([one is not None for one in others]),
            torch.tensor(padded),
        )

    def _captions(self, rows: NDArray[np.int64], rng: np.random.Generator) -> list[Caption]:
        """Write a caption of each window: some of the levels, with numbers or in words alone."""
        found: dict[int, Caption] = {}
        for numbers in (True, False):
            some = rows[rng.random(len(rows)) < 0.5] if numbers else None
            if some is None:
                some = np.array([i for i in rows if int(i) not in found], dtype=np.int64)
            if not len(some):
                continue
            change = {"numbers": numbers, "seed": int(rng.integers(2**31))}
            recordings = [self.given.windows[i] for i in some]
            written = captions(recordings, self.telling.model_copy(update=change))
            found.update({int(i): one for i, one in zip(some, written, strict=True)})
        return [_part(found[int(i)], rng) for i in rows]

    def _wrong(self, said: Sequence[Caption], rng: np.random.Generator) -> list[str | None]:
        """Return captions with their events exchanged; None where none is wanted or possible."""
        out: list[str | None] = []
        for one in said:
            wanted = rng.random() < self.config.hard
            turned = hard_negative(one, rng) if wanted else None
            out.append(None if turned is None else turned.text)
        return out

    def _dealt(self, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        return by_people(self.subjects, self.config.batch_size, self.config.people, rng)


def _part(whole: Caption, rng: np.random.Generator) -> Caption:
    """Return a caption with some of its levels, drawn alike, or with all."""
    levels = sorted({one.level for one in whole.sentences})
    chosen = {level for level in levels if rng.random() < 0.5} or {rng.choice(levels)}
    kept = tuple(one for one in whole.sentences if one.level in chosen)
    return replace(whole, sentences=kept)


def lose(seen: NDArray[np.bool_], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask (n, sensors, steps) in which a share of the windows has lost something.

    The gyroscope, or a stretch of up to half the time; never all.
    """
    seen = seen.copy()
    steps = seen.shape[2]
    for i in np.flatnonzero(rng.random(len(seen)) < share):
        if rng.random() < 0.5:
            if seen[i, 0].any():
                seen[i, 1:] = False
        else:
            length = int(rng.integers(1, steps // 2 + 1))
            start = int(rng.integers(steps - length + 1))
            cut = seen[i].copy()
            cut[:, start : start + length] = False
            if cut.any():
                seen[i] = cut
    return seen


def _identity(
    given: Prepared, shape: Shape, config: AlignConfig, telling: CaptionConfig, seed: int
) -> str:
    """Return a fingerprint of all that decides the weights."""
    settings = [asdict(shape), config.model_dump(), telling.model_dump(mode="json"), seed]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for rec in given.windows:
        digest.update("\0".join((rec.id, rec.label, rec.subject, rec.placement)).encode())
    digest.update(given.x.tobytes() + given.seen.tobytes())
    return digest.hexdigest()


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


def _first() -> bool:
    """Whether this is the process that writes."""
    return os.environ.get("RANK", "0") == "0"


def teach(recipe: RetrievalRecipe, out: Path, resume: bool = True) -> Path:
    """Train the model of a recipe on everybody in its sets, and return its folder."""
    from imuscribe.align.activities import load_sets

    sets, _ = load_sets(recipe, progress=_first())
    windows = [
        rec
        for one in sets.values()
        for rec in balanced(one.labelled, recipe.max_per_label, recipe.seed)
    ]
    learnt = {"data": {name: sha256(one.data) for name, one in recipe.all_sets().items()}}
    shape = Shape(recipe.windows.seconds, recipe.clean.rate)
    settings = (recipe.align, recipe.captions, recipe.seed)
    train(windows, shape, *settings, out, learnt, resume=resume)
    return out


def main(arguments: Sequence[str]) -> Path:
    """Train as ``RECIPE key=value …`` says, into ``<out>/<name>/model``."""
    from accelerate import PartialState

    from imuscribe.recipes.load import load_as
    from imuscribe.recipes.retrieval import RetrievalRecipe

    if not arguments:
        raise InputError("no recipe given: python -m imuscribe.align.sensorlm RECIPE [key=value …]")
    recipe = load_as(RetrievalRecipe, arguments[0], arguments[1:])
    PartialState()  # joins the processes that were launched together
    return teach(recipe, recipe.folder / "model")


if __name__ == "__main__":
    from imuscribe.finetune.sft import launched

    launched(main, "epoch")
