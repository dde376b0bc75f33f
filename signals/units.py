"""Units of acceleration, rotation rate, time and angle, turned to SI once, when a file is read."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.recording import STANDARD_GRAVITY

Quantity = Literal["acceleration", "rotation", "time", "angle"]

# One unit in m/s², rad/s, s or rad, under every spelling found in exports.
_FACTORS: dict[Quantity, dict[str, float]] = {
    "acceleration": {
        **dict.fromkeys(("m/s^2", "m/s²", "m/s2", "m/s/s", "ms^-2"), 1.0),
        "g": STANDARD_GRAVITY,
        "mg": STANDARD_GRAVITY / 1000,
    },
    "rotation": {
        **dict.fromkeys(("rad/s", "rads/s", "radian/s"), 1.0),
        **dict.fromkeys(("deg/s", "dps", "°/s", "degree/s"), math.pi / 180),
        **dict.fromkeys(("mdps", "mdeg/s"), math.pi / 180_000),
    },
    "angle": {
        **dict.fromkeys(("rad", "radian", "radians"), 1.0),
        **dict.fromkeys(("deg", "°", "degree", "degrees"), math.pi / 180),
    },
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9},
}


def to_si(values: ArrayLike, unit: str, quantity: Quantity) -> NDArray[np.float32]:
    """Convert values of any shape to m/s², rad/s, s or rad; SI values stay bit for bit."""
    factor = unit_factor(unit, quantity)
    array = np.asarray(values)
    # Double precision inside, so that a conversion rounds once.
    return (array if factor == 1.0 else array.astype(np.float64) * factor).astype(np.float32)


def known_factor(unit: str, quantity: Quantity) -> float | None:
    """Return how many m/s², rad/s, s or rad one `unit` is; None where it is none of these."""
    known, name = _FACTORS[quantity], unit.strip().replace(" ", "")
    return known.get(name, known.get(name.lower()))


def unit_factor(unit: str, quantity: Quantity) -> float:
    """Return the `known_factor` of a unit, or refuse the unit."""
    if factor := known_factor(unit, quantity):
        return factor
    hint = nearest(unit.strip().replace(" ", ""), _FACTORS[quantity])
    if not unit.strip():
        raise InputError(f"the unit of {quantity} is missing: {hint}")
    raise InputError(f"unit '{unit}' is not one of {quantity}: {hint}")
