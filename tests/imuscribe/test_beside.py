"""imuscribe works beside a user's own folders and packages that are called as its rooms are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("eval", "finetune", "models", "prompts", "recipes", "signals", "words")


@pytest.mark.parametrize(
    "given",
    [
        ["-c", "import imuscribe; print(imuscribe.Recipe.__module__)"],
        ["-m", "imuscribe", "run", "demo", "labels=A-C", "simulate.labels=A-C",
         "simulate.repetitions=2", "model.base=nowhere", "evaluate.methods=svm", "--dry-run"],
    ],
)  # fmt: skip
def test_a_users_folders_do_not_shadow_the_rooms(tmp_path, given):
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("raise RuntimeError('imported by mistake')")
    done = subprocess.run(
        [sys.executable, *given],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "imuscribe.recipes.schema" in done.stdout or "kind: letters" in done.stdout
    assert not (tmp_path / "runs").exists()  # a dry run writes nothing
