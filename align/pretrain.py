"""Teach a sensor encoder alone, on recordings that nobody is tested on, before a language model."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from imuscribe.finetune.lineage import KEY, Lineage, lineage
from imuscribe.finetune.rows import select, signals_of
from imuscribe.models.config import SensorConfig
from imuscribe.recipes.fingerprint import fingerprint
from imuscribe.recipes.schema import ModelConfig, Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import whole_folder
from imuscribe.signals.recording import Array, Recording

if TYPE_CHECKING:
    from torch import nn

    from imuscribe.models.fit import Checkpoint

Objective = Literal["labels", "masked"]
OBJECTIVES: tuple[Objective, ...] = ("labels", "masked")

_log = logging.getLogger(__name__)


def pretrain(
    recipe: Recipe,
    recordings: Sequence[Recording],
    out: Path,
    epochs: int,
    progress: bool = True,
    *,
    objective: Objective = "labels",
    beside: Mapping[str, Sequence[Recording]] | None = None,
    resume: bool = True,
) -> Path:
    """Train the encoder of a recipe's ``sensor`` section, and save it.

    Parameters
    ----------
    recipe : Recipe
        Its `sensor` says which encoder.
    recordings : sequence of Recording
        Training recordings, cleaned: simulated writers, say. Whoever they are is written down
        beside the weights, and nobody of them can be tested with this encoder.
    out : Path
        The encoder's folder, for `sensor.pretrained`. What is not finished is kept beside it, in a
        file that ends in ``.checkpoint``.
    epochs : int
        Passes over the recordings.
    progress : bool
        Show a progress bar.
    objective : str
        ``labels``: to name the recipe's labels, `train.max_per_label` recordings of each.
        ``masked``: without labels, to tell what hidden patches hold, and to find windows of two
        places of the body that were worn at once (`worn_at_once`); for a patch encoder.
    beside : mapping, optional
        Recordings of further data files, learnt from as well, by their files.
    resume : bool
        Go on from the checkpoint that an interrupted run left, to the same weights as without the
        interruption; false starts over.

    Raises
    ------
    InputError
        If the recipe has no sensor section or not the encoder that the objective needs, a label has
        no recording, the checkpoint is of another training, or the folder cannot be written.
    """
    import torch

    from imuscribe.models.fit import Checkpoint, seeded
    from imuscribe.models.sensor.files import SETTINGS, save_encoder

    sensor = _taught(recipe)
    sources = {recipe.data: recordings} | dict(beside or {})
    chosen = [rec for some in sources.values() for rec in some]
    if objective == "labels":
        chosen = select(chosen, recipe)
    signals = signals_of(chosen, recipe)
    network: nn.Module
    with seeded(recipe.seed):
        if objective == "labels":
            from imuscribe.models.sensor.classifier import Classifier

            network = Classifier(sensor, signals.shape[1], len(recipe.label_set))
        else:
            from imuscribe.models.sensor.masked import MaskedPatches

            network = MaskedPatches(sensor, signals.shape[1])
    if torch.cuda.is_available():
        network = network.cuda()
    keep = Checkpoint(
        out.with_name(f"{out.name}.checkpoint"),
        _identity(recipe, chosen, signals, objective, epochs),
    )
    if not resume:
        keep.path.unlink(missing_ok=True)
    about: dict[str, object] = {"objective": objective, "epochs": epochs}
    about |= _learn(network, recipe, chosen, signals, epochs, progress, keep)
    about[KEY] = _known(recipe, sources, chosen)
    with whole_folder(out, SETTINGS) as folder:
        save_encoder(network.encoder, sensor, folder, about)
    keep.path.unlink(missing_ok=True)
    return out


def worn_at_once(recordings: Sequence[Recording]) -> list[tuple[int, int]]:
    """Return which recordings, or windows of such, two places of the body made at one time.

    They are of one person, session and label, begin at the same second of their recordings, and
    are of two placements, each of which has no other recording of all that: with two, nothing in
    the data says which goes with which.

    Parameters
    ----------
    recordings : sequence of Recording
        Windows as `signals.windows.cut` names them, or whole ones.

    Returns
    -------
    list of (int, int)
        Their places in `recordings`.
    """
    sources: dict[tuple[str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    windows: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    for i, rec in enumerate(recordings):
        known = rec.subject, rec.session, rec.label
        if all((rec.subject, rec.label, rec.placement)):
            whole, at, begins = rec.id.rpartition("@")
            sources[known][rec.placement].add(whole if at else rec.id)
            windows[(*known, begins if at else "")][rec.placement] = i
    return [
        (there[a], there[b])
        for (*known, _), there in windows.items()
        for a, b in combinations(sorted(there), 2)
        if len(sources[tuple(known)][a]) == len(sources[tuple(known)][b]) == 1
    ]


def _taught(recipe: Recipe) -> SensorConfig:
    """Return the section of the encoder that is to learn; InputError if none can."""
    if recipe.sensor is None:
        raise InputError("'sensor' is null: there is no encoder to train: set sensor={}")
    if not recipe.sensor.learns:
        raise InputError(
            "sensor: its encoder is frozen, there is nothing to train: set sensor.encoder=patch "
            "or sensor.freeze=false"
        )
    return recipe.sensor


def _learn(
    network: nn.Module,
    recipe: Recipe,
    chosen: Sequence[Recording],
    signals: Array,
    epochs: int,
    progress: bool,
    keep: Checkpoint,
) -> dict[str, object]:
    """Train by the objective that the network is for; return what there is to say of it."""
    from imuscribe.models.sensor.classifier import Classifier
    from imuscribe.models.sensor.masked import MaskedPatches

    if isinstance(network, Classifier):
        labels = recipe.label_set
        targets = np.array([labels.index(rec.label) for rec in chosen])
        network.learn(signals, targets, epochs, recipe.seed, "pretraining encoder", progress, keep)
        return {"labels": list(labels)}
    assert isinstance(network, MaskedPatches)
    # Where idle ends are cut off, two recordings of one time no longer begin together.
    met = [] if recipe.clean.trim else worn_at_once(chosen)
    pairs = None
    if len(met) > 1:
        one, other = np.array(met).T
        pairs = signals[one], signals[other]
        places = sorted({rec.placement for rec in chosen if rec.placement})
        _log.warning(
            "%d windows of %s are taken to be worn at once: one person, session and label",
            *(len(met), " and ".join(places)),
        )
    network.learn(signals, pairs, epochs, recipe.seed, progress, keep)
    return {"pairs": len(met)}


def _known(
    recipe: Recipe, sources: Mapping[str, Sequence[Recording]], chosen: Sequence[Recording]
) -> Lineage:
    """Return who was learnt from, an item a file; files side by side call one person one name."""
    used, people = {id(rec) for rec in chosen}, sorted({rec.subject for rec in chosen})
    found: Lineage = []
    for data, recordings in sources.items():
        theirs = [rec for rec in recordings if id(rec) in used]
        # Of the recipe's language model and its ancestors an encoder knows nothing.
        alone = {"data": data, "model": ModelConfig(), "sensor": None}
        found += lineage(recipe.model_copy(update=alone), theirs, None) or ()
    return [item | {"subjects": people} for item in found]


def _identity(
    recipe: Recipe,
    chosen: Sequence[Recording],
    signals: Array,
    objective: Objective,
    epochs: int,
) -> str:
    """Return a fingerprint of all that decides the weights."""
    settings = fingerprint(recipe, ["seed", "sensor", "labels"])
    digest = hashlib.sha256(f"{settings} {objective} {epochs}".encode())
    for rec in chosen:
        digest.update("\0".join((rec.id, rec.label, rec.subject, rec.placement)).encode())
    digest.update(signals.tobytes())
    return digest.hexdigest()
