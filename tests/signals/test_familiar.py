"""What is unlike everything learnt from is told in which figure; what is like it is not."""

import numpy as np
import pytest

from imuscribe.signals.motion.familiar import doubt, figures, ranges
from imuscribe.signals.recording import ACC, GYRO, Recording


def moving(seconds=2.0, hertz=2.0, strength=3.0, turning=1.0, gravity=9.81, gyro=True):
    t = np.arange(round(seconds * 50)) / 50
    wave = np.sqrt(2) * np.sin(2 * np.pi * hertz * t)
    still = np.zeros_like(t)
    data = [strength * wave, still, still + gravity, turning * wave, still, still]
    channels = (*ACC, *GYRO) if gyro else ACC
    return Recording("r", np.array(data[: len(channels)]), channels, t)


def test_figures_are_those_of_a_known_wave():
    found = figures(moving(seconds=10.02, hertz=2.0, strength=3.0, turning=0.5))
    assert found["duration"] == pytest.approx(10.0)
    assert found["gravity"] == pytest.approx(9.81, abs=0.01)
    assert found["movement"] == pytest.approx(3.0, rel=0.02)
    assert found["tempo"] == pytest.approx(2.0, abs=0.05)
    assert found["turning"] == pytest.approx(0.5, rel=0.02)


KNOWN = ranges([moving(), moving(seconds=3.0, hertz=3.0, strength=4.0, turning=1.5)])


@pytest.mark.parametrize(
    ("rec", "figure"),
    [
        (moving(seconds=12.0), "duration is 12 s, learnt were 2 to 3 s"),
        (moving(seconds=0.5), "duration"),
        (moving(hertz=12.0), "tempo"),
        (moving(strength=0.01), "movement"),
        (moving(strength=40.0), "movement"),
        (moving(turning=20.0), "turning"),
        (moving(gravity=0.1), "gravity"),
        (moving(gyro=False), "no gyroscope"),
    ],
)
def test_what_lies_far_outside_is_named(rec, figure):
    assert figure in doubt(rec, KNOWN)


def test_what_is_like_it_is_not_doubted():
    assert doubt(moving(seconds=2.4, hertz=2.5, strength=5.0, turning=1.2), KNOWN) == ""
    bare = ranges([moving(gyro=False)])
    assert doubt(moving(), bare) == "", "a gyroscope that was not learnt from does not matter"
