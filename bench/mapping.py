"""How long one gesture takes to be encoded and found among 100,000, and an epoch of training.

The gallery holds random embeddings: an exact search takes the same time whatever they are. The
gesture is a simulated letter, already cleaned; its view, encoding and search are timed together on
one core. The epoch is 10,000 anchors with triplets mined from their batches, on one thread, for two
that wait for a core spend CPU time on waiting; its samples are random as well.

Both are told in wall-clock and in CPU time; where others use the machine too, only the second says
anything, so it decides. An idle machine takes no longer than that.

python -m bench.mapping
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from imuscribe.mapping3d.encoder import Encoder
from imuscribe.mapping3d.gallery import Gallery
from imuscribe.mapping3d.mapper import Mapper
from imuscribe.mapping3d.train import Samples, fit_encoder
from imuscribe.models.config import FitConfig, LossConfig
from imuscribe.models.losses import build_loss
from imuscribe.recipes.load import load_as
from imuscribe.recipes.mapping import SIDES, MapRecipe
from imuscribe.signals.cleaning import clean
from imuscribe.signals.recording import Recording
from imuscribe.signals.simulate import SimulateConfig, simulate

ITEMS, TRIALS, TRIPLETS = 100_000, 50, 10_000
MOST_MS, MOST_SECONDS = 10.0, 10.0


def main() -> bool:
    """Time both, print them, and tell whether both are within bounds."""
    recipe = load_as(MapRecipe, "map-charsense")
    encoder = Encoder(recipe.encoder, recipe.view, recipe.clean.rate)
    mapper = Mapper(encoder.eval(), recipe.clean, {}, {}, recipe.label_set, ())
    wall, found = finding(mapper)
    print(f"encode and find {wall:8.2f} ms wall, {found:6.2f} ms CPU (at most {MOST_MS:g})")
    wall, took = epoch(encoder)
    print(f"epoch           {wall:8.2f} s wall,  {took:6.2f} s CPU (at most {MOST_SECONDS:g})")
    return found <= MOST_MS and took <= MOST_SECONDS


def finding(mapper: Mapper) -> tuple[float, float]:
    """Return the median milliseconds, wall and CPU, from a recording to its nearest items."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    gallery = Gallery(mapper.space)
    one = np.zeros((1, 2), dtype=np.float32)
    items = [
        Recording(f"item-{i}", one, ("acc_x",), np.arange(2.0), "A", "somebody", case="2d")
        for i in range(ITEMS)
    ]
    x = rng.standard_normal((ITEMS, mapper.space.size)).astype(np.float32)
    gallery.add(items, x, mapper.space)
    letters = [clean(rec) for rec in simulate(SimulateConfig(people=1, repetitions=1))]
    queries = [rec for rec in letters if rec.case == "3d"]
    times = []
    for i in range(TRIALS + 3):
        rec = queries[i % len(queries)]
        begin = time.perf_counter(), time.thread_time()
        gallery.search(mapper.embed([rec], "source"), [rec.subject])
        times.append((time.perf_counter() - begin[0], time.thread_time() - begin[1]))
    wall, cpu = 1000 * np.median(times[3:], axis=0)  # the first search prepares the index
    return float(wall), float(cpu)


def epoch(encoder: Encoder) -> tuple[float, float]:
    """Return the seconds of one epoch, wall and CPU, with the slower of two losses."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    labels = np.array([chr(65 + i % 26) for i in range(5200)])
    sides = []
    for side in SIDES:
        x = rng.standard_normal((5200, len(encoder.view.channels(side)), encoder.view.steps))
        sides.append(Samples(x.astype(np.float32), labels, np.full(5200, "somebody")))
    times = []
    for loss in (LossConfig(kind="triplet"), LossConfig(kind="contrastive")):
        settings = FitConfig(epochs=1, triplets=TRIPLETS, loss=loss, device="cpu")
        build_loss(loss)  # imports the library
        begin = time.perf_counter(), time.process_time()
        fit_encoder(encoder, sides[0], sides[1], settings, progress=False)
        times.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    return max(times, key=lambda pair: pair[1])


if __name__ == "__main__":
    sys.exit(not main())
