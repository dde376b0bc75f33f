"""Teach a sensor encoder alone, on recordings that nobody is tested on, before a language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imuscribe.finetune.lineage import KEY, lineage
from imuscribe.finetune.rows import select, signals_of
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import whole_folder
from imuscribe.signals.recording import Recording


def pretrain(
    recipe: Recipe, recordings: Sequence[Recording], out: Path, epochs: int, progress: bool = True
) -> Path:
    """Train the encoder of a recipe's ``sensor`` section to name labels, and save it.

    Parameters
    ----------
    recipe : Recipe
        Its `sensor` says which encoder; its labels are learnt, `train.max_per_label` of each.
    recordings : sequence of Recording
        Training recordings, cleaned: simulated writers, say. Whoever they are is written down
        beside the weights, and nobody of them can be tested with this encoder.
    out : Path
        The encoder's folder, for `sensor.pretrained`.
    epochs : int
        Passes over the recordings.
    progress : bool
        Show a progress bar.

    Raises
    ------
    InputError
        If the recipe has no sensor section, a label has no recording, or the folder cannot be
        written.
    """
    import torch

    from imuscribe.models.fit import seeded
    from imuscribe.models.sensor.classifier import Classifier
    from imuscribe.models.sensor.files import SETTINGS, save_encoder

    if recipe.sensor is None:
        raise InputError("'sensor' is null: there is no encoder to train: set sensor={}")
    chosen = select(recordings, recipe)
    labels = recipe.label_set
    signals = signals_of(chosen, recipe)
    with seeded(recipe.seed):
        network = Classifier(recipe.sensor, signals.shape[1], len(labels))
    if torch.cuda.is_available():
        network = network.cuda()
    targets = np.array([labels.index(rec.label) for rec in chosen])
    network.learn(signals, targets, epochs, recipe.seed, "pretraining encoder", progress)
    about = {"labels": list(labels), "epochs": epochs, KEY: lineage(recipe, chosen, None)}
    with whole_folder(out, SETTINGS) as folder:
        save_encoder(network.encoder, recipe.sensor, folder, about)
    return out
