"""Views of a recording as equally long sequences."""

import numpy as np

from imuscribe.signals.motion.views import sequence
from imuscribe.signals.recording import ACC, GYRO, Recording


def ramp(seconds: float, rate: float = 50) -> Recording:
    """Return a recording whose acceleration along x is its time."""
    t = np.arange(round(seconds * rate)) / rate
    data = np.zeros((6, len(t)), dtype=np.float32)
    data[0] = t
    return Recording(id="r", data=data, channels=(*ACC, *GYRO), t=t, label="A", subject="p")


def test_steps_divide_the_whole_recording_or_have_times_of_their_own() -> None:
    short, long = ramp(1.0), ramp(4.0)
    np.testing.assert_allclose(
        sequence(short, "physical", 5)[0], np.linspace(0, 0.98, 5), atol=1e-6
    )
    # Whatever the length, a step is the same time: its middle is 0.1, 0.3, … s.
    middles = 0.1 + 0.2 * np.arange(20)
    seen = sequence(long, "physical", 20, seconds=4)[0]
    np.testing.assert_allclose(seen, np.minimum(middles, 3.98), atol=1e-5)
    ended = sequence(short, "physical", 20, seconds=4)[0]
    np.testing.assert_allclose(ended[:5], middles[:5], atol=1e-5)
    assert not ended[5:].any()
    slow = sequence(ramp(1.0, 25), "physical", 20, seconds=4)[0]
    np.testing.assert_allclose(slow[:5], ended[:5], atol=1e-5)
