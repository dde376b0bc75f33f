"""What HARGPT asks: what a person does, from bare readings; and whether a table is known by heart.

After HARGPT (arXiv 2403.02727): readings at 10 Hz in brackets, an axis a line, the activities to
choose from, and the wish to reason step by step. The second question is the test of Haresamudram et
al. (2024) whether a model has learnt a public data set by heart: it completes rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.motion.warping import equally_long
from imuscribe.signals.recording import ACC, Recording

_EXPERT = "You are an expert in recognising what people do from inertial sensors they wear."
_KEEPER = "You know published tables of sensor readings by heart and continue them exactly."
_NUMBER = re.compile(r"[-+−]?\d+(?:\.\d+)?")


def activity_question(
    rec: Recording, labels: Sequence[str], rate: float = 10.0, stepwise: bool = True
) -> tuple[str, str]:
    """Return the system and the user message about a window.

    Parameters
    ----------
    rec : Recording
        In m/s² and rad/s.
    labels : sequence of str
        What is chosen from, in this order.
    rate : float
        Readings a second, evenly over the window.
    stepwise : bool
        Ask for reasons first; else for the bare answer.
    """
    sensors = [rec.select(ACC)] + ([] if rec.gyro is None else [rec.gyro])
    steps = max(2, round(rec.n_samples / rec.rate * rate))
    rows = equally_long(sensors, rec.t, steps, False)
    lines = []
    for i, row in enumerate(rows):
        name, unit = ("acceleration", "m/s²") if i < 3 else ("rotation rate", "rad/s")
        values = ", ".join(f"{value + 0.0:.2f}" for value in row.astype(float).round(2))
        lines.append(f"{i + 1}. {'xyz'[i % 3]} {name} in {unit}: [{values}]")
    where = f" at the {rec.placement}" if rec.placement else ""
    asked = (
        "What does the person do? Analyse the readings step by step, then end with one of these."
        if stepwise
        else "What does the person do? Answer with one of these alone."
    )
    user = (
        f"A sensor worn{where} measured {rate:g} times a second, gravity included, along its own "
        "axes:\n" + "\n".join(lines) + "\n"
        f"The person's action is one of: [{', '.join(labels)}]. {asked}"
    )
    return _EXPERT, user


def row_question(rows: NDArray[np.float64], name: str) -> tuple[str, str]:
    """Return the system and the user message that ask for the row after some of a data set's."""
    table = "\n".join(map(as_row, rows))
    user = (
        f"These are consecutive rows of the data set {name}, comma separated:\n{table}\n"
        "Write the next row, numbers only."
    )
    return _KEEPER, user


def as_row(row: NDArray[np.float64]) -> str:
    """Return a row as it stands in the question."""
    return ",".join(f"{value + 0.0:.3f}" for value in row.round(3))


def read_row(text: str, width: int) -> NDArray[np.float64] | None:
    """Return the first row of so many numbers in an answer; None where there is none."""
    for line in text.splitlines():
        found = [float(number.replace("−", "-")) for number in _NUMBER.findall(line)]
        if len(found) == width:
            return np.array(found)
    return None
