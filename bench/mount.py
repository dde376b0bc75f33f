"""How far the mounts found in simulated sessions are from the true ones, every habit at random.

python -m bench.mount [sessions] [letters a session]
"""

from __future__ import annotations

import sys

import numpy as np

from imuscribe.signals.simulate import EVERY
from tests.signals.test_mount import LETTERS, degrees, session


def main(sessions: int, letters: int) -> None:
    """Print medians in degrees, and whether the side is right where it is said to be sure."""
    from imuscribe.signals.motion.mount import find_mounts

    for title, slope in (("upright to slanted", (0.0, 30.0)), ("any plane", (0.0, 90.0))):
        habits = EVERY.model_copy(update={"slope": slope})
        rows = []
        for index in range(sessions):
            own, truth = session(index, habits, (LETTERS + "CDFHIJLNOPQTUVXY")[:letters])
            (found,) = find_mounts(own)
            plane = np.degrees(np.arccos(min(1.0, abs(float(found.rotation[2] @ truth[2])))))
            rows.append((degrees(found.rotation, truth), plane, found.spread, found.sure))
        error, plane, spread, sure = np.array(rows).T
        right, certain = error < 60, sure > 0.8
        print(
            f"{title}, {sessions} sessions of {letters}: error median {np.median(error):.1f}°, "
            f"where the side is right ({right.mean():.2f}) {np.median(error[right]):.1f}°; plane "
            f"{np.median(plane):.1f}°, said {np.median(spread):.1f}°; sure of the side "
            f"{certain.mean():.2f}, then right {right[certain].mean():.2f}"
        )


if __name__ == "__main__":
    main(*(int(given) for given in [*sys.argv[1:], "40", "10"][:2]))
