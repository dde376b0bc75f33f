"""How many captions a second are written on one core, of windows as of HAPT, by levels.

Counted is the time of this process, so that others on the machine do not matter. Tokens are counted
where a budget is given, which costs as much as the writing.

python bench/captions.py [n_windows]
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import numpy as np

from imuscribe.prompts.ask.tokens import load_tokenizer
from imuscribe.prompts.captions.hierarchy import CaptionConfig, captions, recount
from imuscribe.signals.recording import ACC, GYRO, Recording


def windows(n: int, seed: int = 0) -> list[Recording]:
    """Return windows of 2.56 s at 50 Hz: a third walk, a third turn about, a third rest."""
    rng = np.random.default_rng(seed)
    t = np.arange(128) / 50.0
    found = []
    for k in range(n):
        size = (4.0, 1.5, 0.02)[k % 3] * rng.uniform(0.5, 1.5, (6, 1))
        pace, shift = rng.uniform(0.3, 2.2, (6, 1)), rng.uniform(0, 6, (6, 1))
        data = size * np.sin(2 * np.pi * pace * t + shift) + rng.normal(0, 0.2, (6, 128)) * size
        data[:3] += rng.dirichlet([1, 1, 1])[:, None] * 9.81
        data[3:] *= 0.3
        found.append(Recording(f"w{k}", data, (*ACC, *GYRO), t, label="walking", placement="waist"))
    return found


def main() -> None:
    """Print a rate a setting."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    recs, reader = windows(n), load_tokenizer("smollm2")
    captions(recs[:10], tokenizer=reader)
    settings = {
        "all levels": CaptionConfig(),
        "all levels, no numbers": CaptionConfig(numbers=False),
        "statistical": CaptionConfig(levels=("statistical",)),
        "structural": CaptionConfig(levels=("structural",)),
        "semantic": CaptionConfig(levels=("semantic",)),
    }
    for name, config in settings.items():
        start = time.process_time()
        written = captions(recs, config)
        rate = n / (time.process_time() - start)
        print(f"{name:24} {rate:7,.0f} captions a second")
    start = time.process_time()
    written = captions(recs, CaptionConfig(max_tokens=256), tokenizer=reader)
    rate = n / (time.process_time() - start)
    most = max(one.tokens or 0 for one in written)
    print(
        f"{'all levels, 256 tokens':24} {rate:7,.0f} captions a second, the longest {most} tokens"
    )
    some = list(zip(written, recs, strict=True))[:100]
    start = time.process_time()
    reports = [recount(one, rec) for one, rec in some]
    rate = len(some) / (time.process_time() - start)
    wrong, claims = sum(r.contradicted for r in reports), sum(len(r.claims) for r in reports)
    print(f"{'checked':24} {rate:7,.0f} captions a second: {wrong} of {claims:,} claims false")


if __name__ == "__main__":
    main()
