"""Devices worn or held whose files say more than column names: preambles, units rows, clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.dialects.entry import Dialect, head_of
from imuscribe.signals.readers.dialects.loggers import of_table, said
from imuscribe.signals.readers.dialects.matrices import matrix
from imuscribe.signals.readers.dialects.streams import Numbers, Take, stream, with_gravity
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.readers.tables import Table, numbers, read_table, read_text
from imuscribe.signals.recording import STANDARD_GRAVITY

Names = Mapping[str, str]

# Empatica's counts at ±2 g.
_E4 = STANDARD_GRAVITY / 64
_DASHES = r"^\s*-\s*,\s*-\s*,\s*-\s*"


def _shimmer(path: Path, names: Names) -> Iterator[Take]:
    lines = head_of(path).splitlines()
    at = next((i for i, line in enumerate(lines) if re.search(r"Accel_\w+_X_\w+", line)), 0)
    found = read_table(path, TableLayout(header=at + 1, units_row=at + 2))
    there = list(found.frame.columns)
    start = next((n[: n.index("Accel_")] for n in there if "Accel_" in n), "")
    kind = next((k for k in ("LN", "WR") if f"{start}Accel_{k}_X_CAL" in there), "")
    if not kind:
        raise InputError(f"{path}: has no Accel_LN_X_CAL or Accel_WR_X_CAL: export calibrated data")
    columns = {f"acc_{a}": f"{start}Accel_{kind}_{a.upper()}_CAL" for a in "xyz"}
    if f"{start}Gyro_X_CAL" in there:
        columns |= {f"gyro_{a}": f"{start}Gyro_{a.upper()}_CAL" for a in "xyz"}
    unit = {"m/(s^2)": "m/s^2"}.get(found.units.get(columns["acc_x"], ""), "m/s^2")
    clocks = [n for n in there if re.search(r"Timestamp\w*_(Unix|FormattedUnix)_CAL$", n)]
    if not clocks:
        raise InputError(f"{path}: has no Timestamp_Unix_CAL: export it with a clock")
    dates = "FormattedUnix" in clocks[0]
    layout = TableLayout(
        columns={"t": clocks[0], **columns},
        acc_unit=unit,
        gyro_unit="deg/s",
        time_unit="%Y/%m/%d %H:%M:%S.%f" if dates else "ms",
        missing="drop",
    )
    plain = Table(found.frame, found.where, {}, found.breaks, found.notes)
    yield from of_table(plain, layout, path, {})


def _xsens_dot(path: Path, names: Names) -> Iterator[Take]:
    def fits(header: Sequence[str]) -> bool:
        return {"PacketCounter", "SampleTimeFine"} <= set(header)

    found = read_table(path, TableLayout(delimiter=","), fits)
    there = set(found.frame.columns)
    # Microseconds that begin again at 2^32.
    t = np.unwrap(_of(found, "SampleTimeFine"), period=2.0**32) * 1e-6
    if "Acc_X" in there:
        sensors = {"acc": stream(t, _rows(found, "Acc_{}"), "m/s^2", "acc")}
    elif "FreeAcc_X" in there:
        free = _rows(found, "FreeAcc_{}")
        sensors = {"acc": stream(t, with_gravity(free, _attitude(found)), "m/s^2", "acc")}
    else:
        raise InputError(f"{path}: has neither Acc_X nor FreeAcc_X", "no acceleration")
    if "Gyr_X" in there:
        sensors["gyro"] = stream(t, _rows(found, "Gyr_{}"), "deg/s", "gyro")
    # A first row may hold zeros alone.
    begun = int(np.argmax(sensors["acc"].values.any(axis=0)))
    yield Take({name: one.cut(slice(begun, None)) for name, one in sensors.items()})


def _attitude(found: Table) -> object:
    """Return the turns from the sensor to the earth, from a quaternion or Euler angles."""
    from scipy.spatial.transform import Rotation

    if "Quat_W" in found.frame.columns:
        parts = np.stack([_of(found, f"Quat_{a}") for a in "XYZW"], axis=1)
        return Rotation.from_quat(parts)
    if "Euler_X" in found.frame.columns:
        angles = np.stack([_of(found, f"Euler_{a}") for a in "ZYX"], axis=1)
        return Rotation.from_euler("ZYX", angles, degrees=True)
    raise InputError(f"{found.where}: FreeAcc without an attitude: gravity cannot be restored")


def _xsens_mtw(path: Path, names: Names) -> Iterator[Take]:
    def fits(header: Sequence[str]) -> bool:
        return {"Acc_X", "Acc_Y", "Acc_Z"} <= set(header)

    found = read_table(path, TableLayout(comment="//"), fits)
    rate = float(said(path, r"Update Rate:\s*([\d.]+)\s*Hz", "'// Update Rate: … Hz'"))
    packet: Numbers = np.arange(len(found.frame), dtype=np.float64)
    if "PacketCounter" in found.frame.columns:
        packet = np.asarray(np.unwrap(_of(found, "PacketCounter"), period=2.0**16), np.float64)
    t = packet / rate
    sensors = {"acc": stream(t, _rows(found, "Acc_{}"), "m/s^2", "acc")}
    if "Gyr_X" in found.frame.columns:
        sensors["gyro"] = stream(t, _rows(found, "Gyr_{}"), "rad/s", "gyro")
    yield Take(sensors)


def _empatica(path: Path, names: Names) -> Iterator[Take]:
    rows = matrix(path, ",")
    if rows.ndim != 2 or rows.shape[1] < 3 or len(rows) < 4:
        raise InputError(f"{path}: rows are not three numbers after a start and a rate")
    rate = float(rows[1, 0])
    if not 1 <= rate <= 1000:
        raise InputError(f"{path}: its second row says {rate:g} Hz: not an Empatica ACC.csv")
    t = np.arange(len(rows) - 2) / rate
    yield Take({"acc": stream(t, rows[2:, :3].T, _E4, "acc")})


def _magic_wand(path: Path, names: Names) -> Iterator[Take]:
    about = {"label": names["label"]}
    if not names["who"].isdigit():  # movements that are none are numbered, people are named
        about["subject"] = names["who"]
    text = read_text(path)
    # One published copy numbers the lines of dashes, and says 100 Hz.
    rate = 100.0 if re.search(rf"{_DASHES},\s*\d", text, re.MULTILINE) else 25.0
    for block in re.split(rf"{_DASHES}(?:,\s*\d+)?\s*$", text, flags=re.MULTILINE):
        lines = [line.strip() for line in block.splitlines()]
        some = [line for line in lines if line.count(",") == 2]
        if some:
            rows = matrix(path, ",", "\n".join(some))
            t = np.arange(len(rows)) / rate
            yield Take({"acc": stream(t, rows.T, "mg", "acc")}, about)


def _of(found: Table, name: str) -> Numbers:
    return numbers(found.frame, name, found.where)


def _rows(found: Table, pattern: str) -> Numbers:
    return np.stack([_of(found, pattern.format(axis)) for axis in "XYZ"])


DIALECTS = (
    Dialect(
        name="shimmer",
        what=".csv of Consensys with <name>_Accel_LN_X_CAL and a row of units",
        files=r"[^/]+\.(?:csv|txt|dat)",
        takes=_shimmer,
        source="exports in public code: sep=, names, units (m/(s^2), deg/s), Unix ms; "
        "low-noise before wide-range; raw counts are refused",
        head=r"Accel_(?:LN|WR)_X_(?:CAL|RAW|UNCAL)",
        device="shimmer",
    ),
    Dialect(
        name="xsens-dot",
        what=".csv with PacketCounter,SampleTimeFine",
        files=r"[^/]+\.csv",
        takes=_xsens_dot,
        source="exports in public code (Xsens and Movella): µs, m/s², deg/s, gravity on the axis "
        "that the Euler angles say; FreeAcc gets gravity back from the attitude; not confirmed: "
        "FreeAcc in the earth's frame",
        head=r"^PacketCounter,\s*SampleTimeFine",
        device="xsens-dot",
    ),
    Dialect(
        name="xsens-mtw",
        what=".txt of MT Manager with '// Update Rate'",
        files=r"[^/]+\.(?:txt|csv)",
        takes=_xsens_mtw,
        source="exports in public code and a data set's manual: packets at the update rate, m/s²; "
        "not confirmed: rad/s",
        head=r"^//\s*Update Rate",
        device="xsens-mtw",
    ),
    Dialect(
        name="empatica",
        what="ACC.csv of the E4",
        files=r"ACC\.csv",
        takes=_empatica,
        source="info.txt of the export: start, rate, then counts of 1/64 g; accelerometer alone",
        head=r"\A\s*\d{9,}(?:\.\d+)?,\s*\d{9,}",
        device="empatica-e4",
        placement="wrist",
        beside=r"(?:BVP|EDA|HR|IBI|TEMP|tags)\.csv|/info\.txt",
    ),
    Dialect(
        name="magic-wand",
        what="output_<gesture>_<person>.txt with lines '-,-,-'",
        files=r"output_(?P<label>[A-Za-z]+)_(?P<who>[^/]+)\.txt",
        takes=_magic_wand,
        source="the magic wand example's scripts and copies of its files: a line of dashes before "
        "each, mg, no times; not confirmed: 25 Hz, or 100 where the dashes are numbered",
        head=_DASHES,
    ),
)
