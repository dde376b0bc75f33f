"""Files whose acceleration is not what it says, from `data import` to `data info`, as typed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from imuscribe.cli.data import app
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import load, save
from imuscribe.signals.recording import ACC, STANDARD_GRAVITY


def run(*arguments):
    """Run the command line; hand a user's mistake on as the exception it is."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "100"})
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def columns(**pairs):
    return [option for pair in pairs.items() for option in ("--column", "=".join(pair))]


def log(path, gravity=1.0, user=1.0, sign=1.0, seed=0, n=250):
    """A phone's log in g and rad/s: gravity and user acceleration apart, and their sum as acc."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 100
    tilt = 0.4 * np.sin(2 * t)
    g = np.stack([np.sin(tilt), 0 * t, np.cos(tilt)])
    u = np.stack([0.4 * np.sin(7 * t), 0.4 * np.cos(7 * t), 0.2 * np.sin(14 * t)])
    u += rng.normal(scale=0.01, size=u.shape)
    gyro = np.stack([0 * t, -0.8 * np.cos(2 * t), 0 * t]) + rng.normal(scale=0.01, size=u.shape)
    total = sign * (gravity * g + user * u)
    names = ["t", *(f"{s}.{a}" for s in ("gravity", "user", "acc", "gyro") for a in "xyz")]
    rows = np.concatenate([t[None], sign * g, sign * u, total, gyro]).T
    lines = [",".join(names), *(",".join(f"{value:.5f}" for value in row) for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    return path


GYRO_OF = {f"gyro_{a}": f"gyro.{a}" for a in "xyz"}
ACC_OF = {f"acc_{a}": f"acc.{a}" for a in "xyz"}
SIX = columns(t="t", **ACC_OF, **GYRO_OF)
UNITS = ["--layout", "csv", "--acc-unit", "g", "--gyro-unit", "rad/s"]


def test_gravity_and_movement_apart_are_refused_and_their_sum_is_right(tmp_path):
    path, out = log(tmp_path / "motion.csv"), tmp_path / "a.parquet"
    for lone, message in (("gravity", "gravity alone"), ("user", "was gravity removed")):
        named = columns(t="t", **{f"acc_{a}": f"{lone}.{a}" for a in "xyz"}, **GYRO_OF)
        with pytest.raises(InputError, match=message):
            run("data", "import", path, *UNITS, "--out", out, *named)
        assert not out.exists()
    both = columns(t="t", **{f"acc_{a}": f"gravity.{a}+user.{a}" for a in "xyz"}, **GYRO_OF)
    assert "no problems found" in run("data", "import", path, *UNITS, "--out", out, *both)
    run("data", "import", path, *UNITS, "--out", tmp_path / "b.parquet", *SIX)
    ours, total = load(out)[0], load(tmp_path / "b.parquet")[0]
    np.testing.assert_allclose(ours.acc, total.acc, atol=0.02 * STANDARD_GRAVITY)


def test_the_opposite_sign_is_one_option_away_from_the_same_recording(tmp_path):
    outs = []
    for name, sign in (("up", 1.0), ("down", -1.0)):
        outs.append(tmp_path / f"{name}.parquet")
        path = log(tmp_path / name / "a.csv", sign=sign)
        run("data", "import", path, *UNITS, "--out", outs[-1], *SIX, "--acc-sign", name)
    one, two = (load(out)[0] for out in outs)
    np.testing.assert_allclose(one.data, two.data, atol=1e-3)
    assert one.acc[2].mean() > 5
    with pytest.raises(InputError, match="--acc-sign 'left'"):
        run("data", "import", path, *UNITS, "--out", outs[0], *SIX, "--acc-sign", "left")


def test_info_and_import_name_mirrored_axes_and_a_wrong_unit(tmp_path, letters):
    good = [rec for rec in letters(1, 1, "A-M")]
    for name, change in (("sound", {}), ("mirrored", {1: -1.0}), ("unit", {3: 57.3})):
        data = []
        for rec in good:
            factor = np.ones((6, 1), np.float32)
            for row, by in change.items():
                factor[slice(row, 6) if row == 3 else row] = 1 / by
            data.append(rec.replace(data=rec.data * factor))
        save(data, tmp_path / f"{name}.parquet")
    assert "gravity turns with the gyroscope" in run("data", "info", tmp_path / "sound.parquet")
    text = run("data", "info", tmp_path / "mirrored.parquet")
    assert "no problems found" not in text and "axes disagree 13 of 13 recordings" in text
    assert "acc_y=-acc_y or" in text
    mended = run(
        *("data", "import", tmp_path / "mirrored.parquet", "--layout", "parquet"),
        *("--out", tmp_path / "again.parquet"),
    )
    assert "axes disagree" in mended
    assert "is its unit rad/s" in run("data", "info", tmp_path / "unit.parquet")


def test_without_a_gyroscope_nothing_is_said_to_be_confirmed(tmp_path, letters):
    bare = [rec.replace(data=rec.acc, channels=ACC) for rec in letters(1, 1, "A-C")]
    save(bare, tmp_path / "bare.parquet")
    text = run("data", "info", tmp_path / "bare.parquet")
    assert "axes not confirmed (no gyroscope)" in text
    values = json.loads(run("data", "info", tmp_path / "bare.parquet", "--json"))
    assert values["axes"] == {"compared": 0, "agree": False}


def test_people_without_gravity_may_be_left_out_and_are_listed(tmp_path, caplog):
    for i in range(6):
        log(tmp_path / "ann" / f"{i}.csv", seed=i)
        log(tmp_path / "bob" / f"{i}.csv", gravity=0.0, seed=i)
    asked = ["data", "import", tmp_path, *UNITS, *SIX, "--subject", "{folder}"]
    out = tmp_path / "a.parquet"
    with pytest.raises(InputError, match="--leave-out-unusable keeps the others"):
        run(*asked, "--out", out)
    assert "12 recordings" not in run(*asked, "--out", out, "--leave-out-unusable")
    assert {rec.subject for rec in load(out)} == {"ann"} and len(load(out)) == 6
    assert "6 of 12 recordings left out: no gravity (6)\n  of bob (6)" in caplog.text


def test_an_experiment_on_accelerometers_alone_has_baselines(tmp_path, letters):
    from imuscribe.cli import app as whole

    bare = [rec.replace(data=rec.acc, channels=ACC) for rec in letters(2, 3, "A-B")]
    save(bare, tmp_path / "bare.parquet")
    recipe = tmp_path / "alone.yaml"
    recipe.write_text(
        f"kind: letters\nname: alone\ndata: {tmp_path / 'bare.parquet'}\nlabels: A-B\n"
        f"out: {tmp_path / 'runs'}\nevaluate: {{methods: [svm, text-ngram], bootstrap: 20}}\n"
    )
    result = CliRunner().invoke(whole, ["run", str(recipe)])
    assert result.exception is None, result.output
    assert (tmp_path / "runs" / "alone" / "report.html").is_file()
    assert "svm" in result.stdout and "text-ngram" in result.stdout
