"""Stroke templates of A–Z, a–z and 0–9: what is drawn, in which order and direction.

A drawing is a line of ``glyphs.txt``, after its character. Strokes are separated by ``|``; the pen
is up between them. A stroke is a list of corners ``x,y`` joined by lines and of elliptical arcs
``@cx,cy,rx,ry,from,to`` (degrees, counterclockwise when ``to`` is larger). Capitals and digits
stand on y = 0 and reach y = 1, x grows to the right from about 0; small letters have an x-height of
0.6 and descend to −0.4.

The first drawing of a character is the print form commonly taught. The others are habits seen in
writers; ``=2 -1`` means the first drawing's second stroke, then its first stroke backwards.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Stroke = NDArray[np.float64]
"""The points of one stroke, shape (n, 2)."""

_STEP = 1.0  # degrees between the points that stand for an arc


def characters() -> tuple[str, ...]:
    """Return every character that has a template."""
    return tuple(_drawings())


def n_variants(char: str) -> int:
    """Return how many ways of writing `char` are known."""
    return len(_drawings()[char])


@cache
def glyph(char: str, variant: int = 0) -> tuple[Stroke, ...]:
    """Return the strokes of a character in writing order, in units of the height of a capital.

    Variant 0 is the common way, others below `n_variants` are habits.
    """
    drawing = _drawings()[char][variant]
    if not drawing.startswith("="):
        return tuple(_points(stroke) for stroke in drawing.split("|"))
    common = glyph(char)
    order = [int(number) for number in drawing[1:].split()]
    return tuple(common[abs(i) - 1][:: 1 if i > 0 else -1] for i in order)


@cache
def _drawings() -> dict[str, list[str]]:
    """Return the drawings of every character, the common one first."""
    found: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("glyphs.txt").read_text(encoding="utf-8").splitlines():
        char, drawing = line.split(maxsplit=1)
        found.setdefault(char, []).append(drawing)
    return found


def _points(stroke: str) -> Stroke:
    parts = []
    for item in stroke.split():
        values = [float(value) for value in item.removeprefix("@").split(",")]
        if item.startswith("@"):
            cx, cy, rx, ry, start, stop = values
            angle = np.radians(np.linspace(start, stop, int(abs(stop - start) / _STEP) + 1))
            parts.append(np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1))
        else:
            parts.append(np.array([values]))
    points: Stroke = np.concatenate(parts)
    points.flags.writeable = False
    return points
