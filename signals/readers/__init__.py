"""Readers, by the names that `imuscribe data import --layout` takes.

A reader is a function from a file or folder to a list of recordings. To add one, write its file
beside this one and name the function in `READERS`; what is a few column names, units and folders is
an entry in `readers.dialects`. The command hands a reader the options that it has parameters for,
such as `people`; `readers.tables` reads delimited text.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.readers.dialects import NAMES, dialect

if TYPE_CHECKING:
    from imuscribe.signals.recording import Recording

READERS = {
    "csv": ("csv.read_tables", "tables of text; say columns and units"),
    "charsense": ("charsense.read_charsense", "RawDataset/<person>/<character>/*.csv"),
    "motion-pen": ("motion_pen.read_motion_pen", "data/<session>/<letter>.csv"),
    "parquet": ("parquet.load", "the canonical layout, in other units"),
}
"""Name of the dialect: the function, imported when asked for, and what it reads."""


def reader(layout: str) -> Callable[..., list[Recording]]:
    """Return the function that reads a layout.

    Raises
    ------
    InputError
        If there is no such layout.
    """
    if layout in NAMES:
        return dialect(layout).read
    if layout not in READERS:
        hint = nearest(layout, (*READERS, *NAMES))
        if hint.startswith("valid:"):  # too many for a line
            hint = f"valid: {', '.join(READERS)}, or one of 'imuscribe data import --help'"
        raise InputError(f"layout '{layout}' is unknown: {hint}")
    module, name = READERS[layout][0].split(".")
    function: Callable[..., list[Recording]] = getattr(import_module(f"{__name__}.{module}"), name)
    return function
