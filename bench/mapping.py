"""How long one gesture takes to be encoded and found among 100,000, and an epoch of training.

The gallery holds random embeddings: an exact search takes the same time whatever they are. The
gesture is a simulated letter, already cleaned; its view, encoding and search are timed together on
one core. The epoch is 10,000 anchors with triplets mined from their batches, on two cores; its
samples are random as well.

python -m bench.mapping
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from mapping3d.encoder import SIDES, Encoder
from mapping3d.gallery import Gallery, Item
from mapping3d.losses import LossConfig, build_loss
from mapping3d.mapper import Mapper
from mapping3d.recipe import load_map_recipe
from mapping3d.train import FitConfig, Samples, fit
from signals.cleaning import clean
from signals.simulate import SimulateConfig, simulate

ITEMS, TRIALS, TRIPLETS = 100_000, 50, 10_000
MOST_MS, MOST_SECONDS = 10.0, 10.0


def main() -> bool:
    """Time both, print them, and tell whether both are within bounds."""
    recipe = load_map_recipe("map-charsense")
    encoder = Encoder(recipe.encoder, recipe.view, recipe.clean.rate)
    mapper = Mapper(encoder.eval(), recipe.clean, {}, {}, recipe.label_set, ())
    found = finding(mapper)
    print(f"encode and find     {found:8.2f} ms median of {TRIALS}, 1 core (at most {MOST_MS:g})")
    took = epoch(encoder)
    print(f"epoch               {took:8.2f} s, the slower loss, 2 cores (at most {MOST_SECONDS:g})")
    return found <= MOST_MS and took <= MOST_SECONDS


def finding(mapper: Mapper) -> float:
    """Return the median milliseconds from a cleaned recording to its five nearest items."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    gallery = Gallery(mapper.space)
    gallery.items = [Item(f"item-{i}", "somebody", "", "A", "", "2d") for i in range(ITEMS)]
    gallery._x = rng.standard_normal((ITEMS, mapper.space.size)).astype(np.float32)
    letters = [clean(rec) for rec in simulate(SimulateConfig(people=1, repetitions=1))]
    queries = [rec for rec in letters if rec.case == "3d"]
    times = []
    for i in range(TRIALS + 3):
        rec = queries[i % len(queries)]
        begin = time.perf_counter()
        gallery.search(mapper.embed([rec], "source"), [rec.subject])
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times[3:]))  # the first search prepares the index


def epoch(encoder: Encoder) -> float:
    """Return the seconds of one epoch with the slower of two losses."""
    torch.set_num_threads(2)
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
        begin = time.perf_counter()
        fit(encoder, sides[0], sides[1], settings, progress=False)
        times.append(time.perf_counter() - begin)
        print(f"  {loss.kind:18}{times[-1]:8.2f} s")
    return max(times)


if __name__ == "__main__":
    sys.exit(not main())
