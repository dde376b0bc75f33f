"""Dialects of loggers, devices and published sets: one entry each, imported when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imuscribe.signals.readers.dialects.entry import Dialect

MODULES = {
    "matrices": (
        *("pamap2", "mhealth", "sisfall", "usc-had", "utd-mhad", "hapt", "uci-har", "ku-har"),
    ),
    "tables": (
        *("motionsense", "wisdm", "wisdm-2011", "hhar", "shoaib", "realworld", "pdiot", "umafall"),
    ),
    "loggers": (
        *("androsensor", "physics-toolbox", "sensorlog", "core-motion", "axivity"),
        *("actigraph", "picoquake", "nano33ble"),
    ),
    "devices": ("shimmer", "xsens-dot", "xsens-mtw", "empatica", "magic-wand"),
    "phones": ("sensor-logger", "phyphox"),
    "json_logs": ("edge-impulse", "movesense", "magic-wand-strokes"),
}
"""Module to the dialects it holds; a test keeps the two alike."""

NAMES = tuple(name for names in MODULES.values() for name in names)


def dialect(name: str) -> Dialect:
    """Return a dialect by its name, one of `NAMES`."""
    module = next(module for module, names in MODULES.items() if name in names)
    held: tuple[Dialect, ...] = import_module(f"{__name__}.{module}").DIALECTS
    return next(one for one in held if one.name == name)
