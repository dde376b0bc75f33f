"""Published sets of activities whose files are tables with people, labels or sensors in columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.dialects.entry import Dialect, head_of
from imuscribe.signals.readers.dialects.streams import BREAK, Numbers, Stream, Take, runs, stream
from imuscribe.signals.readers.tables import read_text

if TYPE_CHECKING:
    import pandas as pd

Names = Mapping[str, str]

_MOTION_SENSE = {
    **{"dws": "downstairs", "ups": "upstairs", "sit": "sitting", "std": "standing"},
    **{"wlk": "walking", "jog": "jogging"},
}
_WISDM = {
    **{"A": "walking", "B": "jogging", "C": "stairs", "D": "sitting", "E": "standing"},
    **{"F": "typing", "G": "brushing_teeth", "H": "eating_soup", "I": "eating_chips"},
    **{"J": "eating_pasta", "K": "drinking", "L": "eating_sandwich", "M": "kicking"},
    **{"O": "playing_catch", "P": "dribbling", "Q": "writing", "R": "clapping"},
    **{"S": "folding_clothes"},
}
_PDIOT = {
    **{"normalWalking": "walking", "shuffleWalking": "shuffle_walking"},
    **{"ascending": "upstairs", "descending": "downstairs", "miscMovement": "misc_movement"},
    **{f"lying{side}": f"lying_{side.lower()}" for side in ("Back", "Left", "Right", "Stomach")},
    **{"walking_at_normal_speed": "walking", "movement": "misc_movement"},
    **{"climbing_stairs": "upstairs", "descending_stairs": "downstairs"},
}
_SHOAIB = ("left_pocket", "right_pocket", "wrist", "upper_arm", "belt")
_UMA = {"0": "pocket", "1": "chest", "2": "waist", "3": "wrist", "4": "ankle"}
_CORE_MOTION_COLUMNS = ("gravity", "userAcceleration", "rotationRate")


def core_motion(frame: pd.DataFrame, t: Numbers) -> dict[str, Stream]:
    """Return Apple's device motion, whose gravity points down: −1 g on z with the face up."""
    gravity, user, turn = (
        np.stack([frame[f"{name}.{axis}"].to_numpy(np.float64) for axis in "xyz"])
        for name in _CORE_MOTION_COLUMNS
    )
    return {
        "acc": stream(t, gravity + user, "g", "acc", -1),
        "lin_acc": stream(t, user, "g", "lin_acc", -1),
        "gyro": stream(t, turn, "rad/s", "gyro"),
    }


def frame_of(path: Path, names: list[str] | None = None, **options: Any) -> pd.DataFrame:
    """Return a table as pandas reads it; columns have the names of the header, or `names`."""
    import pandas as pd

    if names is not None:
        options |= {"header": None, "names": names, "index_col": False}
    frame: pd.DataFrame
    try:
        frame = pd.read_csv(path, low_memory=False, skipinitialspace=True, **options)
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text in UTF-8") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not a table: {str(error).splitlines()[-1]}") from None
    frame.columns = [str(name).strip() for name in frame.columns]
    if frame.empty:
        raise InputError(f"{path}: holds no rows: a recording needs samples")
    return frame


def _xyz(frame: pd.DataFrame, columns: str = "xyz") -> Numbers:
    import pandas as pd

    rows = [pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64) for name in columns]
    return np.stack(rows)


def _motion_sense(path: Path, names: Names) -> Iterator[Take]:
    frame = frame_of(path)
    label = _MOTION_SENSE[names["code"]]
    yield Take(core_motion(frame, np.arange(len(frame)) / 50.0), {"label": label})


def _wisdm_2011(path: Path, names: Names) -> Iterator[Take]:
    rows = [line.strip().rstrip(";").split(",") for line in read_text(path).split(";")]
    kept = [row[:6] for row in rows if len(row) >= 6 and all(row[:6])]
    cells = np.array(kept, dtype=object).reshape(-1, 6)
    numbers = cells[:, 2:].astype(np.float64)
    keys = np.array([f"{row[0]}/{row[1]}" for row in kept])
    t = numbers[:, 0] * 1e-9
    for run in runs(keys, t, BREAK):
        person, label = keys[run.start].split("/", 1)
        whole = {"acc": stream(t[run], numbers[run, 1:].T, "m/s^2", "acc")}
        about = {"subject": person, "label": label.lower()}
        if path.name.startswith("WISDM"):
            about |= {"device": "phone", "placement": "pocket"}
        yield Take(whole, about)


