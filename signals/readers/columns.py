"""Which columns make a channel, and acceleration as we mean it: gravity in it, up positive.

A channel is a column, its opposite, or a sum: ``ax``, ``-ax``, ``gravity.x+userAcceleration.x``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.readers.attitude import ANGLES, QUATERNION, Attitude, needed, up
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.recording import ACC, CHANNELS, LIN_ACC, SENSORS, STANDARD_GRAVITY

Float = NDArray[np.float64]
_WITH_UNIT = re.compile(r"(.*\S)\s*[(\[]((?:[^()\[\]]|\([^()]*\))+)[)\]]")
_NAMES = ("t", *CHANNELS, *ANGLES, *QUATERNION)
ACC_SIGNS = ("up", "down")

FOREIGN = "foreign"
"""Reason of the error of a table that has none of the columns."""


class Part(NamedTuple):
    """One term of a channel: a column, its sign and the unit that the table says."""

    sign: float
    header: str
    written: str


def terms(text: str, known: Collection[str]) -> list[tuple[float, str]]:
    """Split what stands for a channel into the signs and names of columns.

    A column whose own name holds ``+`` or ``-`` is meant as it is: the longest known name wins. A
    text in which no column is known comes back whole, to be refused by its own name.
    """
    text = text.strip()
    names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True) if name)
    part = re.compile(rf"\s*([+-]?)\s*({names}|[^+-]+?)\s*(?=[+-]|$)")
    found = list(part.finditer(text))
    whole = text in known or not any(match[2] in known for match in found)
    if whole or sum(len(match[0]) for match in found) < len(text):
        return [(1.0, text)]
    return [(-1.0 if match[1] == "-" else 1.0, match[2]) for match in found]


def ours(headers: Iterable[str]) -> dict[str, str]:
    """Return the columns that are called as we call them, in any case: our name to theirs."""
    found: dict[str, str] = {}
    for header in headers:
        match = _WITH_UNIT.fullmatch(header)
        name = match[1] if match else header
        if name.lower() in ("t", *CHANNELS):
            found.setdefault(name.lower(), name)
    return found


def parts_of(
    headers: Iterable[str],
    columns: Mapping[str, str],
    where: str = "",
    units: Mapping[str, str] | None = None,
) -> dict[str, list[Part]]:
    """Return the columns that make each channel; an error of a table with none is `FOREIGN`."""
    matches = {header: _WITH_UNIT.fullmatch(header) for header in headers}
    known = {*matches, *(match[1] for match in matches.values() if match)}
    made: dict[str, list[Part]] = {}
    refused: list[InputError] = []
    for ours, theirs in columns.items():
        try:
            found = [
                (sign, _header(matches, ours, name, where)) for sign, name in terms(theirs, known)
            ]
            made[ours] = [
                Part(sign, header, (units or {}).get(header, written))
                for sign, (header, written) in found
            ]
        except InputError as error:
            refused.append(error)
    if refused:
        raise InputError(str(refused[0]), refused[0].reason if {*made} - {"t"} else FOREIGN)
    used = Counter(part.header for channel in made.values() for part in channel)
    if twice := [header for header, n in used.items() if n > 1]:
        raise InputError(
            f"{where}: column '{twice[0]}' is named twice: each is part of one channel"
        )
    return made


def check_layout(layout: TableLayout) -> None:
    """Refuse what is wrong before a file is read."""
    columns = layout.columns
    clocks = {f"{sensor}_t" for sensor in layout.apart}
    for name in columns:
        if name not in _NAMES and name not in clocks:
            raise InputError(f"column '{name}' is unknown: {nearest(name, _NAMES)}")
    check_sign(layout.acc_sign)
    check_attitude(layout.attitude, columns)
    rates = layout.rates | ({} if layout.rate is None else {"": layout.rate})
    for sensor, rate in rates.items():
        if not (rate > 0 and np.isfinite(rate)):
            raise InputError(f"{sensor} rate is {rate:g} Hz: it must be above 0".strip())
    timed = [name for name in ("t", *clocks) if name in columns]
    for sensor in layout.apart or [""]:
        if not {"", sensor} & set(rates) and not {"t", f"{sensor}_t"} & set(columns):
            raise InputError(
                f"no time column is named{f' for {sensor}' if sensor else ''}: give t=COLUMN or a "
                "rate in Hz"
            )
    if timed and rates:
        raise InputError(f"has times in '{columns[timed[0]]}': leave the rate out")
    wanted = LIN_ACC if layout.attitude else ACC
    sensors = [names for names in SENSORS.values() if names == wanted or set(names) & set(columns)]
    if missing := [name for names in sensors for name in names if name not in columns]:
        raise InputError(f"no column is named for {', '.join(missing)}: a sensor has three")
    if layout.apart:
        named = [name for name in columns if name != "t" and name not in clocks]
        odd = [name for name in named if _sensor(name) not in layout.apart]
        if odd:
            raise InputError(
                f"column '{odd[0]}' is of no file: name it with --sensor-file {_sensor(odd[0])}="
            )


def columns_of(sensor: str, layout: TableLayout) -> dict[str, str]:
    """Return the columns that are looked for in the file of a sensor, its own clock as ``t``."""
    if not sensor:
        return layout.columns
    found = {name: layout.columns[name] for name in SENSORS[sensor] if name in layout.columns}
    clock = layout.columns.get(f"{sensor}_t", layout.columns.get("t"))
    return found if clock is None else {"t": clock, **found}


def _sensor(channel: str) -> str:
    return next((sensor for sensor, names in SENSORS.items() if channel in names), "acc")


def check_sign(acc_sign: str, attitude: str = "") -> str:
    """Return which way a file counts acceleration: up unless said, or known of its attitude."""
    if acc_sign and acc_sign not in ACC_SIGNS:
        hint = nearest(acc_sign, ACC_SIGNS)
        raise InputError(f"--acc-sign '{acc_sign}': {hint} (a device at rest reads 9.81 that way)")
    return acc_sign or ("down" if attitude == "core-motion" else "up")


def check_attitude(attitude: str, columns: Collection[str]) -> None:
    """Refuse an attitude without its columns, columns without it, and what it does not restore."""
    if not attitude:
        if named := [name for name in (*ANGLES, *QUATERNION) if name in columns]:
            said = ", ".join(get_args(Attitude))
            raise InputError(f"column '{named[0]}' is an attitude: --attitude says which: {said}")
        return
    if missing := [name for name in (*LIN_ACC, *needed(attitude)) if name not in columns]:
        raise InputError(
            f"--attitude {attitude}: no column is named for {', '.join(missing)}: gravity is "
            "restored from lin_acc_x, lin_acc_y, lin_acc_z and the attitude"
        )
    if named := [name for name in ACC if name in columns]:
        raise InputError(
            f"--attitude {attitude}: a column is named for {', '.join(named)}: what has gravity "
            "needs no attitude; name user acceleration lin_acc_x, lin_acc_y, lin_acc_z"
        )


def completed(values: Mapping[str, Float], acc_sign: str, attitude: str) -> dict[str, Float]:
    """Return channels with acceleration counted up, and gravity restored from an attitude.

    `values` are channels in SI units beside the attitude's columns, which are left out.
    """
    sign = -1.0 if check_sign(acc_sign, attitude) == "down" else 1.0
    found = {k: sign * row if k in (*ACC, *LIN_ACC) else row for k, row in values.items()}
    if attitude:
        gravity = STANDARD_GRAVITY * up(found, attitude)
        found |= {a: found[b] + g for a, b, g in zip(ACC, LIN_ACC, gravity, strict=True)}
    return found


def _header(
    matches: Mapping[str, re.Match[str] | None], ours: str, theirs: str, where: str
) -> tuple[str, str]:
    """Return a column's whole header and the unit that stands in it, if one does."""
    found = [header for header, match in matches.items() if match and match[1] == theirs]
    found = [theirs] if theirs in matches else found
    if len(found) > 1:
        raise InputError(
            f"{where}: column '{theirs}' may be {' or '.join(found)}: name it with its unit"
        )
    if not found:
        if all(re.fullmatch(r"[-+\d.,eE]+", header) for header in matches):
            raise InputError(
                f"{where}: has no column '{theirs}': its first line is numbers: with --header none "
                f"columns are called 1, 2, … (--column {ours}=1)"
            )
        instead = " or give --rate" if ours == "t" else ""
        raise InputError(
            f"{where}: has no column '{theirs}': {nearest(theirs, matches)} "
            f"(--column {ours}=NAME says which{instead})"
        )
    match = matches[found[0]]
    return found[0], match[2] if match else ""
