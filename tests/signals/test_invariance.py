"""However a device is held, the text of a mid-air letter stays the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imuscribe.prompts.serialize import TextConfig, build_serializer
from imuscribe.signals.cleaning import clean
from imuscribe.signals.readers import parquet
from imuscribe.signals.recording import ACC, GYRO, Recording

HOLDINGS = {
    "upside down": [np.pi, 0, 0],
    "screen to the left": [0, np.pi / 2, 0],
    "turned about the vertical": [0, 0, 2.0],
    "anyhow": [0.9, -1.7, 0.4],
}
TOLERANCE = 0.002
"""Share of words that float32 rounding may push over a boundary."""


def held(rec: Recording, turn: np.ndarray) -> Recording:
    """Return what the same hand would have recorded with the device turned by `turn`."""
    data = np.concatenate([turn @ rec.select(ACC), turn @ rec.select(GYRO)])
    return rec.replace(data=data, channels=ACC + GYRO)


def changed_words(recordings: list[Recording], turn: np.ndarray) -> float:
    serializer = build_serializer(TextConfig())
    before, after = (
        " ".join(serializer.encode([serializer.features(clean(rec)) for rec in some])).split()
        for some in ([held(rec, side) for rec in recordings] for side in (np.eye(3), turn))
    )
    assert len(before) == len(after)
    return float(np.mean([a != b for a, b in zip(before, after, strict=True)]))


@pytest.mark.parametrize("holding", HOLDINGS)
def test_simulated_letters_read_the_same(
    holding: str, letters: Callable[..., list[Recording]]
) -> None:
    turn = Rotation.from_rotvec(HOLDINGS[holding]).as_matrix()
    assert changed_words(letters(2, 1, "A-Z"), turn) <= TOLERANCE


@pytest.mark.parametrize("holding", HOLDINGS)
def test_real_letters_read_the_same(holding: str, shared_data: Callable[[str], Path]) -> None:
    recordings = [r for r in parquet.load(shared_data("charsense.parquet")) if r.label.isalpha()]
    turn = Rotation.from_rotvec(HOLDINGS[holding]).as_matrix()
    assert changed_words(recordings[::10], turn) <= TOLERANCE


def test_a_still_device_is_told_as_rest() -> None:
    spread = np.repeat([0.02, 0.003], 3)[:, None]  # m/s² and rad/s of an ordinary sensor
    noise = np.random.default_rng(0).normal(0, spread, (6, 200))
    noise[2] += 9.81
    still = Recording("still", noise, ACC + GYRO, np.arange(200) / 100)
    serializer = build_serializer(TextConfig())
    words = serializer.text(still).split()
    assert set(words) == {"velocity", "force", "rest"}