def _wisdm_2019(path: Path, names: Names) -> Iterator[Take]:
    columns = ["subject", "code", "t", "x", "y", "z"]
    beside = path.parent.parent / "gyro" / path.name.replace("_accel_", "_gyro_")
    streams: dict[str, dict[str, Stream]] = {}
    for name, unit, file in (("acc", "m/s^2", path), ("gyro", "rad/s", beside)):
        if not file.exists():
            continue
        frame = frame_of(file, columns)
        frame["z"] = frame["z"].astype(str).str.rstrip("; ")
        for code, part in frame.groupby("code", sort=False):
            t = part["t"].to_numpy(np.float64) * 1e-9
            streams.setdefault(str(code).strip(), {})[name] = stream(t, _xyz(part), unit, name)
    site = {"watch": "wrist", "phone": "pocket"}[names["device"]]
    for code, sensors in streams.items():
        about = {"label": _WISDM.get(code, code), "placement": site}
        for run in runs(np.zeros(sensors["acc"].t.size), sensors["acc"].t, BREAK):
            yield Take(_during(sensors, run), about)


def _during(sensors: Mapping[str, Stream], run: slice) -> dict[str, Stream]:
    """Cut the accelerometer, and of the other sensors what belongs to that time."""
    acc = sensors["acc"].cut(run)
    others = {name: one for name, one in sensors.items() if name != "acc"}
    first, last = acc.t[0] - 0.1, acc.t[-1] + 0.1
    cut = {n: one.cut((one.t >= first) & (one.t <= last)) for n, one in others.items()}
    return {"acc": acc} | {name: one for name, one in cut.items() if one.t.size > 1}


def _hhar(path: Path, names: Names) -> Iterator[Take]:
    beside = path.with_name(path.name.replace("accelerometer", "gyroscope"))
    columns = ["Arrival_Time", "Creation_Time", "x", "y", "z", "User", "Device", "gt"]
    texts = {"User": str, "Device": str, "gt": str}
    groups: dict[tuple[str, ...], dict[str, Stream]] = {}
    for name, unit, file in (("acc", "m/s^2", path), ("gyro", "rad/s", beside)):
        if not file.exists():
            continue
        frame = frame_of(file, usecols=columns, keep_default_na=False, dtype=texts)
        for key, part in frame.groupby(["User", "Device", "gt"], sort=False):
            if "null" not in key:
                part = part.sort_values("Creation_Time", kind="stable")
                t = _hhar_time(part)
                person, device, label = map(str, key)
                groups.setdefault((person, device, label), {})[name] = stream(
                    t, _xyz(part), unit, name
                )
    device, site = {"Phones": ("phone", "waist"), "Watch": ("watch", "wrist")}[names["kind"]]
    for (person, model, label), sensors in groups.items():
        about = {"subject": person, "session": model, "label": label}
        about |= {"device": device, "placement": site}
        if "acc" in sensors:
            for run in runs(np.zeros(sensors["acc"].t.size), sensors["acc"].t, BREAK):
                yield Take(_during(sensors, run), about)


def _hhar_time(part: pd.DataFrame) -> Numbers:
    """Return seconds: the sensor's own clock, or the arrivals where that counts something else."""
    own = part["Creation_Time"].to_numpy(np.float64) * 1e-9
    arrived = part["Arrival_Time"].to_numpy(np.float64) * 1e-3
    span = float(np.ptp(arrived))
    return own if abs(float(np.ptp(own)) - span) <= 0.2 * span + 0.2 else np.sort(arrived)


