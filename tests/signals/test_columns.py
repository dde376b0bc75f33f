"""Columns added and turned over, the sign of acceleration, gravity restored from an attitude."""

import numpy as np
import pytest

from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.attitude import up
from imuscribe.signals.readers.columns import terms
from imuscribe.signals.readers.csv import read_csv
from imuscribe.signals.recording import ACC, GYRO, LIN_ACC, STANDARD_GRAVITY

TIMED = {"t": "t", **{name: name for name in ACC}}


def table(path, *lines):
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ax", [(1, "ax")]),
        ("-ax", [(-1, "ax")]),
        ("gravity.x+user.x", [(1, "gravity.x"), (1, "user.x")]),
        (" gravity.x + user.x ", [(1, "gravity.x"), (1, "user.x")]),
        ("user.x - gravity.x", [(1, "user.x"), (-1, "gravity.x")]),
        ("acc-x", [(1, "acc-x")]),
        ("-acc-x+ax", [(-1, "acc-x"), (1, "ax")]),
        ("a+b", [(1, "a+b")]),  # a column's own name
        ("acc-y", [(1, "acc-y")]),  # nothing known: to be refused as it was given
        ("gravity.x+usr.x", [(1, "gravity.x"), (1, "usr.x")]),
        ("ax++user.x", [(1, "ax++user.x")]),
        ("", [(1, "")]),
    ],
)
def test_a_channel_is_a_column_its_opposite_or_a_sum(text, found):
    assert terms(text, {"ax", "gravity.x", "user.x", "acc-x", "a+b", "a", "b"}) == found


def test_columns_are_added_and_turned_over(tmp_path):
    header = "t,gravity.x (g),user.x (m/s²),ay (g),az (g)"
    path = table(tmp_path / "a.csv", header, "0,0.5,1,-0.25,1", "0.1,0,2,0.25,1")
    columns = {"t": "t", "acc_x": "gravity.x+user.x", "acc_y": "-ay", "acc_z": "az"}
    rec = read_csv(path, columns)
    assert rec.acc[0] == pytest.approx([0.5 * STANDARD_GRAVITY + 1, 2])
    assert rec.acc[1] == pytest.approx([0.25 * STANDARD_GRAVITY, -0.25 * STANDARD_GRAVITY])


def test_columns_that_are_added_are_read(tmp_path, caplog):
    path = table(tmp_path / "a.csv", "t,g,u,y,z,more", "0,1,0,0,0,7", "0.1,1,0,0,0,7")
    read_csv(path, {"t": "t", "acc_x": "g+u", "acc_y": "y", "acc_z": "z"}, acc_unit="g")
    assert "a.csv: columns not read: more" in caplog.text


@pytest.mark.parametrize("sign", ["up", "down"])
def test_the_opposite_sign_of_acceleration_is_one_option(tmp_path, sign):
    s = 1 if sign == "up" else -1
    header = "t,acc_x,acc_y,acc_z,lin_acc_x,lin_acc_y,lin_acc_z,gyro_x,gyro_y,gyro_z"
    rows = [f"{t},{s * 1},0,{s * 9.81},{s * 1},0,0,0.5,0,0" for t in (0, 0.1)]
    path = table(tmp_path / f"{sign}.csv", header, *rows)
    columns = {name: name for name in ("t", *ACC, *LIN_ACC, *GYRO)}
    rec = read_csv(path, columns, "m/s^2", "rad/s", acc_sign=sign)
    assert rec.acc[:, 0] == pytest.approx([1, 0, 9.81])
    assert rec.select(LIN_ACC)[:, 0] == pytest.approx([1, 0, 0])
    assert rec.gyro[:, 0] == pytest.approx([0.5, 0, 0])  # rotation rate has no such sign


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"acc_sign": "dwn"}, "--acc-sign 'dwn': did you mean 'down'"),
        ({"columns": {**TIMED, "acc_x": "acc_x+acc_y"}}, "'acc_y' is named twice"),
        ({"columns": {**TIMED, "acc_x": "acc_x+lin"}}, "has no column 'lin'"),
        ({"columns": {**TIMED, "acc_x": "-acc_k"}}, "has no column '-acc_k'"),
        ({"columns": {**TIMED, "roll": "r"}}, "'roll' is an attitude: --attitude says which"),
        ({"attitude": "android"}, "no column is named for lin_acc_x"),
        ({"attitude": "androd"}, "did you mean 'android'"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, options, message):
    path = table(tmp_path / "a.csv", "t,acc_x,acc_y,acc_z,r", "0,0,0,1,0")
    with pytest.raises(InputError, match=message) as caught:
        read_csv(path, **{"columns": TIMED, "acc_unit": "g"} | options)
    assert len(str(caught.value)) < 300


