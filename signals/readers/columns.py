"""Which columns make a channel, and acceleration as we mean it: gravity in it, up positive.

A channel is a column, its opposite, or a sum: ``ax``, ``-ax``, ``gravity.x+userAcceleration.x``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.motion.attitude import ANGLES, QUATERNION, Attitude, needed, up
from imuscribe.signals.recording import ACC, LIN_ACC, STANDARD_GRAVITY

Float = NDArray[np.float64]
ACC_SIGNS = ("up", "down")


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
