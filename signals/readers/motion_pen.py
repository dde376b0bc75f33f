"""Reader for motion-pen: letters written on a flat surface with a pen that holds a sensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from imuscribe.signals.errors import InputError, nearest, usable
from imuscribe.signals.files import AnyPath
from imuscribe.signals.readers.parquet import MAX_LEFT_OUT
from imuscribe.signals.readers.tables import files_of, read_text
from imuscribe.signals.recording import ACC, GYRO, Recording
from imuscribe.signals.units import to_si

_COLUMNS = 15


def read_motion_pen(root: AnyPath, people: Mapping[str, str] | None = None) -> list[Recording]:
    """Read the motion-pen layout: ``data/<session>/<letter>.csv`` without header.

    A row is id, milliseconds since the row before, yaw, pitch, roll, acceleration x, y, z in mg,
    rotation rate x, y, z in deg/s, quaternion. Rows of one id are one recording; a row whose id is
    ``#`` cancels the recording before it. Letters were written on a flat surface.

    Parameters
    ----------
    root : path-like
        The repository or its ``data`` folder.
    people : mapping of str to str, optional
        Session to writer. The layout does not say who wrote, so a session not named here counts
        as a writer of its own; name those that one person wrote, or that person is on both sides
        of a split.

    Raises
    ------
    InputError
        If no such files are found, or more than 1 % of the recordings cannot be used.
    """
    people = people or {}
    files = files_of(root, "data/<session>/<letter>.csv", "motion-pen")
    sessions = sorted({path.parent.name for path in files})
    for session in people:
        if session not in sessions:
            raise InputError(f"{root}: has no session '{session}': {nearest(session, sessions)}")
    sequences = [(path, i, lines) for path in files for i, lines in enumerate(_sequences(path))]
    return usable(
        sequences, lambda sequence: _recording(*sequence, people), str(root), MAX_LEFT_OUT
    )


def _sequences(path: Path) -> list[list[str]]:
    """Split a file into its sequences, without those that a ``#`` row cancels."""
    sequences: list[list[str]] = []
    current: str | None = None
    for line in read_text(path).splitlines():
        key = line.split(",", 1)[0].strip()
        if key == "#":
            # A second '#' in a row still means the sequence that is already gone.
            if current is not None:
                sequences.pop()
            current = None
        elif key:
            if key != current:
                sequences.append([])
            sequences[-1].append(line)
            current = key
    return sequences


def _recording(path: Path, i: int, lines: list[str], people: Mapping[str, str]) -> Recording:
    session, label = path.parent.name, path.stem
    name = f"motion-pen-{session}-{label}-{i:02d}"
    try:
        values = np.array([line.split(",")[:_COLUMNS] for line in lines], dtype=np.float64)
        if values.shape[1] != _COLUMNS:
            raise ValueError
    except ValueError:
        raise InputError(
            f"{path}: sequence '{name}': a row is not {_COLUMNS} numbers: "
            "id, td, yaw, pitch, roll, ax, ay, az, gx, gy, gz, qx, qy, qz, qw"
        ) from None
    acc, gyro = values[:, 5:8].T, values[:, 8:11].T
    # The first step leads from the sequence before.
    steps = np.concatenate([[0.0], values[1:, 1]]) / 1000
    return Recording(
        id=name.strip(),
        data=np.concatenate([to_si(acc, "mg", "acceleration"), to_si(gyro, "dps", "rotation")]),
        channels=(*ACC, *GYRO),
        t=np.cumsum(steps),
        label=label.strip(),
        subject=people.get(session, session).strip(),
        session=session.strip(),
        device="stylus",
        case="2d",
    )
