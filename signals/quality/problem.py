"""One problem of one recording, and the kinds that there are."""

from __future__ import annotations

from dataclasses import dataclass

from imuscribe.signals.motion.plausible import FACE_DOWN, NO_GRAVITY, ONLY_GRAVITY, OUT_OF_REACH

DISAGREE = "axes disagree"
STUCK = "stuck axis"
CLIPPING = "clipping"
KINDS = {
    "implausible units": "",
    OUT_OF_REACH: "",
    NO_GRAVITY: "",
    ONLY_GRAVITY: "",
    DISAGREE: "",
    FACE_DOWN: "",
    STUCK: "of their samples",
    "repeats": "of their samples",
    "irregular clock": "spread of the steps",
    "gap": "of their time",
    "zero steps": "of their steps",
    CLIPPING: "of their samples",
    "little rotation": "",
    "short": "",
    "unusable": "",
}
"""Every kind of problem, the gravest first, and what its share is of."""


@dataclass(frozen=True)
class Problem:
    """One problem of one recording."""

    kind: str  # one of `KINDS`
    detail: str  # what was found, with figures
    share: float = 1.0  # of the samples concerned, 0 to 1
    limits: tuple[str, ...] = ()  # for clipping: where channels stand still, such as "2 g"
