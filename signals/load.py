"""The loader of every command and experiment: read or simulate, select by label, clean.

What cannot be used is left out and counted by reason, in one warning (`signals.errors.usable`):
``charsense.parquet: 3 of 120 recordings left out: too short (2), no gyroscope (1)``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from imuscribe.signals.cleaning import CleanConfig, clean
from imuscribe.signals.errors import InputError, nearest, usable
from imuscribe.signals.files import AnyPath
from imuscribe.signals.labels import parse_labels, said
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.motion.mount import find_mounts, mounted
from imuscribe.signals.readers.parquet import load
from imuscribe.signals.recording import SENSORS, Recording
from imuscribe.signals.simulate import SimulateConfig, simulate

_log = logging.getLogger(__name__)


def load_recordings(
    data: AnyPath,
    labels: str | Sequence[str] = "",
    config: CleanConfig = CleanConfig(),
    simulation: SimulateConfig | None = None,
    frame: FrameConfig | None = None,
    sessions: Sequence[str] = (),
) -> list[Recording]:
    """Read or simulate recordings, keep those of some labels, clean each; their order stays.

    Parameters
    ----------
    data : path-like
        A file in the canonical Parquet layout, or ``"simulated"``.
    labels : str or sequence of str
        As `signals.labels.parse_labels` reads them; empty keeps all.
    config : CleanConfig
        How recordings are cleaned.
    simulation : SimulateConfig, optional
        Who writes what when `data` is ``"simulated"``.
    frame : FrameConfig, optional
        Also refuse, here and not hours later, what has no writing frame.
    sessions : sequence of str
        Keep only these; none keeps all.

    Raises
    ------
    InputError
        If the file cannot be read, holds none of the labels or not one of the sessions, or nothing
        usable is left.
    """
    found = read(data, simulation)
    if sessions:
        there = sorted({rec.session for rec in found})
        if missing := [session for session in sessions if session not in there]:
            raise InputError(
                f"session '{missing[0]}': no recording in '{data}' has it: "
                f"{nearest(missing[0], there[:50])}"
            )
        found = [rec for rec in found if rec.session in sessions]
    wanted = parse_labels(labels) if labels else ()
    chosen = [rec for rec in found if rec.label in wanted] if wanted else found
    if not chosen:
        there = sorted({rec.label for rec in found})
        raise InputError(
            f"labels '{said(labels)}': none of the {len(found)} recordings in '{data}' has one of "
            f"them: {nearest(wanted[0], there[:50])}"
        )
    unnamed = sum(not rec.label for rec in found) if wanted else 0
    if unnamed:
        _log.warning("%s: %d of %d recordings have no label: left out", data, unnamed, len(found))
    if others := len(found) - len(chosen) - unnamed:
        _log.info("%d recordings have labels outside '%s'", others, said(labels))
    return clean_all(chosen, config, frame, Path(data).name)


def read(data: AnyPath, simulation: SimulateConfig | None = None) -> list[Recording]:
    """Read a Parquet file in the canonical layout, or simulate where `data` is ``"simulated"``."""
    if str(data) == "simulated":
        return simulate(simulation or SimulateConfig(), progress=True)
    return load(data)


def same_sensors(recordings: Sequence[Recording], where: AnyPath = "") -> list[Recording]:
    """Return recordings with the sensors that all of them have; a sensor left out is told once."""
    kept: list[str] = []
    for sensor, names in SENSORS.items():
        having = sum(set(names) <= set(rec.channels) for rec in recordings)
        if having == len(recordings):
            kept += names
        elif having:
            _log.warning(
                "%s: %d of %d recordings have no %s: it is left out of all",
                *(Path(where).name, len(recordings) - having, len(recordings), sensor),
            )
    channels = tuple(kept)
    return [rec.replace(data=rec.select(channels), channels=channels) for rec in recordings]


def clean_all(
    recordings: Sequence[Recording],
    config: CleanConfig = CleanConfig(),
    frame: FrameConfig | None = None,
    where: str = "",
    most: float = 1.0,
) -> list[Recording]:
    """Clean recordings; at most a share `most` of them may be left out, each reason counted.

    Where `frame` takes its heading from the session, they come in the axes of their writers'
    planes, found from all of them together; what is doubtful about these is a warning.
    """
    # Along a device axis there may be no heading before the session has been turned.
    by_session = frame is not None and frame.heading == "session"
    anyhow = FrameConfig(flat_heading="motion") if by_session else frame or FrameConfig()
    turning = any(rec.gyro is not None for rec in recordings) and config.gyroscope

    def cleaned(rec: Recording) -> Recording:
        rec = clean(rec, config)
        if frame is not None:
            if turning and rec.gyro is None:
                raise InputError(
                    f"recording '{rec.id}': has no gyroscope, others have: clean.gyroscope=false "
                    "reads all of them by their accelerometers alone",
                    "no gyroscope",
                )
            writing_motion(rec, anyhow)
        return rec

    made = usable(recordings, cleaned, where, most, progress="cleaning")
    if frame is None or frame.heading != "session":
        return made
    mounts = find_mounts(made)
    for mount in mounts:
        if mount.doubts:
            name = ", ".join(filter(None, (mount.subject, mount.session, mount.device)))
            _log.warning("%s: mount of %s: %s", where, name or "all", "; ".join(mount.doubts))
    return mounted(made, mounts)