def _shoaib(path: Path, names: Names) -> Iterator[Take]:
    lines = head_of(path).splitlines()
    at = next((i for i, line in enumerate(lines) if re.search(r"(^|,)\s*Ax\s*,", line)), None)
    if at is None:
        raise InputError(f"{path}: has no line of columns with 'Ax': not shoaib")
    columns = [name.strip() for name in lines[at].split(",")]
    body = frame_of(path, None, header=None, dtype=str, skiprows=at + 1)
    rows = body.apply(lambda column: np.asarray(_numeric(column))).to_numpy(np.float64)
    labels = body.iloc[:, -1].str.strip().replace("upsatirs", "upstairs").to_numpy(str)
    starts = [i for i, name in enumerate(columns) if name == "Ax"]
    t = np.arange(len(rows)) / 50.0
    for run in runs(labels, t, BREAK):
        for at, site in zip(starts, _SHOAIB, strict=False):
            whole = {
                "acc": stream(t[run], rows[run, at : at + 3].T, "m/s^2", "acc"),
                "lin_acc": stream(t[run], rows[run, at + 3 : at + 6].T, "m/s^2", "lin_acc"),
                "gyro": stream(t[run], rows[run, at + 6 : at + 9].T, "rad/s", "gyro"),
            }
            yield Take(whole, {"label": labels[run.start], "placement": site})


