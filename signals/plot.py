"""A picture of one recording: its channels and the stroke they draw."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import AnyPath, atomic_path
from imuscribe.signals.motion.frames import writing_motion
from imuscribe.signals.recording import ACC, GYRO, Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_recording(rec: Recording, path: AnyPath) -> None:
    """Draw acceleration, rotation rate and the reconstructed stroke to a PNG.

    The channels are drawn as they are; the stroke comes from the cleaned recording and is left out
    without a gyroscope.
    """
    from matplotlib.figure import Figure

    if Path(path).suffix.lower() != ".png":
        raise InputError(f"{path}: pictures are PNG: did you mean '{Path(path).stem}.png'?")
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(3, 2))
    acc = figure.add_subplot(grid[0, 0])
    _channels(acc, rec, ACC, "acceleration (m/s²)")
    gyro = figure.add_subplot(grid[1, 0], sharex=acc)
    stroke = figure.add_subplot(grid[:, 1])
    if rec.gyro is not None:
        _channels(gyro, rec, GYRO, "rotation rate (rad/s)")
        _stroke(stroke, rec)
    else:
        for axes in (gyro, stroke):
            axes.text(0.5, 0.5, "no gyroscope", ha="center", transform=axes.transAxes)
            axes.set_axis_off()
    gyro.set_xlabel("seconds")
    about = (f"label {rec.label}" if rec.label else "", rec.subject, rec.device, rec.case)
    for axes in (acc, gyro):
        _segments(axes, rec)
    figure.suptitle(plain(", ".join((rec.id, *filter(None, about))), 100))
    with atomic_path(path) as temporary:
        save_png(figure, temporary, dpi=110)


def _segments(axes: Axes, rec: Recording) -> None:
    """Shade what was written when, and say what."""
    for i, (start, end, label) in enumerate(rec.segments):
        axes.axvspan(start, end, color="tab:blue", alpha=0.1 + 0.06 * (i % 2), linewidth=0)
        place = ((start + end) / 2, 1.0)
        of_axes = axes.get_xaxis_transform()
        axes.text(*place, plain(label, 12), transform=of_axes, ha="center", va="top", size="small")


def plain(text: str, most: int = 40) -> str:
    """Return text from data as a figure shows it as it is, without formulas, in its middle cut."""
    if len(text) > most:
        text = f"{text[: most // 2 - 1]}…{text[-(most // 2 - 1) :]}"
    return text.replace("$", r"\$")


def save_png(figure: Figure, file: AnyPath | BinaryIO, **options: Any) -> None:
    """Write a figure; characters that its font lacks are boxes, not warnings."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(file, format="png", **options)


def _channels(axes: Axes, rec: Recording, names: tuple[str, ...], title: str) -> None:
    for name, row in zip(names, rec.select(names), strict=True):
        axes.plot(rec.t - rec.t[0], row, linewidth=1, label=name[-1])
    axes.set_ylabel(title)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize="small", frameon=False)
    axes.grid(alpha=0.3)


def _stroke(axes: Axes, rec: Recording) -> None:
    motion = writing_motion(clean(rec))
    right, up = motion.plane("position") * 100
    axes.plot(right, up, color="0.7", linewidth=1)
    # Colour tells the order of writing: a letter drawn backwards looks the same without it.
    points = axes.scatter(right, up, c=np.asarray(motion.t), s=9, cmap="viridis")
    axes.plot(right[0], up[0], "o", color="tab:green", label="start")
    axes.plot(right[-1], up[-1], "s", color="tab:red", label="end")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("right (cm)")
    axes.set_ylabel("forward (cm)" if motion.case == "2d" else "up (cm)")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    axes.figure.colorbar(points, ax=axes, label="seconds", shrink=0.6)
