"""Phone loggers that write one file a sensor: Sensor Logger and phyphox."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.dialects.entry import Dialect, head_of
from imuscribe.signals.readers.dialects.loggers import table
from imuscribe.signals.readers.dialects.streams import Numbers, Stream, Take, stream
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.readers.tables import Table, numbers, read_table, read_text

Names = Mapping[str, str]

# A recording is named by hand, then by date and time: walking-2024-03-01_10-00-00.
_DATE = re.compile(r"[-_ ]*\d{4}-\d\d-\d\d(?:[-_ T]\d\d[-_.]\d\d[-_.]\d\d)?(?:[-_]\d+)?$")
_log = logging.getLogger(__name__)


def _sensor_logger(path: Path, names: Names) -> Iterator[Take]:
    folder = path.resolve().parent
    files = {file.stem: file for file in sorted(folder.glob("*.csv"))}
    about = {"label": _DATE.sub("", folder.name), "session": folder.name}
    sign, phone = _counts_up(files), {}
    if "TotalAcceleration" in files:
        phone["acc"] = _xyz(files["TotalAcceleration"], "m/s^2", "acc", sign)
    elif "Accelerometer" in files and "Gravity" in files:
        phone["acc"] = _sum(
            _xyz(files["Gravity"], "m/s^2", "acc", sign),
            _xyz(files["Accelerometer"], "m/s^2", "acc", sign),
        )
    if "Accelerometer" in files:
        phone["lin_acc"] = _xyz(files["Accelerometer"], "m/s^2", "lin_acc", sign)
    if "Gyroscope" in files:
        phone["gyro"] = _xyz(files["Gyroscope"], "rad/s", "gyro")
    if "acc" in phone:
        yield Take(phone, {**about, "device": "phone"})
    elif "WristMotion" not in files:
        raise InputError(
            f"{folder}: has neither TotalAcceleration.csv nor Gravity.csv beside "
            "Accelerometer.csv: gravity was not recorded",
            "no gravity",
        )
    if "WristMotion" in files:
        watch = _wrist(files["WristMotion"], standard=_said(files, "standardisation") == "true")
        yield Take(watch, {**about, "device": "watch", "placement": "wrist"})


def _counts_up(files: Mapping[str, Path]) -> int:
    """Return −1 where acceleration is counted as on iPhones, unless the app was told to turn it."""
    if _said(files, "standardisation") == "true":
        return 1
    system = _said(files, "platform")
    if system:
        return -1 if system.startswith("ios") else 1
    if "TotalAcceleration" in files:  # which Android alone has
        return 1
    first = next(iter(files.values()))
    _log.warning(
        "%s: no Metadata.csv says the platform; without TotalAcceleration.csv it is an iPhone's, "
        "whose acceleration is turned over",
        first.parent.name,
    )
    return -1


def _said(files: Mapping[str, Path], key: str) -> str:
    """Return what Metadata.csv says, in small letters."""
    if "Metadata" not in files:
        return ""
    found = list(csv.reader(read_text(files["Metadata"]).splitlines()))
    if len(found) < 2 or key not in found[0]:
        return ""
    at = found[0].index(key)
    return found[1][at].strip().lower() if at < len(found[1]) else ""


def _xyz(path: Path, unit: str, sensor: str, sign: int = 1) -> Stream:
    found = read_table(path, TableLayout(header=1))
    rows = np.stack([numbers(found.frame, axis, found.where) for axis in "xyz"])
    return stream(_clock(found), rows, unit, sensor, sign)


def _clock(found: Table) -> Numbers:
    """Return seconds since the epoch; nanoseconds are taken apart before they lose digits."""
    if "time" not in found.frame.columns:
        return numbers(found.frame, "seconds_elapsed", found.where)
    whole = found.frame["time"].to_numpy(np.int64)
    return np.asarray((whole // 10**9) + (whole % 10**9) * 1e-9, np.float64)


def _sum(one: Stream, other: Stream) -> Stream:
    """Add two streams at the times of the first, where both are."""
    inside = (one.t >= other.t[0]) & (one.t <= other.t[-1])
    kept = one.cut(inside)
    beside = np.stack([np.interp(kept.t, other.t, row) for row in other.values])
    return Stream(kept.t, kept.values + beside)


def _wrist(path: Path, standard: bool) -> dict[str, Stream]:
    found = read_table(path, TableLayout(header=1))
    t, unit, sign = _clock(found), ("m/s^2" if standard else "g"), (1 if standard else -1)

    def rows(name: str) -> Numbers:
        return np.stack([numbers(found.frame, f"{name}{a}", found.where) for a in "XYZ"])

    return {
        "acc": stream(t, rows("gravity") + rows("acceleration"), unit, "acc", sign),
        "gyro": stream(t, rows("rotationRate"), "rad/s", "gyro"),
    }


_PHYPHOX = {
    "acc": ("Accelerometer", r"(?:Acceleration )?[xX] \(m/s"),
    "gyro": ("Gyroscope", r"(?:Gyroscope )?[xX] \(rad/s"),
}


def _phyphox(path: Path, names: Names) -> Iterator[Take]:
    if path.stem not in ("Accelerometer", "Gyroscope"):
        one = {"t": "Time", "acc": "Acceleration {a}", "gyro": "Gyroscope {a}"}
        if not re.search(r'(?:^|[",;\t])Acceleration x', head_of(path)):
            raise InputError(
                f"{path}: holds acceleration without gravity: record 'Acceleration with g'",
                "no gravity",
            )
        yield from table(one, {**one, "acc": "Acceleration {A}"})(path, names)
        return
    streams = {}
    for sensor, (stem, pattern) in _PHYPHOX.items():
        file = path.with_name(f"{stem}.csv")
        if file.exists():
            found = read_table(file, TableLayout(header=1))
            first = next((n for n in found.frame.columns if re.match(pattern, n)), "")
            if not first:
                raise InputError(f"{file}: has no column X (m/s^2) or X (rad/s): not phyphox")
            at = list(found.frame.columns).index(first)
            axes = found.frame.columns[at : at + 3]
            rows = np.stack([numbers(found.frame, axis, found.where) for axis in axes])
            t = numbers(found.frame, "Time (s)", found.where)
            streams[sensor] = stream(t, rows, "m/s^2" if sensor == "acc" else "rad/s", sensor)
    yield Take(streams)


DIALECTS = (
    Dialect(
        name="sensor-logger",
        what="<label>-<date>/ with TotalAcceleration.csv or Gravity.csv, Gyroscope.csv, …",
        files=r"(?:TotalAcceleration|Gravity|Accelerometer|WristMotion)\.csv",
        takes=_sensor_logger,
        source="tszheichoi/awesome-sensor-logger UNITS, COORDINATES, CROSSPLATFORM: m/s², rad/s, "
        "ns; iPhones count down and have no TotalAcceleration; the watch in g",
        head=r"\A\W*time,\s*seconds_elapsed",
        a_folder=True,
    ),
    Dialect(
        name="phyphox",
        what="'Raw Data.csv', or Accelerometer.csv beside Gyroscope.csv, with 'Time (s)'",
        files=r"[^/]+\.(?:csv|txt)",
        takes=_phyphox,
        source="phyphox-ios ExperimentSensorInput.swift and exports in public code: m/s², rad/s, "
        "s; the app turns iPhones' values over, its first versions did not",
        head=r'\A"?Time \(s\)"?[,;\t]\s*"?(?:Linear )?(?:Acceleration )?[xX] \(m/s',
        device="phone",
        beside=r"(?:meta/\w+|Gyroscope|Linear [^/]+|Magnetometer|Barometer|Light|Location)\.csv",
    ),
)
