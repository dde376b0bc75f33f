"""How often sound recordings are blamed for their axes, and planted mistakes are found and named.

python -m bench.axes FOLDER                     # every Parquet file in it that has a gyroscope
python -m bench.axes FOLDER charsense hapt
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.turning import judge, misfits
from imuscribe.signals.readers.parquet import load
from imuscribe.signals.recording import GYRO, Recording

MOST = 90
MIRRORS = [s for s in itertools.product((1, -1), repeat=3) if s != (1, 1, 1)]
SWAPS = [p for p in itertools.permutations(range(3)) if p != (0, 1, 2)]
UNITS = (180 / np.pi, np.pi / 180)


def chosen(path: Path) -> list[Recording]:
    """Return at most `MOST` recordings with a gyroscope, each person's alike."""
    recordings = [rec for rec in load(path) if rec.gyro is not None]
    people = sorted({rec.subject for rec in recordings})
    each = max(1, MOST // max(1, len(people)))
    rng = np.random.default_rng(0)
    found = []
    for person in people:
        mine = [rec for rec in recordings if rec.subject == person]
        found += [mine[i] for i in rng.permutation(len(mine))[:each]]
    return found[:MOST]


def changed(rec: Recording, matrix: np.ndarray) -> Recording:
    """Return a recording whose gyroscope is multiplied by a matrix."""
    data = rec.data.copy()
    rows = [rec.channels.index(name) for name in GYRO]
    data[rows] = matrix @ data[rows]
    return rec.replace(data=data)


def found(recordings: list[Recording], matrices: list[np.ndarray]) -> str:
    """Return in how many of some changes the whole set contradicts itself."""
    hits = 0
    for matrix in matrices:
        costs = np.concatenate([misfits(changed(rec, matrix)) for rec in recordings])
        hits += bool(judge(costs).contradiction)
    return f"{hits} of {len(matrices)}"


def main() -> None:
    """Print one line a data set."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    paths = [folder / f"{name}.parquet" for name in names] or sorted(folder.glob("*.parquet"))
    print("data set | windows | agree | blamed alone | mirrors, swaps, units found")
    for path in paths:
        try:
            recordings = chosen(path)
        except InputError as error:
            print(f"{path.stem} | {error}")
            continue
        if not recordings:
            print(f"{path.stem} | no gyroscope")
            continue
        costs = [misfits(rec) for rec in recordings]
        whole = judge(np.concatenate(costs))
        alone = sum(bool(judge(rows).contradiction) for rows in costs)
        mirrors = found(recordings, [np.diag(signs) for signs in MIRRORS])
        swaps = found(recordings, [np.eye(3)[list(order)] for order in SWAPS])
        units = found(recordings, [factor * np.eye(3) for factor in UNITS])
        print(
            f"{path.stem} | {whole.windows} | {whole.contradiction or whole.agrees} | "
            f"{alone} of {len(costs)} | {mirrors}, {swaps}, {units}",
            flush=True,
        )


if __name__ == "__main__":
    main()
