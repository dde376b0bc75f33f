"""Units of acceleration, rotation rate, time and angle, turned to SI once, when a file is read."""

from __future__ import annotations

import math
import re
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.recording import STANDARD_GRAVITY

Quantity = Literal["acceleration", "rotation", "time", "angle"]

# One unit in m/s², rad/s, s or rad. Other spellings are brought to these by `_SPELLINGS`.
_FACTORS: dict[Quantity, dict[str, float]] = {
    "acceleration": {
        **dict.fromkeys(("m/s2", "m/s/s", "ms-2"), 1.0),
        "cm/s2": 0.01,
        "mm/s2": 0.001,
        "g": STANDARD_GRAVITY,
        "mg": STANDARD_GRAVITY / 1000,
        "ug": STANDARD_GRAVITY / 1e6,
    },
    "rotation": {
        **dict.fromkeys(("rad/s", "rads-1", "rps"), 1.0),
        **dict.fromkeys(("deg/s", "degs-1", "dps"), math.pi / 180),
        **dict.fromkeys(("mdeg/s", "mdps"), math.pi / 180_000),
        "mrad/s": 0.001,
        "rpm": math.pi / 30,
    },
    "angle": {"rad": 1.0, "mrad": 0.001, "deg": math.pi / 180},
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0},
}
_SPELLINGS = [
    (re.compile(pattern), plain)
    for pattern, plain in (
        ("[µμ]|micro", "u"),
        ("milli-?", "m"),
        ("nano", "n"),
        ("centi", "c"),
        ("⁻", "-"),
        ("¹", "1"),
        ("²|squared?", "2"),
        (r"[\s·.*^()\[\]_]+", ""),
        ("per", "/"),
        ("°|º|degrees?", "deg"),
        ("radians?|rads(?=/)", "rad"),
        ("meters?|metres?", "m"),
        ("minutes?", "min"),
        ("seconds?|secs?", "s"),
        ("gravity|gravities|gees?|g's|gs$|g-?forces?", "g"),
    )
]
_SHOWN: dict[Quantity, tuple[str, ...]] = {
    "acceleration": ("m/s^2", "g", "mg", "1/64 g", "16384 LSB/g"),
    "rotation": ("rad/s", "deg/s", "mdeg/s", "16.4 LSB/dps"),
    "angle": ("rad", "deg"),
    "time": ("s", "ms", "us", "ns"),
}
_NUMBER = r"(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+)"
_COUNT = r"(?:lsbs?|counts?|digits?|ticks?)"
_MULTIPLE = re.compile(rf"{_NUMBER}(?:/{_NUMBER})?[\s*]*([^\d\s/].*)", re.IGNORECASE)
_SHARE = re.compile(rf"(.*[^\d\s/])\s*/\s*{_NUMBER}", re.IGNORECASE)
_COUNTS = re.compile(rf"{_NUMBER}\s*{_COUNT}?\s*(?:/|\bper\b)\s*(.*)", re.IGNORECASE)


def to_si(values: ArrayLike, unit: str, quantity: Quantity) -> NDArray[np.float32]:
    """Convert values of any shape to m/s², rad/s, s or rad; SI values stay bit for bit."""
    factor = unit_factor(unit, quantity)
    array = np.asarray(values)
    # Double precision inside, so that a conversion rounds once.
    return (array if factor == 1.0 else array.astype(np.float64) * factor).astype(np.float32)


def known_factor(unit: str, quantity: Quantity) -> float | None:
    """Return how many m/s², rad/s, s or rad one `unit` is; None where it is none of these.

    Units may be written out (``meters per second squared``), be a multiple (``1/64 g``, ``g/64``)
    or the counts of a sensor that make one (``16384 LSB/g``, ``0.061 mg/LSB``).
    """
    text = re.sub(rf"\s*/\s*{_COUNT}$", "", unit.strip(), flags=re.IGNORECASE)
    factor = _plain_factor(text, quantity)
    if factor is None and (match := _MULTIPLE.fullmatch(text)):
        plain = _plain_factor(match[3], quantity)
        over = float(match[2] or 1)
        factor = None if plain is None or not over else float(match[1]) / over * plain
    if factor is None and (match := _COUNTS.fullmatch(text)):
        plain = _plain_factor(match[2], quantity)
        factor = None if plain is None or not float(match[1]) else plain / float(match[1])
    if factor is None and (match := _SHARE.fullmatch(text)):
        plain = _plain_factor(match[1], quantity)
        factor = None if plain is None or not float(match[2]) else plain / float(match[2])
    return factor if factor and math.isfinite(factor) else None


def unit_factor(unit: str, quantity: Quantity) -> float:
    """Return the `known_factor` of a unit, or refuse the unit."""
    if factor := known_factor(unit, quantity):
        return factor
    if not unit.strip():
        valid = ", ".join(_SHOWN[quantity])
        raise InputError(f"the unit of {quantity} is missing: valid: {valid}")
    if re.fullmatch(f"{_COUNT}|raw", unit.strip(), re.IGNORECASE):
        hint = f"say how many make one, as in '{_SHOWN[quantity][-1]}'"
    else:
        hint = nearest(unit.strip().replace(" ", ""), _SHOWN[quantity])
    raise InputError(f"unit '{unit[:40]}' is not one of {quantity}: {hint}")


def units_that_fit(
    values: float, used: str, quantity: Quantity, low: float, high: float
) -> list[str]:
    """Return the usual units, but for the one in use, in which a value lies between two in SI.

    `values` is in SI by the unit that was `used`; a time's is the step between samples.
    """
    factor = known_factor(used, quantity)
    if factor is None:
        return []
    usual = [unit for unit in _SHOWN[quantity] if unit[0].isalpha()]
    return [
        unit
        for unit in usual
        if (other := unit_factor(unit, quantity)) != factor
        and low <= values / factor * other <= high
    ]


def counts_of_gravity(value: float, used: str) -> str:
    """Return the counts of a sensor that make one g, where `value` m/s² by `used` would be 1 g."""
    counts = value / unit_factor(used, "acceleration")
    power = 2.0 ** round(math.log2(counts))
    # Sensors count in powers of two; their scale is out by a few per cent.
    return f"{power if abs(counts / power - 1) < 0.1 else float(f'{counts:.4g}'):g} LSB/g"


def _plain_factor(unit: str, quantity: Quantity) -> float | None:
    name = unit.strip().lower()
    for pattern, plain in _SPELLINGS:
        name = pattern.sub(plain, name)
    return _FACTORS[quantity].get(name)
