"""The loader of every command and experiment: read or simulate, select by label, clean.

What cannot be used is left out and counted by reason, in one warning (`signals.errors.usable`):
``charsense.parquet: 3 of 120 recordings left out: too short (2), no gyroscope (1)``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from imuscribe.signals.cleaning import CleanConfig, clean
from imuscribe.signals.errors import InputError, nearest, usable
from imuscribe.signals.labels import parse_labels
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.readers.parquet import load
from imuscribe.signals.recording import Recording
from imuscribe.signals.simulate import SimulateConfig, simulate

SIMULATED = "simulated"
"""Given instead of a file: simulated people write."""

_log = logging.getLogger(__name__)


def load_recordings(
    data: str | os.PathLike[str],
    labels: str = "",
    config: CleanConfig = CleanConfig(),
    simulation: SimulateConfig | None = None,
    frame: FrameConfig | None = None,
) -> list[Recording]:
    """Read or simulate recordings, keep those of some labels, clean each.

    Parameters
    ----------
    data : path-like
        A file in the canonical Parquet layout, or ``"simulated"``.
    labels : str
        As `signals.labels.parse_labels` reads them; empty keeps all.
    config : CleanConfig
        How recordings are cleaned.
    simulation : SimulateConfig, optional
        Who writes what when `data` is ``"simulated"``.
    frame : FrameConfig, optional
        Also refuse, here and not hours later, what has no writing frame.

    Returns
    -------
    list of Recording
        At ``config.rate``, in the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, holds none of the labels, or nothing usable is left.
    """
    found = read(data, simulation)
    if labels:
        found = with_labels(found, labels, data)
    return clean_all(found, config, frame, Path(data).name)


def read(data: str | os.PathLike[str], simulation: SimulateConfig | None = None) -> list[Recording]:
    """Read a Parquet file in the canonical layout, or simulate where `data` is ``"simulated"``."""
    if str(data) == SIMULATED:
        return simulate(simulation or SimulateConfig(), progress=True)
    return load(data)


def with_labels(
    recordings: Sequence[Recording], labels: str, data: str | os.PathLike[str]
) -> list[Recording]:
    """Return the recordings of some labels; one or more must be there."""
    wanted = parse_labels(labels)
    chosen = [rec for rec in recordings if rec.label in wanted]
    if not chosen:
        found = sorted({rec.label for rec in recordings})
        raise InputError(
            f"labels '{labels}': none of the {len(recordings)} recordings in '{data}' has one of "
            f"them: {nearest(wanted[0], found[:50])}"
        )
    if others := len(recordings) - len(chosen):
        _log.info("%d recordings have labels outside '%s'", others, labels)
    return chosen


def clean_all(
    recordings: Sequence[Recording],
    config: CleanConfig = CleanConfig(),
    frame: FrameConfig | None = None,
    where: str = "",
    most: float = 1.0,
) -> list[Recording]:
    """Clean recordings; at most a share `most` of them may be left out, each reason counted.

    Parameters and errors as for `load_recordings` and `signals.errors.usable`.
    """

    def cleaned(rec: Recording) -> Recording:
        rec = clean(rec, config)
        if frame is not None:
            writing_motion(rec, frame)
        return rec

    return usable(recordings, cleaned, where, most, progress="cleaning")
