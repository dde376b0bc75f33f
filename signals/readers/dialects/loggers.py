"""Loggers that write one table a recording: each is a few column names, units and a sign."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.csv import recordings_of
from imuscribe.signals.readers.dialects.entry import Dialect, head_of
from imuscribe.signals.readers.dialects.streams import Stream, Take
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.readers.tables import Table, read_table
from imuscribe.signals.recording import ACC, SENSORS

if TYPE_CHECKING:
    import pandas as pd

Names = Mapping[str, str]
Columns = Mapping[str, str]
Prepare = Callable[[Path, "pd.DataFrame"], Mapping[str, Any]]

_CLOCK = re.compile(r"\d+:\d\d:\d\d([:.,])\d+")
_log = logging.getLogger(__name__)


def table(
    *columns: Columns, prepare: Prepare | None = None, about: Names | None = None, **settings: Any
) -> Callable[[Path, Names], Iterator[Take]]:
    """Return the reader of a table.

    Parameters
    ----------
    *columns : mapping of str to str
        Sensor (``acc``, ``gyro``, ``lin_acc``) to its columns, with ``{a}`` for the axis in small
        letters and ``{A}`` in capitals; ``t`` to that of time. Of several the first whose
        acceleration and time are there counts; other sensors may be absent.
    prepare : callable, optional
        Mends the table before it is read, and returns what a file says of itself, as settings.
    about : mapping of str to str, optional
        Properties of every recording.
    **settings : Any
        Of `TableLayout`.
    """

    def takes(path: Path, names: Names) -> Iterator[Take]:
        def fits(header: Sequence[str]) -> bool:
            return any(_there(one, header) for one in columns)

        found = read_table(path, TableLayout(**settings), fits)
        said = {} if prepare is None else dict(prepare(path, found.frame))
        made = next(
            (some for one in columns if (some := _there(one, list(found.frame.columns)))), None
        )
        if made is None:
            wanted = ", ".join(columns[0]["acc"].format(a=a, A=a.upper()) for a in "xyz")
            raise InputError(f"{path}: has no columns {wanted}", "no acceleration")
        layout = TableLayout(**{"missing": "drop", **settings, **said}, columns=made)
        yield from of_table(found, layout, path, about or {})

    return takes


def of_table(found: Table, layout: TableLayout, path: Path, about: Names) -> Iterator[Take]:
    """Yield what a table holds; what there is to tell of it is a warning."""
    told: list[str] = []
    for rec in recordings_of(found, layout, path.stem, {}, told):
        sensors = {
            name: Stream(rec.t, rec.select(channels).astype(np.float64))
            for name, channels in SENSORS.items()
            if set(channels) <= set(rec.channels)
        }
        yield Take(sensors, about)
    for note in dict.fromkeys(note for note in told if not note.startswith("columns not read")):
        _log.warning("%s: %s", path.name, note)


def _there(columns: Columns, header: Sequence[str]) -> dict[str, str]:
    """Return our channels and their columns, of the sensors that a header has; none without acc."""
    bare = {re.sub(r"\s*[(\[].*[)\]]$", "", name) for name in header} | set(header)
    made: dict[str, str] = {}
    for sensor, pattern in columns.items():
        some = (
            {"t": pattern}
            if sensor == "t"
            else {
                channel: pattern.format(a=channel[-1], A=channel[-1].upper())
                for channel in SENSORS[sensor]
            }
        )
        if all(term in bare for text in some.values() for term in text.split("+")):
            made |= some
    return made if "acc_x" in made and ("t" in made or "t" not in columns) else {}


def _physics_toolbox(path: Path, frame: pd.DataFrame) -> Mapping[str, Any]:
    import pandas as pd

    for name in frame.columns:
        if name != "time" and not pd.api.types.is_numeric_dtype(frame[name]):
            # Some builds write a true minus sign, and a comma for the point.
            text = frame[name].astype(str).str.replace("−", "-").str.replace(",", ".")
            frame[name] = pd.to_numeric(text, errors="coerce")
    clock = _CLOCK.fullmatch(str(frame["time"].iloc[0]).strip()) if "time" in frame else None
    if clock and clock[1] == ",":
        frame["time"] = frame["time"].str.replace(",", ".")
    return {"time_unit": f"%H:%M:%S{clock[1].replace(',', '.')}%f"} if clock else {}


def _sensor_log(path: Path, frame: pd.DataFrame) -> Mapping[str, Any]:
    dates = "loggingTime(txt)"
    own = [n for n in frame.columns if re.match(r"(accelerometer|motion)Timestamp_sinceReboot", n)]
    return {"time_unit": "s" if own else "iso"} if dates in frame.columns else {}


def _pico_quake(path: Path, frame: pd.DataFrame) -> Mapping[str, Any]:
    rate = said(path, r"data_rate\s*=\s*([\d.]+)\s*Hz", "data_rate in its # lines")
    frame["t"] = frame["count"] / float(rate)
    return {}


def said(path: Path, pattern: str, what: str) -> str:
    """Return what a file says of itself in its first lines."""
    match = re.search(pattern, head_of(path))
    if match is None:
        raise InputError(f"{path}: has no {what}: its rate is unknown")
    return match[1]


def _nano(path: Path, names: Names) -> Iterator[Take]:
    found = read_table(path, TableLayout(header=1))
    made = _there({"acc": "a{A}", "gyro": "g{A}"}, list(found.frame.columns))
    if not made:
        raise InputError(f"{path}: has no columns aX, aY, aZ", "no acceleration")
    # A spreadsheet makes a row of empty cells of an empty line.
    empty = np.logical_and.reduce(found.frame.isna().to_numpy(), axis=1)
    kept = found.frame.loc[~empty].reset_index(drop=True)
    gone = np.cumsum(empty)
    after = [*found.breaks, *(np.flatnonzero(empty[:-1] & ~empty[1:]) + 1)]
    breaks = sorted({int(i - gone[i]) for i in after} - {0})
    found = Table(kept, found.where, {}, tuple(breaks))
    whole = len(kept) % 119 == 0 and not found.breaks
    layout = TableLayout(
        columns=made,
        acc_unit="g",
        gyro_unit="deg/s",
        rate=119.0,
        split=("rows:119",) if whole else ("blank-lines",),
        missing="drop",
    )
    yield from of_table(found, layout, path, {"label": path.stem})


_AXIVITY: dict[str, Any] = {"acc_unit": "g", "gyro_unit": "deg/s", "time_unit": "iso"}


def _axivity(path: Path, names: Names) -> Iterator[Take]:
    if head_of(path).lstrip().startswith("Time"):
        columns = {"t": "Time", "acc": "Accel-{A}", "gyro": "Gyro-{A}"}
        yield from table(columns, **_AXIVITY)(path, names)
        return
    found = read_table(path, TableLayout(header="none"))
    channels = ("t", *SENSORS["acc"], *(SENSORS["gyro"] if found.frame.shape[1] >= 7 else ()))
    layout = TableLayout(columns={c: str(i) for i, c in enumerate(channels, 1)}, **_AXIVITY)
    yield from of_table(found, layout, path, {})


def _acti_graph(path: Path, names: Names) -> Iterator[Take]:
    head = head_of(path)
    epoch = re.search(r"Epoch Period \(hh:mm:ss\) (\S+)", head)
    if epoch and epoch[1] != "00:00:00":
        raise InputError(
            f"{path}: holds counts of epochs of {epoch[1]}, not acceleration: export RAW data",
            "no acceleration",
        )
    rate = float(said(path, r"at\s*(\d+)\s*Hz", "'at … Hz' in its first line"))
    settings: dict[str, Any] = {"acc_unit": "g", "gyro_unit": "deg/s", "rate": rate, "skip": 10}
    if "Accelerometer X" in head:
        columns = {"acc": "Accelerometer {A}", "gyro": "Gyroscope {A}"}
        yield from table(columns, **settings)(path, names)
        return
    layout = TableLayout(columns=dict(zip(ACC, "123", strict=True)), header="none", **settings)
    yield from of_table(read_table(path, layout), layout, path, {})


_ANDRO = {
    "t": "Time since start in ms",
    "acc": "ACCELEROMETER {A}",
    "gyro": "GYROSCOPE {A}",
    "lin_acc": "LINEAR ACCELERATION {A}",
}
_MOTION = {
    "acc": "gravity.{a}+userAcceleration.{a}",
    "gyro": "rotationRate.{a}",
}
_LOG_GYRO = "motionRotationRate{A}"
_LOG_SUM = "motionGravity{A}+motionUserAcceleration{A}"
_LOG_RAW = "accelerometerAcceleration{A}"

DIALECTS = (
    Dialect(
        name="androsensor",
        what=".csv with 'ACCELEROMETER X (m/s²)'",
        files=r"[^/]+\.(?:csv|txt)",
        takes=table(_ANDRO, time_unit="ms"),
        source="exports in a public set: m/s², rad/s, ms, commas or semicolons after sep=;",
        head=r"ACCELEROMETER X \(m/s",
        device="phone",
    ),
    Dialect(
        name="physics-toolbox",
        what=".csv with time, gFx, gFy, gFz, wx, wy, wz",
        files=r"[^/]+\.(?:csv|txt)",
        takes=table(
            {"t": "time", "acc": "gF{a}", "gyro": "w{a}"},
            prepare=_physics_toolbox,
            acc_unit="g",
            gyro_unit="rad/s",
        ),
        source="headers in public code: g, rad/s, seconds or a clock, decimal commas in some; not "
        "confirmed: the sign on iPhones",
        head=r"^\W*time\W.*gF[xX]",
        device="phone",
    ),
    Dialect(
        name="sensorlog",
        what=".csv with accelerometerAccelerationX or motionUserAccelerationX",
        files=r"[^/]+\.(?:csv|txt)",
        takes=table(
            *(
                {"t": t, "acc": acc, "gyro": gyro}
                for t, acc in (
                    ("accelerometerTimestamp_sinceReboot", _LOG_RAW),
                    ("motionTimestamp_sinceReboot", _LOG_SUM),
                    ("loggingTime", _LOG_RAW),
                    ("loggingTime", _LOG_SUM),
                )
                for gyro in (_LOG_GYRO, "gyroRotation{A}")
            ),
            prepare=_sensor_log,
            acc_unit="g",
            acc_sign="down",
            gyro_unit="rad/s",
        ),
        source="headers of exports in public code (iPhone, Apple Watch): G, rad/s, seconds since "
        "reboot; −1 G on z with the face up, turned over here",
        head=r"(?:accelerometer|motionUser)AccelerationX\b",
    ),
    Dialect(
        name="core-motion",
        what=".csv with gravity.x, userAcceleration.x, rotationRate.x and t",
        files=r"[^/]+\.(?:csv|txt)",
        takes=table(
            *({"t": t, **_MOTION} for t in ("t", "time", "timestamp", "seconds_elapsed")),
            acc_unit="g",
            gyro_unit="rad/s",
            acc_sign="down",
        ),
        source="Apple's CMDeviceMotion: g, rad/s; gravity points down, turned over here",
        head=r"gravity\.x.*userAcceleration\.x|userAcceleration\.x.*gravity\.x",
    ),
    Dialect(
        name="axivity",
        what=".csv with 'Time,Accel-X (g)' or dates and numbers alone",
        files=r"[^/]+\.csv",
        takes=_axivity,
        source="digitalinteraction/openmovement: g, d/s, YYYY-MM-DD hh:mm:ss.fff, header optional",
        head=r"\ATime,\s*Accel-X \(g\)|"
        r"\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+(?:,\s*-?[\d.]+){3,}\s*$",
        device="axivity",
    ),
    Dialect(
        name="actigraph",
        what="RAW .csv of ActiLife with 'Data File Created By ActiGraph'",
        files=r"[^/]+\.csv",
        takes=_acti_graph,
        source="exports in public code: ten lines, 'at … Hz', g, with and without times and "
        "names; deg/s of the GT9X; counts of epochs are refused",
        head=r"Data File Created By ActiGraph",
        device="actigraph",
    ),
    Dialect(
        name="picoquake",
        what=".csv with '# PLab PicoQuake Data'",
        files=r"[^/]+\.csv",
        takes=table(
            {"t": "t", "acc": "a_{a}", "gyro": "g_{a}"},
            prepare=_pico_quake,
            acc_unit="g",
            gyro_unit="deg/s",
            comment="#",
        ),
        source="PLab-SI/PicoQuake docs/acquisition_data.md: count, g, deg/s, data_rate in # lines",
        head=r"PicoQuake",
        device="picoquake",
    ),
    Dialect(
        name="nano33ble",
        what="<gesture>.csv with aX,aY,aZ,gX,gY,gZ",
        files=r"[^/]+\.(?:csv|txt)",
        takes=_nano,
        source="the IMU capture sketch and its files in public code: g, deg/s, 119 rows a gesture, "
        "an empty line after each; 119 Hz is nominal, there are no times",
        head=r'^"?aX"?,\s*"?aY"?,\s*"?aZ',
        device="nano33ble",
    ),
)
