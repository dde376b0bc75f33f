"""The house rules: layers import downward only, the front door opens quickly."""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BELOW: dict[str, set[str]] = {"signals": set()}
BELOW["prompts"] = {"signals"}
BELOW["recipes"] = {"signals", "prompts"}
for room in ("finetune", "mapping3d", "words"):
    BELOW[room] = {"signals", "prompts", "recipes"}
BELOW["eval"] = {"signals", "prompts", "recipes", "finetune", "mapping3d", "words"}
BELOW["imuscribe"] = set(BELOW)


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found & set(BELOW)


@pytest.mark.parametrize("room", BELOW)
def test_imports_go_downward_only(room):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        upward = imported_rooms(path) - BELOW[room] - {room}
        assert not upward, f"{path.relative_to(ROOT)} imports {upward}"


def test_a_wheel_holds_every_package_and_its_data():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shipped = settings["tool"]["setuptools"]
    inits = [path.parent for room in BELOW for path in (ROOT / room).rglob("__init__.py")]
    assert sorted(shipped["packages"]) == sorted(
        ".".join(folder.relative_to(ROOT).parts) for folder in inits
    )
    globs = ("recipes/*.yaml", "finetune/adapters/*/*", "prompts/teacher/*.txt")
    for data in [path for glob in globs for path in ROOT.glob(glob)]:
        package, *_ = data.relative_to(ROOT).parts
        inside = data.relative_to(ROOT / package)
        assert any(inside.match(glob) for glob in shipped["package-data"][package]), data


def test_the_version_is_told():
    done = subprocess.run(
        [sys.executable, "-m", "imuscribe", "--version"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split() == ["imuscribe", version("imuscribe")]


def test_help_loads_nothing_heavy():
    code = (
        "import sys, imuscribe.cli\n"
        "heavy = {'torch', 'transformers', 'peft', 'trl', 'datasets', 'sklearn', 'aeon',"
        " 'matplotlib', 'pandas', 'scipy', 'pyarrow', 'numpy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"imported at start: {done.stderr}"


def test_every_public_name_is_there():
    import imuscribe

    for name in dir(imuscribe):
        assert getattr(imuscribe, name) is not None, name
    with pytest.raises(AttributeError, match="no_such_name"):
        imuscribe.no_such_name  # noqa: B018
