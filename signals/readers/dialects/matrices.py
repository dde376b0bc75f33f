"""Published sets of activities whose files hold numbers alone: text matrices and MATLAB files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.dialects.entry import Dialect
from imuscribe.signals.readers.dialects.streams import BREAK, Numbers, Stream, Take, runs, stream
from imuscribe.signals.readers.tables import read_text
from imuscribe.signals.recording import STANDARD_GRAVITY

Names = Mapping[str, str]

_PAMAP2 = {
    **{1: "lying", 2: "sitting", 3: "standing", 4: "walking", 5: "running", 6: "cycling"},
    **{7: "nordic_walking", 9: "watching_tv", 10: "computer_work", 11: "car_driving"},
    **{12: "upstairs", 13: "downstairs", 16: "vacuum_cleaning", 17: "ironing"},
    **{18: "folding_laundry", 19: "house_cleaning", 20: "playing_soccer", 24: "rope_jumping"},
}
_MHEALTH = {
    **{1: "standing", 2: "sitting", 3: "lying", 4: "walking", 5: "climbing_stairs"},
    **{6: "waist_bends_forward", 7: "frontal_elevation_of_arms", 8: "knees_bending"},
    **{9: "cycling", 10: "jogging", 11: "running", 12: "jump_front_and_back"},
}
_USC_HAD = {
    **{1: "walking_forward", 2: "walking_left", 3: "walking_right", 4: "upstairs"},
    **{5: "downstairs", 6: "running_forward", 7: "jumping", 8: "sitting", 9: "standing"},
    **{10: "sleeping", 11: "elevator_up", 12: "elevator_down"},
}
_UTD_MHAD = (
    *("swipe_left", "swipe_right", "wave", "clap", "throw", "arm_cross", "basketball_shoot"),
    *("draw_x", "draw_circle_cw", "draw_circle_ccw", "draw_triangle", "bowling", "boxing"),
    *("baseball_swing", "tennis_swing", "arm_curl", "tennis_serve", "push", "knock", "catch"),
    *("pickup_and_throw", "jogging", "walking", "sit_to_stand", "stand_to_sit", "lunge", "squat"),
)
_HAPT = {
    **{1: "walking", 2: "upstairs", 3: "downstairs", 4: "sitting", 5: "standing", 6: "lying"},
    **{7: "stand_to_sit", 8: "sit_to_stand", 9: "sit_to_lie", 10: "lie_to_sit"},
    **{11: "stand_to_lie", 12: "lie_to_stand"},
}
# ADXL345 at ±16 g in 13 bits and ITG3200 at ±2000 deg/s in 16, as the set's Readme has them.
_SISFALL_ACC, _SISFALL_GYRO = STANDARD_GRAVITY * 32 / 2**13, float(np.deg2rad(4000 / 2**16))


def matrix(path: Path, separator: str, text: str = "") -> Numbers:
    """Return the numbers of a file without a header, shape (n_rows, n_columns); NaN where none."""
    import pandas as pd

    text = text or read_text(path)
    if not text.strip():
        raise InputError(f"{path}: is empty: rows of numbers are needed")
    try:
        frame = pd.read_csv(io.StringIO(text), sep=separator, header=None, low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not a table: {str(error).splitlines()[-1]}") from None
    if any(kind.kind not in "iuf" for kind in frame.dtypes):
        frame = frame.apply(pd.to_numeric, errors="coerce")
    rows: Numbers = frame.to_numpy(np.float64)
    return rows


def placed(
    t: Numbers,
    rows: Numbers,
    codes: Numbers,
    labels: Mapping[int, str],
    sites: Mapping[str, Mapping[str, tuple[int, str]]],
) -> Iterator[Take]:
    """Yield a take for each run of one label and each site, whose sensors are (column, unit)."""
    keys = np.nan_to_num(codes, nan=-1).astype(int)
    for run in runs(keys, t, BREAK):
        label = labels.get(int(keys[run.start]), "")
        for site, sensors in sites.items() if label else ():
            whole = {
                name: stream(t[run], rows[run, at : at + 3].T, unit, name)
                for name, (at, unit) in sensors.items()
            }
            yield Take(whole, {"label": label, "placement": site})


def _pamap2(path: Path, names: Names) -> Iterator[Take]:
    rows = _wide(path, matrix(path, r"\s+"), 54)
    sites = {
        site: {"acc": (at, "m/s^2"), "gyro": (at + 6, "rad/s")}
        for site, at in (("hand", 4), ("chest", 21), ("ankle", 38))
    }
    yield from placed(rows[:, 0], rows, rows[:, 1], _PAMAP2, sites)


def _mhealth(path: Path, names: Names) -> Iterator[Take]:
    rows = _wide(path, matrix(path, r"\s+"), 24)
    sites = {
        "chest": {"acc": (0, "m/s^2")},
        "ankle": {"acc": (5, "m/s^2"), "gyro": (8, "deg/s")},
        "wrist": {"acc": (14, "m/s^2"), "gyro": (17, "deg/s")},
    }
    yield from placed(np.arange(len(rows)) / 50.0, rows, rows[:, 23], _MHEALTH, sites)


def _sisfall(path: Path, names: Names) -> Iterator[Take]:
    rows = _wide(path, matrix(path, ",", read_text(path).replace(";", "")), 9)
    t = np.arange(len(rows)) / 200.0
    sensors = {
        "acc": stream(t, rows[:, :3].T, _SISFALL_ACC, "acc"),
        "gyro": stream(t, rows[:, 3:6].T, _SISFALL_GYRO, "gyro"),
    }
    yield Take(sensors)


def _usc_had(path: Path, names: Names) -> Iterator[Take]:
    rows = _wide(path, _mat(path, "sensor_readings"), 6)
    yield Take(_six(rows, 100.0, "deg/s"), {"label": _label(_USC_HAD, names["code"], path)})


def _utd_mhad(path: Path, names: Names) -> Iterator[Take]:
    rows = _wide(path, _mat(path, "d_iner"), 6)
    code = int(names["code"])
    label = _label(dict(enumerate(_UTD_MHAD, 1)), names["code"], path)
    site = "wrist" if code <= 21 else "thigh"
    yield Take(_six(rows, 50.0, "deg/s"), {"label": label, "placement": site})


def _hapt(path: Path, names: Names) -> Iterator[Take]:
    other = path.with_name(path.name.replace("acc_", "gyro_", 1))
    listed = path.with_name("labels.txt")
    rows = np.hstack([_wide(path, matrix(path, r"\s+"), 3), _wide(other, matrix(other, r"\s+"), 3)])
    spans = _wide(listed, matrix(listed, r"\s+"), 5)
    mine = spans[(spans[:, 0] == int(names["exp"])) & (spans[:, 1] == int(names["user"]))]
    about = {"subject": f"u{names['user']}", "session": f"e{names['exp']}"}
    for _, _, code, first, last in mine.astype(int):
        # Samples are counted from 1, the last belongs to the span.
        six = _six(rows[first - 1 : last], 50.0, "rad/s")
        yield Take(six, {**about, "label": _label(_HAPT, str(code), listed)})


def _uci_har(path: Path, names: Names) -> Iterator[Take]:
    part = names["part"]
    base = path.parent.parent
    people = matrix(base / f"subject_{part}.txt", r"\s+")[:, 0].astype(int)
    codes = matrix(base / f"y_{part}.txt", r"\s+")[:, 0].astype(int)
    found = [
        path.with_name(f"{k}_{a}_{part}.txt") for k in ("total_acc", "body_gyro") for a in "xyz"
    ]
    six = np.stack([matrix(file, r"\s+") for file in found], axis=2)
    if not len(six) == len(people) == len(codes):
        raise InputError(f"{path}: {len(six)} windows, {len(people)} people, {len(codes)} labels")
    for window, person, code in zip(six, people, codes, strict=True):
        about = {"subject": f"u{person:02d}", "session": part}
        yield Take(_six(window, 50.0, "rad/s"), {**about, "label": _label(_HAPT, str(code), path)})


def _ku_har(path: Path, names: Names) -> Iterator[Take]:
    rows = _wide(path, matrix(path, ","), 8)
    # The set's page says milliseconds; the files that are about hold seconds.
    span = float(np.nanmax(rows[:, 0]) - np.nanmin(rows[:, 0]))
    size = 1e-3 if len(rows) < span else 1.0
    yield Take(
        {
            "acc": stream(rows[:, 0] * size, rows[:, 1:4].T, "m/s^2", "acc"),
            "gyro": stream(rows[:, 4] * size, rows[:, 5:8].T, "rad/s", "gyro"),
        }
    )


def _six(rows: Numbers, rate: float, gyro_unit: str) -> dict[str, Stream]:
    """Return acceleration in g and rotation rate from rows of six numbers."""
    t = np.arange(len(rows)) / rate
    return {
        "acc": stream(t, rows[:, :3].T, "g", "acc"),
        "gyro": stream(t, rows[:, 3:6].T, gyro_unit, "gyro"),
    }


def _mat(path: Path, name: str) -> Numbers:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        found = loadmat(path, variable_names=[name])
    except (MatReadError, NotImplementedError, ValueError, TypeError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a MATLAB file: {str(error)[:80]}") from None
    if name not in found:
        raise InputError(f"{path}: holds no matrix '{name}'")
    return np.asarray(found[name], np.float64)


def _wide(path: Path, rows: Numbers, n: int) -> Numbers:
    if rows.ndim != 2 or rows.shape[1] < n:
        raise InputError(f"{path}: rows are not {n} numbers: shape {rows.shape}")
    return rows


def _label(labels: Mapping[int, str], code: str, path: Path) -> str:
    if int(code) not in labels:
        raise InputError(f"{path}: activity {code} is not one of 1 to {max(labels)}")
    return labels[int(code)]


DIALECTS = (
    Dialect(
        name="pamap2",
        what="Protocol/subject<n>.dat",
        files=r"(?:Protocol|Optional)/subject(?P<subject>\d+)\.dat",
        takes=_pamap2,
        source="UCI 231, readme: 54 columns, the accelerometer of ±16 g, m/s², rad/s, 100 Hz; "
        "activity 0 is left out",
        device="imu",
        a_set=True,
    ),
    Dialect(
        name="mhealth",
        what="mHealth_subject<n>.log",
        files=r"mHealth_subject(?P<subject>\d+)\.log",
        takes=_mhealth,
        source="UCI 319, README: 24 columns, 50 Hz, the chest without gyroscope; label 0 is left "
        "out; not confirmed: deg/s, which way axes point",
        device="shimmer",
        a_set=True,
    ),
    Dialect(
        name="sisfall",
        what="S[AE]<nn>/<code>_S[AE]<nn>_R<nn>.txt",
        files=r"(?P<label>[DF]\d\d)_(?P<subject>S[AE]\d\d)_R(?P<session>\d\d)\.txt",
        takes=_sisfall,
        source="public loaders: counts of ADXL345 (1/256 g agrees with its files) and ITG3200, 200 "
        "Hz; labels are its codes D01 to F15; not confirmed: ±2000 deg/s in 16 bit",
        device="imu",
        placement="waist",
        a_set=True,
    ),
    Dialect(
        name="usc-had",
        what="Subject<n>/a<n>t<n>.mat",
        files=r"Subject(?P<subject>\d+)/a(?P<code>\d+)t(?P<session>\d+)\.mat",
        takes=_usc_had,
        source="public loaders: matrix sensor_readings, g, 100 Hz, hip; not confirmed: deg/s",
        device="motion-node",
        placement="hip",
        a_set=True,
    ),
    Dialect(
        name="utd-mhad",
        what="Inertial/a<n>_s<n>_t<n>_inertial.mat",
        files=r"a(?P<code>\d+)_(?P<subject>s\d+)_(?P<session>t\d+)_inertial\.mat",
        takes=_utd_mhad,
        source="public loaders: matrix d_iner, 6 columns; g, deg/s, 50 Hz agree with recordings "
        "that were looked at; wrist, from a22 on thigh",
        device="imu",
        a_set=True,
    ),
    Dialect(
        name="hapt",
        what="RawData/acc_exp<nn>_user<nn>.txt with gyro_… and labels.txt",
        files=r"acc_exp(?P<exp>\d+)_user(?P<user>\d+)\.txt",
        takes=_hapt,
        source="UCI 341, README and a public loader: g, rad/s, 50 Hz, spans in labels.txt",
        device="phone",
        placement="waist",
        a_set=True,
    ),
    Dialect(
        name="uci-har",
        what="<train|test>/Inertial Signals/total_acc_x_<train|test>.txt and its neighbours",
        files=r"Inertial Signals/total_acc_x_(?P<part>train|test)\.txt",
        takes=_uci_har,
        source="UCI 240, README: windows of 128 samples that overlap by half, g, rad/s, 50 Hz",
        device="phone",
        placement="waist",
        a_set=True,
    ),
    Dialect(
        name="ku-har",
        what="1.Raw_time_domian_data/<n>.<activity>/<person>_<letter>_<n>.csv",
        files=r"\d+\.(?P<label>[^/]+)/(?P<subject>\d+)_[A-Z]_(?P<session>[\d_]+)\.csv",
        takes=_ku_har,
        source="doi 10.17632/45f952y38r: 8 columns, times, m/s², rad/s; not confirmed: gravity. "
        "Where there is none the import is refused",
        device="phone",
        placement="waist",
        a_set=True,
    ),
)
