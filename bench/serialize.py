"""How much faster `Serializer.encode` is than a plain loop over the values, texts equal.

Times the writing of features that are there already, not the signal processing before it.

python bench/serialize.py [n_recordings]
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import numpy as np

from imuscribe.prompts.serialize import Features, Serializer, TextConfig, View, build_serializer
from imuscribe.prompts.serialize.strokes import NAMES, THRESHOLDS, codebook

STEPS = 32
STROKES = TextConfig(format="strokes", views=(View(steps=STEPS),))
DIGITS = TextConfig(format="digits", steps=STEPS)


def plain_strokes(features: Features) -> str:
    """Write one recording value by value, as one would without arrays."""
    view = STROKES.views[0]
    words = codebook(view)
    right, up = features[0]
    mean = 0.0
    for x, y in zip(right, up, strict=True):
        mean += (float(x) ** 2 + float(y) ** 2) / len(right)
    written = [NAMES[view.signal]]
    for x, y in zip(right, up, strict=True):
        power = float(x) ** 2 + float(y) ** 2
        level = 0
        for threshold in THRESHOLDS[view.levels]:
            if power > threshold**2 * mean:
                level += 1
        if level == 0:
            written.append(words[0])
            continue
        turn = math.atan2(float(x), float(y)) / (2 * math.pi) * view.directions
        written.append(words[1 + (level - 1) * view.directions + round(turn) % view.directions])
    return " ".join(written)


def plain_digits(features: Features) -> str:
    """Write one recording value by value, as one would without arrays."""
    top = 10**DIGITS.digits - 1
    lines = []
    for channel in features[0]:
        low = math.floor(float(min(channel)) * 10)
        high = max(math.ceil(float(max(channel)) * 10), low + 1)
        line = f"{low:+d}{high:+d}:"
        for value in channel:
            whole = round((float(value) * 10 - low) * (top / (high - low)))
            line += f"{whole:0{DIGITS.digits}d}"
        lines.append(line)
    return "\n".join(lines)


def seconds(write: Callable[[], list[str]]) -> tuple[float, list[str]]:
    """Time one call."""
    start = time.perf_counter()
    texts = write()
    return time.perf_counter() - start, texts


def compare(config: TextConfig, plain: Callable[[Features], str], n: int) -> None:
    """Print both rates and their ratio for `n` random recordings."""
    rng = np.random.default_rng(0)
    rows = 2 if config.format == "strokes" else len(config.channels)
    walk = rng.normal(size=(n, rows, STEPS)).cumsum(axis=2).astype(np.float32)
    batch: list[Features] = [(one,) for one in walk]
    serializer: Serializer = build_serializer(config)
    fast = slow = math.inf
    for _ in range(20):  # in turn, so that both meet the same noise; the best of each counts
        took, texts = seconds(lambda: serializer.encode(batch))
        fast = min(fast, took)
        took, expected = seconds(lambda: [plain(one) for one in batch])
        slow = min(slow, took)
    if texts != expected:
        raise SystemExit(f"{config.format}: the two ways write different texts")
    rates = f"{n / fast:,.0f} recordings/s, plain loop {n / slow:,.0f}"
    print(f"{config.format}: {rates}: {slow / fast:.1f}×")


if __name__ == "__main__":
    n_recordings = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    compare(STROKES, plain_strokes, n_recordings)
    compare(DIGITS, plain_digits, n_recordings)