def _numeric(column: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce")


def _real_world(path: Path, names: Names) -> Iterator[Take]:
    streams = {"acc": _attr(path, "m/s^2", "acc")}
    label, site = names["label"], names["placement"]
    part = names.get("session", "")
    end = f"_{label}{'_' + part if part else ''}_{site}.csv"
    folders = [path.parent, path.parent.parent]
    found = [f for folder in folders for f in folder.glob(f"**/Gyroscope{end}")]
    if found:
        streams["gyro"] = _attr(found[0], "rad/s", "gyro")
    yield Take(streams)


def _attr(path: Path, unit: str, name: str) -> Stream:
    frame = frame_of(path)
    t = frame["attr_time"].to_numpy(np.float64) * 1e-3
    return stream(t, np.stack([frame[f"attr_{a}"].to_numpy(np.float64) for a in "xyz"]), unit, name)


def _pdiot(path: Path, names: Names) -> Iterator[Take]:
    frame = frame_of(path, comment="#")
    t = frame["timestamp"].to_numpy(np.float64) * 1e-3
    if np.unique(t).size < len(t) / 2:
        t = np.arange(len(t)) / 25.0
    acc = np.stack([frame[f"accel_{a}"].to_numpy(np.float64) for a in "xyz"])
    sensors = {"acc": stream(t, acc, "g", "acc")}
    if "gyro_x" in frame.columns:
        turn = np.stack([frame[f"gyro_{a}"].to_numpy(np.float64) for a in "xyz"])
        sensors["gyro"] = stream(t, turn, "deg/s", "gyro")
    about = dict(names)
    if "kind" not in names:  # before 2023: Respeck_<person>_<Activity in words>_<date>_<time>.csv
        kind, person, text, when = path.name.split("_", 3)
        code = re.sub(r"_down(?:_on)?(?:_the)?_", "_", re.sub(r"\W+", "_", text.strip().lower()))
        about = {"kind": kind, "subject": person, "code": code, "session": when.split(".")[0]}
    device = about.pop("kind").lower()
    about |= {"device": device, "placement": {"respeck": "chest", "thingy": "pocket"}[device]}
    yield Take(sensors, {**about, "label": _PDIOT.get(about["code"], about["code"])})


def _uma_fall(path: Path, names: Names) -> Iterator[Take]:
    text = read_text(path)
    rows = [line.rstrip("; \t").split(";") for line in text.splitlines()]
    kept = [
        [cell.strip() for cell in row]
        for row in rows
        if len(row) == 7 and row[0].strip()[:1].isdigit()
    ]
    import pandas as pd

    frame = pd.DataFrame(kept, columns=["t", "n", "x", "y", "z", "kind", "node"])
    said = re.findall(r"^%\s*(\d)\s*;.*?(POCKET|CHEST|WAIST|WRIST|ANKLE)", text, re.M)
    sites = _UMA | {node: site.lower() for node, site in said}
    for node, part in frame.groupby("node", sort=True):
        sensors = {}
        for kind, name, unit in (("0", "acc", "g"), ("1", "gyro", "deg/s")):
            some = part[part["kind"] == kind]
            if len(some):
                t = pd.to_numeric(some["t"], errors="coerce").to_numpy(np.float64) * 1e-3
                sensors[name] = stream(t, _xyz(some), unit, name)
        if "acc" in sensors:
            site = sites.get(str(node), "")
            yield Take(sensors, {"placement": site, "device": "phone" if node == "0" else "imu"})


DIALECTS = (
    Dialect(
        name="motionsense",
        what="A_DeviceMotion_data/<activity>_<n>/sub_<n>.csv",
        files=r"(?P<code>dws|ups|sit|std|wlk|jog)_(?P<session>\d+)/sub_(?P<subject>\d+)\.csv",
        takes=_motion_sense,
        source="public loaders: gravity + userAcceleration in g as CoreMotion counts them (turned "
        "over here), rotationRate in rad/s, 50 Hz",
        head=r"gravity\.x.*rotationRate\.x",
        device="phone",
        placement="pocket",
        a_set=True,
    ),
    Dialect(
        name="wisdm",
        what="data_<n>_accel_<phone|watch>.txt with ../gyro/data_<n>_gyro_…",
        files=r"data_(?P<subject>\d+)_accel_(?P<device>phone|watch)\.txt",
        takes=_wisdm_2019,
        source="UCI 507 and public loaders: person, code, ns, x, y, z; m/s², rad/s, 20 Hz",
        a_set=True,
    ),
    Dialect(
        name="wisdm-2011",
        what="WISDM_ar_v1.1_raw.txt, or lines such as '33,Jogging,49105962326000,-0.7,12.7,0.5;'",
        files=r"[^/]+\.(?:txt|csv)",
        takes=_wisdm_2011,
        source="public loaders: person,activity,ns,x,y,z; accelerometer alone; not confirmed: "
        "m/s², 20 Hz",
        head=r"\A\d+,[A-Z][A-Za-z ]{2,},\d+,(?:\s*-?[\d.E-]+,){2}\s*-?[\d.E-]+;",
        a_set=True,
    ),
    Dialect(
        name="hhar",
        what="<Phones|Watch>_accelerometer.csv with …_gyroscope.csv",
        files=r"(?P<kind>Phones|Watch)_accelerometer\.csv",
        takes=_hhar,
        source="UCI 344 and public loaders: Creation_Time in ns, gt; null is left out; not "
        "confirmed: m/s², rad/s",
        head=r"Arrival_Time,Creation_Time",
        a_set=True,
    ),
    Dialect(
        name="shoaib",
        what="Participant_<n>.csv",
        files=r"Participant_(?P<subject>\d+)\.csv",
        takes=_shoaib,
        source="public loaders: five blocks of time_stamp, Ax … Mz; m/s² with gravity, rad/s, 50 "
        "Hz (its time stamps are rounded)",
        head=r"Ax,\s*Ay,\s*Az",
        device="phone",
        a_set=True,
    ),
    Dialect(
        name="realworld",
        what="proband<n>/data/acc_<activity>_csv/acc_<activity>_<site>.csv with Gyroscope_…",
        files=r"proband(?P<subject>\d+)/(?:.*/)?acc_(?P<label>[a-z]+)(?:_(?P<session>\d+))?_"
        r"(?P<placement>[a-z]+)\.csv",
        takes=_real_world,
        source="public loaders: attr_time in ms, attr_x … in m/s² and rad/s, about 50 Hz",
        head=r"attr_time,attr_x",
        device="phone",
        a_set=True,
    ),
    Dialect(
        name="pdiot",
        what="<person>_<respeck|thingy>_<activity>_<breathing>.csv, or "
        "<Respeck|Thingy>_<person>_<Activity>_<date>_<time>.csv",
        files=r"(?:(?P<subject>[^/_]+)_(?P<kind>[Rr]especk|[Tt]hingy)_(?P<code>[A-Za-z]+)_"
        r"(?P<session>[A-Za-z]+)[^/]*|(?:Respeck|Thingy)_[^/_]+_[^/_]+_\d\d-\d\d-\d{4}_[^/]*)\.csv",
        takes=_pdiot,
        source="files of the releases of 2018 to 2023: names, accel_x …; g, deg/s, 25 Hz agree "
        "with them; lines with # are left out",
        head=r"accel_x,\s*accel_y,\s*accel_z",
        a_set=True,
    ),
    Dialect(
        name="umafall",
        what="UMAFall_Subject_<nn>_<ADL|Fall>_<activity>_<n>_<date>.csv",
        files=r"UMAFall_Subject_(?P<subject>\d+)_(?:ADL|Fall)_(?P<label>.+)_(?P<session>\d+)_"
        r"\d{4}-[^/]*\.csv",
        takes=_uma_fall,
        source="a public audit of the set: % lines, ms, g, deg/s, sensor type 0 and 1, five nodes "
        "whose sites the % lines name",
        a_set=True,
    ),
)
