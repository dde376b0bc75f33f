"""Acceleration and rotation rate of one device: what contradicts is found, what fits is not."""

import numpy as np
import pytest

from imuscribe.signals.motion.turning import judge, misfits
from imuscribe.signals.quality import axes, summarise
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Recording

SIX = (*ACC, *GYRO)


def swung(seed=0, seconds=2.5, rate=100.0, lever=(0.0, 0.4, 0.1)):
    """An arm that turns about all axes carries the device; exact up to sensor noise."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    wave = rng.normal(size=(3, 3))[..., None] * np.sin(
        2 * np.pi * rng.uniform(0.3, 1.2, (3, 3, 1)) * t + rng.uniform(0, 6, (3, 3, 1))
    )
    omega = 0.8 * wave.sum(axis=1)  # device axes
    alpha = np.gradient(omega, 1 / rate, axis=1)
    pose, g = Rotation.random(random_state=seed), []
    for step in omega.T / rate:
        g.append(pose.inv().apply([0, 0, STANDARD_GRAVITY]))
        pose = pose * Rotation.from_rotvec(step)
    arm = np.array(lever)[:, None]
    swing = np.cross(alpha, arm, axis=0) + np.cross(omega, np.cross(omega, arm, axis=0), axis=0)
    data = np.concatenate([np.transpose(g) + swing, omega])
    data += rng.normal(size=data.shape) * np.repeat([0.05, 0.005], 3)[:, None]
    return Recording(f"r{seed}", data.astype(np.float32), SIX, t, subject="ann", device="phone")


def changed(rec, **channels):
    """Return a recording with channels replaced, such as acc_x='-acc_x'."""
    data = rec.data.copy()
    for ours, theirs in channels.items():
        row = rec.select((theirs.lstrip("-"),))[0]
        data[SIX.index(ours)] = -row if theirs.startswith("-") else row
    return rec.replace(data=data)


def scaled(rec, factor):
    return rec.replace(data=np.concatenate([rec.acc, factor * rec.gyro]))


@pytest.fixture(scope="module")
def takes():
    return [swung(seed) for seed in range(10)]


def test_a_sound_device_agrees_alone_and_with_others(takes):
    for rec in takes[:3]:
        found = judge(misfits(rec))
        assert found.agrees and not found.contradiction and found.windows == 1
    together, contradict = axes(takes)
    assert together.agrees and contradict == {}


PLANTED = [
    ({"acc_x": "-acc_x"}, "acc_x=-acc_x or"),
    ({"acc_z": "-acc_z"}, "acc_z=-acc_z or"),
    ({"gyro_y": "-gyro_y"}, "mirrored or swapped? gyro_y=-gyro_y fits"),
    ({"acc_x": "acc_y", "acc_y": "acc_x"}, "acc_x=acc_y, acc_y=acc_x or"),
    ({"gyro_y": "gyro_z", "gyro_z": "gyro_y"}, "gyro_y=gyro_z, gyro_z=gyro_y"),
    ({f"gyro_{a}": f"-gyro_{a}" for a in "xyz"}, "gyro_x=-gyro_x, gyro_y=-gyro_y, gyro_z=-gyro_z"),
]


@pytest.mark.parametrize(("change", "message"), PLANTED)
def test_mirrored_and_swapped_axes_are_named(takes, change, message):
    planted = [changed(rec, **change) for rec in takes]
    (said,) = axes(planted)[1].values()
    assert message in said
    assert message in judge(misfits(planted[0])).contradiction  # one recording is enough here
    summary = summarise(planted)
    assert summary["problems"]["axes disagree"]["recordings"] == len(planted)
    assert summary["axes"]["agree"] is False


def test_a_change_that_mends_is_the_one_that_is_named(takes):
    """Fields in the message, read as --column, make the recording sound again."""
    planted = [changed(rec, acc_x="acc_z", acc_y="-acc_x", acc_z="acc_y") for rec in takes]
    (said,) = axes(planted)[1].values()
    ways = said.split("swapped? ")[1].removesuffix(" fits").split(" or ")
    assert len(ways) == 3
    for way in ways:
        change = dict(part.split("=") for part in way.split(", "))
        assert axes([changed(rec, **change) for rec in planted])[0].agrees


@pytest.mark.parametrize(
    ("factor", "message"), [(np.pi / 180, "is its unit rad/s"), (180 / np.pi, "is its unit deg/s")]
)
def test_a_wrong_unit_is_named(takes, factor, message):
    (said,) = axes([scaled(rec, factor) for rec in takes])[1].values()
    assert message in said and "mirrored" not in said


def test_the_sign_of_all_acceleration_does_not_show(takes):
    opposite = [changed(rec, **{name: f"-{name}" for name in ACC}) for rec in takes]
    assert axes(opposite)[0].agrees


def test_a_device_at_rest_tells_nothing_and_says_so():
    rng = np.random.default_rng(0)
    data = rng.normal(scale=0.02, size=(6, 300))
    data[2] += STANDARD_GRAVITY
    rec = Recording("still", data.astype(np.float32), SIX, np.arange(300) / 100)
    found = judge(misfits(rec))
    assert not found.agrees and not found.contradiction
    assert summarise([rec])["axes"]["agree"] is False
    bare = rec.replace(data=rec.acc, channels=ACC)
    assert misfits(bare).shape[0] == 0 and judge(misfits(bare)).windows == 0
    assert summarise([bare])["problems"] == {}


def test_one_person_of_many_is_named(takes):
    others = [rec.replace(id=f"b{i}", subject="bob") for i, rec in enumerate(takes)]
    mixed = [*others, *(changed(rec, acc_y="-acc_y") for rec in takes)]
    assert [who for _, who in axes(mixed)[1]] == ["ann"]


def test_what_does_not_turn_by_itself_is_not_blamed(takes):
    """Hands that move freely, without turning about a lever, on a device that slowly turns."""
    rng = np.random.default_rng(1)
    shaken = []
    for rec in takes:
        data = rec.data.copy()
        data[:3] += (
            2 * rng.normal(size=(3, 1)) * np.sin(2 * np.pi * 1.5 * rec.t + rng.uniform(0, 6))
        )
        shaken.append(rec.replace(data=data))
    assert axes(shaken)[1] == {}


def test_gravity_that_stands_still_while_the_gyroscope_turns_is_no_matter_of_degrees():
    # As much as a hand turns; in deg/s it would be a device that does not turn at all.
    t = np.arange(200) / 100
    data = np.zeros((6, 200))
    data[2] = 9.81
    data[3], data[4] = 0.5 * np.sin(6 * t), 1.4 * np.cos(5 * t)
    said = judge(misfits(Recording("r", data, (*ACC, *GYRO), t))).contradiction
    assert "57" not in said and "gravity stays where it is though the gyroscope turns" in said
