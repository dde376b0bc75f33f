"""An encoder of letters that many processes simulate at once: the first half of ``bench/gpu.sh``.

Each process simulates the letters of one world, the same pens in other hands, and cleans them; what
the encoder sees of all worlds is learnt here, on a GPU where there is one.

python -m bench.gpu PENS OUT WORLDS PEOPLE EPOCHS
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from imuscribe.finetune.lineage import KEY, source
from imuscribe.finetune.rows import load_recordings, signals_of
from imuscribe.models.fit import seeded
from imuscribe.models.sensor.classifier import Classifier
from imuscribe.models.sensor.files import SETTINGS, save_encoder
from imuscribe.recipes.load import load_recipe
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.files import whole_folder
from imuscribe.signals.recording import Array

FIRST = 100
"""Seed of the first world: other hands than in the recipes, which the language model reads."""

World = tuple[Array, list[str], list[str]]
"""What the encoder sees, labels, people."""


def main(pens: str, out: str, worlds: int, people: int, epochs: int) -> None:
    """Simulate and teach; say how many letters there were and how long both took."""
    began = time.perf_counter()
    recipes = [_recipe(pens, people, FIRST + world) for world in range(worlds)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        found = list(pool.map(_world, recipes))
    signals = np.concatenate([signals for signals, _, _ in found])
    labels = [label for _, some, _ in found for label in some]
    # Nobody real, and nothing that could be copied into a test: recordings are not listed one by
    # one, which would be twenty megabytes.
    learnt_from = [
        {"data": source(recipe), "subjects": sorted(set(theirs)), "recordings": []}
        for recipe, (_, _, theirs) in zip(recipes, found, strict=True)
    ]
    simulated = time.perf_counter()
    known, sensor = recipes[0].label_set, recipes[0].sensor
    assert sensor is not None
    with seeded(0):
        network = Classifier(sensor, signals.shape[1], len(known))
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    targets = np.array([known.index(label) for label in labels])
    network.learn(signals, targets, epochs, 0, progress=True)
    about = {"objective": "labels", "epochs": epochs, "labels": list(known), KEY: learnt_from}
    with whole_folder(Path(out), SETTINGS) as folder:
        save_encoder(network.encoder, sensor, folder, about)
    taught = time.perf_counter()
    sys.stdout.write(
        f"{len(labels):,} letters of {worlds} worlds: simulated in {simulated - began:.0f} s, "
        f"learnt in {taught - simulated:.0f} s ({epochs} passes)\n"
    )


def _recipe(pens: str, people: int, seed: int) -> Recipe:
    values = {"strokes": pens, "people": people, "repetitions": 3, "seed": seed}
    return load_recipe("air-letters", [f"simulate.{key}={value}" for key, value in values.items()])


def _world(recipe: Recipe) -> World:
    recordings = load_recordings(recipe)
    labels = [rec.label for rec in recordings]
    return signals_of(recordings, recipe), labels, [rec.subject for rec in recordings]


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