# What each convention's makers say of it: face up and level; a little roll; a little pitch.
TILTS = {
    "core-motion": [(0, 0), (0, 0, 1), (-1, 0, 0), (0, 1, 0)],
    "android": [(0, 0), (0, 0, 1), (-1, 0, 0), (0, -1, 0)],
    "aerospace": [(0, 0), (0, 0, 1), (0, 1, 0), (-1, 0, 0)],
}


@pytest.mark.parametrize(("attitude", "expected"), TILTS.items())
def test_angles_tell_which_way_is_up(attitude, expected):
    small = 0.01
    angles = {"roll": np.array([0, small, 0]), "pitch": np.array([0, 0, small])}
    level, rolled, pitched = up(angles, attitude).T
    assert level == pytest.approx(expected[1])
    assert (rolled - level) / small == pytest.approx(expected[2], abs=0.01)
    assert (pitched - level) / small == pytest.approx(expected[3], abs=0.01)
    assert np.linalg.norm(up(angles, attitude), axis=0) == pytest.approx(1)


def test_quaternions_agree_with_angles_and_their_length_does_not_matter():
    from scipy.spatial.transform import Rotation

    yaw, pitch, roll = np.random.default_rng(0).uniform(-1, 1, (3, 20))
    turned = Rotation.from_euler("ZYX", np.stack([yaw, pitch, roll], axis=1))
    x, y, z, w = 3 * turned.as_quat().T
    values = {"qw": w, "qx": x, "qy": y, "qz": z}
    expected = up({"roll": roll, "pitch": pitch}, "aerospace")
    assert up(values, "quaternion") == pytest.approx(expected)
    inverse = {**values, "qx": -x, "qy": -y, "qz": -z}
    assert up(inverse, "inverse-quaternion") == pytest.approx(expected)
    with pytest.raises(InputError, match="quaternion of sample 0 is zero"):
        up(dict.fromkeys(values, np.zeros(2)), "quaternion")


def test_gravity_is_restored_from_an_attitude(tmp_path):
    # An iPhone stood on its lower edge: gravity.y is -1 g there, and it is pushed to the right.
    header = "t,attitude.roll (rad),attitude.pitch (rad),user.x (g),user.y (g),user.z (g)"
    path = table(tmp_path / "a.csv", header, "0,0,1.5707963,-0.5,0,0", "0.1,0,1.5707963,0,0,0")
    columns = {"t": "t", "roll": "attitude.roll", "pitch": "attitude.pitch"}
    columns |= {f"lin_acc_{axis}": f"user.{axis}" for axis in "xyz"}
    rec = read_csv(path, columns, attitude="core-motion")
    g = STANDARD_GRAVITY
    assert rec.acc.T.ravel() == pytest.approx([0.5 * g, g, 0, 0, g, 0], abs=1e-5)
    assert rec.select(LIN_ACC)[:, 0] == pytest.approx([0.5 * g, 0, 0])
    degrees = table(tmp_path / "b.csv", header.replace(" (rad)", ""), "0,0,90,-0.5,0,0")
    with pytest.raises(InputError, match="the unit of angle is missing: give --angle-unit"):
        read_csv(degrees, columns, attitude="core-motion")
    turned = read_csv(degrees, columns, attitude="core-motion", angle_unit="deg")
    assert turned.acc[:, 0] == pytest.approx([0.5 * g, g, 0], abs=1e-5)
