"""Recordings in JSON: Edge Impulse, Movesense; the magic wand's strokes are none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import parsed_json
from imuscribe.signals.readers.dialects.entry import Dialect
from imuscribe.signals.readers.dialects.streams import Numbers, Stream, Take, stream
from imuscribe.signals.readers.tables import read_text

Names = Mapping[str, str]

_AXIS = re.compile(r"(acc|gyr)[a-z]*[ _.]?([xyz])", re.IGNORECASE)


def _loaded(path: Path) -> Any:
    try:
        return parsed_json(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {str(error)[:100]}") from None


def _edge_impulse(path: Path, names: Names) -> Iterator[Take]:
    payload = _loaded(path)["payload"]
    step = float(payload["interval_ms"]) / 1000
    if not (np.isfinite(step) and step > 0):
        raise InputError(f"{path}: interval_ms is {payload['interval_ms']}: it must be above 0")
    rows = np.array(payload["values"], dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(payload["sensors"]):
        raise InputError(
            f"{path}: values {rows.shape} and {len(payload['sensors'])} sensors differ"
        )
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for i, sensor in enumerate(payload["sensors"]):
        if match := _AXIS.fullmatch(sensor["name"].strip()):
            name = {"acc": "acc", "gyr": "gyro"}[match[1].lower()]
            found.setdefault(name, {})[match[2].lower()] = (i, sensor["units"])
    t = np.arange(len(rows)) * step
    sensors = {}
    for name, axes in found.items():
        if set(axes) != set("xyz"):
            raise InputError(f"{path}: {name} has axes {', '.join(axes)}: a sensor has x, y, z")
        columns = [axes[axis][0] for axis in "xyz"]
        sensors[name] = stream(t, rows[:, columns].T, axes["x"][1], name)
    about = {"device": str(payload.get("device_type") or payload.get("device_name") or "")}
    # Files are named label.number.json; a name without a dot says nothing of a label.
    if "." in path.stem:
        about["label"] = path.stem.split(".")[0]
    yield Take(sensors, about)


def _movesense(path: Path, names: Names) -> Iterator[Take]:
    packets: dict[str, list[tuple[float, Numbers]]] = {}
    for body in _packets(_loaded(path)):
        for key, name in (("ArrayAcc", "acc"), ("ArrayGyro", "gyro")):
            if body.get(key):
                rows = np.array([[one[axis] for axis in "xyz"] for one in body[key]], float)
                packets.setdefault(name, []).append((float(body["Timestamp"]) / 1000, rows))
    units = {"acc": "m/s^2", "gyro": "deg/s"}
    yield Take({name: _unpacked(found, units[name], name) for name, found in packets.items()})


def _packets(whole: Any) -> Iterator[dict[str, Any]]:
    """Yield what holds samples: the app's files and the logger's nest it differently."""
    inner = whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list) else ()
    if isinstance(whole, dict) and "Timestamp" in whole:
        yield whole
        return
    for part in inner:
        yield from _packets(part)


def _unpacked(packets: list[tuple[float, Numbers]], unit: str, name: str) -> Stream:
    """Spread the samples of each packet evenly from its own time to that of the next."""
    starts = np.array([t for t, _ in packets])
    counts = np.array([len(rows) for _, rows in packets])
    steps = np.diff(starts) / counts[:-1]
    steps = np.append(steps, np.median(steps) if steps.size else 0.0)
    t = [at + step * np.arange(n) for at, step, n in zip(starts, steps, counts, strict=True)]
    return stream(np.concatenate(t), np.concatenate([rows for _, rows in packets]).T, unit, name)


def _magic_wand_strokes(path: Path, names: Names) -> list[Take]:
    raise InputError(
        f"{path}: holds strokes drawn on a plane (strokePoints), not acceleration: nothing to "
        "import; the txt files of the magic wand do"
    )


DIALECTS = (
    Dialect(
        name="edge-impulse",
        what="<label>.<n>.json with payload, sensors, interval_ms and values",
        files=r"[^/]+\.json",
        takes=_edge_impulse,
        source="files in its data acquisition format: names, units and interval in the file; CBOR "
        "is not read",
        head=r'"(?:payload|interval_ms)"',
    ),
    Dialect(
        name="movesense",
        what="a .json of packets with ArrayAcc and ArrayGyro",
        files=r"[^/]+\.json",
        takes=_movesense,
        source="logs in public code, of the app (data) and of the logger (Meas): Timestamp in ms; "
        "m/s², deg/s agree with one that was looked at; not confirmed: that a packet's time is "
        "that of its first sample",
        head=r'"ArrayAcc"',
        device="movesense",
    ),
    Dialect(
        name="magic-wand-strokes",
        what="wanddata.json with strokePoints: refused, it holds no acceleration",
        files=r"[^/]+\.json",
        takes=_magic_wand_strokes,
        source="petewarden/magic_wand: points on a plane between −1 and 1",
        head=r'"strokePoints"',
    ),
)
