"""The patch transformer: windows in physical units, in time and not in samples."""

import numpy as np
import torch

from imuscribe.models.config import SensorConfig, VaryConfig
from imuscribe.models.fit import seeded
from imuscribe.models.sensor.classifier import Classifier
from imuscribe.models.sensor.encoders import make_encoder
from imuscribe.models.vary import vary
from imuscribe.signals.motion.views import n_channels, sequence
from imuscribe.signals.recording import ACC, GYRO, Recording

CONFIG = SensorConfig(encoder="patch", view="upright", steps=64, width=32, dropout=0.0)


def walking(rate: float, seconds: float = 2.0) -> Recording:
    """Return two steps a second with the device upright in the pocket."""
    t = np.arange(round(seconds * rate)) / rate
    step = np.sin(2 * np.pi * 2 * t)
    data = np.stack([0.5 * step, 9.81 + 2 * step, 0 * t, 0.3 * step, 0 * t, 0.8 * np.cos(4 * t)])
    return Recording("w", data.astype(np.float32), (*ACC, *GYRO), t, label="walking")


def encoder() -> torch.nn.Module:
    with seeded(0):
        return make_encoder(CONFIG, n_channels("upright")).eval()


def features(*recordings: Recording) -> torch.Tensor:
    windows = np.stack([sequence(rec, "upright", CONFIG.steps) for rec in recordings])
    with torch.inference_mode():
        found: torch.Tensor = encoder()(torch.from_numpy(windows))
        return found


def test_half_a_second_is_a_position_at_any_rate() -> None:
    slow, fast = features(walking(25), walking(50))
    assert slow.shape == (CONFIG.width, 4)
    apart = (slow - fast).norm() / fast.norm()
    assert apart < 0.1


def test_one_window_reads_as_it_does_among_others() -> None:
    still = walking(50).replace(data=np.tile([[0], [9.81]] + [[0]] * 4, 100).astype("f4"))
    together, alone = features(walking(50), still)[1], features(still)[0]
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.isfinite(together).all()


def test_what_stands_still_is_told_apart_by_gravity() -> None:
    axes = np.eye(3) * 9.81
    postures = [
        walking(50).replace(data=np.tile(np.r_[axis, 0, 0, 0][:, None], 100).astype("f4"))
        for axis in axes
    ]
    a, b, c = features(*postures)
    assert min((a - b).norm(), (b - c).norm(), (a - c).norm()) > 0.1 * a.norm()


def test_a_varied_window_keeps_gravity_along_and_the_length_of_every_axis_triple() -> None:
    windows = torch.from_numpy(np.stack([sequence(walking(50), "upright", 64)] * 8))
    turned = VaryConfig(turn=30, warp=0, noise=0, late=0, early=0)
    with seeded(1):
        found = vary(windows, turned, device=6)
    assert torch.allclose(found[:, 6:], windows[:, 6:], atol=1e-5)
    for sensor in (slice(0, 3), slice(3, 6)):
        length, before = found[:, sensor].norm(dim=1), windows[:, sensor].norm(dim=1)
        assert torch.allclose(length, before, atol=1e-3)
    assert (found[:, :3] - windows[:, :3]).abs().amax() > 1  # it did turn


def test_it_learns_to_tell_activities_apart() -> None:
    rng = np.random.default_rng(0)
    fast, still = walking(50), walking(50).replace(data=np.tile([[0], [9.81]] + [[0]] * 4, 100))
    noisy = [
        rec.replace(data=(rec.data + rng.normal(0, 0.3, rec.data.shape)).astype("f4"))
        for rec in [fast, still] * 32
    ]
    x = np.stack([sequence(rec, "upright", CONFIG.steps) for rec in noisy])
    y = np.tile([0, 1], 32)
    with seeded(0):
        network = Classifier(CONFIG, x.shape[1], 2)
    network.learn(x[:48], y[:48], 40, seed=0)
    assert (network.read(x[48:]).argmax(axis=1) == y[48:]).mean() >= 0.9
