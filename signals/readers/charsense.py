"""Reader for CharSense: characters written in the air with a phone, AndroSensor exports."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, usable
from imuscribe.signals.files import AnyPath
from imuscribe.signals.readers.parquet import MAX_LEFT_OUT
from imuscribe.signals.readers.tables import files_of, in_si, read_table
from imuscribe.signals.recording import ACC, CHANNELS, GYRO, LIN_ACC, Recording
from imuscribe.signals.units import Quantity

_SENSORS = {"ACCELEROMETER": ACC, "LINEAR ACCELERATION": LIN_ACC, "GYROSCOPE": GYRO}


def read_charsense(root: AnyPath) -> list[Recording]:
    """Read the CharSense layout: ``RawDataset/<person>/<character>/*.csv``.

    The files are AndroSensor exports, separated by commas or, after a line ``sep=;``, by
    semicolons; column names carry sensor and unit. Characters were written in the air.

    Raises
    ------
    InputError
        If no such files are found, or more than 1 % of them cannot be used.
    """
    files = files_of(root, "RawDataset/<person>/<character>/*.csv", "CharSense")
    return usable(files, _recording, str(root), MAX_LEFT_OUT)


def _recording(path: Path) -> Recording:
    table = read_table(path).frame
    rows: dict[str, NDArray[np.float64]] = {}
    for column in table.columns:
        match = re.fullmatch(r"([A-Z ]+) ([XYZ]) \((.+)\)", column)
        if match and match[1] in _SENSORS:
            name = _SENSORS[match[1]]["XYZ".index(match[2])]
            quantity: Quantity = "rotation" if name in GYRO else "acceleration"
            rows[name] = in_si(table, column, match[3], quantity, path)
    times = [column for column in table.columns if column.startswith("Time since start")]
    missing = [name for name in (*ACC, *GYRO) if name not in rows] + ["t"] * (not times)
    if missing:
        raise InputError(f"{path}: has no column for {', '.join(missing)}: not a full export")
    unit = re.search(r"in (\w+)", times[0])
    t = in_si(table, times[0], unit[1] if unit else "", "time", path)
    channels = tuple(name for name in CHANNELS if name in rows)
    person, label = (part.strip() for part in path.parts[-3:-1])
    return Recording(
        id=f"charsense-{'-'.join(path.parts[-3:-1])}-{path.stem}".strip(),
        data=np.stack([rows[name] for name in channels]),
        channels=channels,
        t=t - t[0],
        label=label,
        subject=person,
        device="phone",
        case="3d",
    )
