"""The house rules: layers import downward only, the front door opens quickly."""

import ast
import graphlib
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ORDER = (
    ("signals",),
    ("prompts",),
    ("models",),
    ("recipes",),
    ("finetune",),
    ("align", "mapping3d", "words", "ask"),
    ("eval",),
    ("imuscribe",),
)
"""The layers, lowest first; rooms side by side do not see each other."""
ROOMS = [room for layer in ORDER for room in layer if (ROOT / room).is_dir()]
HEIGHT = {room: height for height, layer in enumerate(ORDER) for room in layer}


def module_of(path: Path) -> str:
    """Return the name a file is imported by: folders at the top are rooms of imuscribe."""
    parts = [*path.relative_to(ROOT).with_suffix("").parts]
    if parts[0] != "imuscribe":
        parts.insert(0, "imuscribe")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_of(path): path
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
    if not any(part.is_symlink() for part in path.parents)
}


def imported(path: Path) -> set[str]:
    """Return our modules that a file imports anywhere, for types alone included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inner if name in FILES}
            found |= modules
            # Names from a package itself are its __init__'s; its modules are not.
            if len(modules) < len(inner):
                found.add(node.module)
    return found


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "imuscribe"


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_downward_only(room):
    for module, path in FILES.items():
        if room_of(module) != room:
            continue
        for other in imported(path) & set(FILES):
            theirs = room_of(other)
            assert theirs == room or HEIGHT[theirs] < HEIGHT[room], f"{module} imports {other}"


def test_rooms_are_imported_by_their_full_name_only():
    for module, path in FILES.items():
        flat = {name for name in imported(path) if name.split(".")[0] in {*ROOMS} - {"imuscribe"}}
        assert not flat, f"{module} imports {flat}: write imuscribe.{min(flat)}"


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the files of one circle of imports in order, or nothing."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found():
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_no_circle_between_files():
    graph = {module: imported(path) & set(FILES) - {module} for module, path in FILES.items()}
    assert circle(graph) == []


def test_rooms_and_files_stay_small():
    for folder in {path.parent for path in FILES.values()}:
        files = list(folder.glob("*.py"))
        assert len(files) <= 12, f"{folder.relative_to(ROOT)} holds {len(files)} files"
    for module, path in FILES.items():
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, f"{module} has {text.count(chr(10))} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                assert lines <= 80, f"{module}.{node.name} has {lines} lines"


def test_a_wheel_holds_every_package_and_its_data():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shipped = settings["tool"]["setuptools"]
    packages = {module for module, path in FILES.items() if path.name == "__init__.py"}
    assert sorted(shipped["packages"]) == sorted(packages)
    folders = {f"imuscribe.{room}": room for room in ROOMS if room != "imuscribe"}
    assert shipped["package-dir"] == {"imuscribe": "imuscribe"} | folders
    globs = ("recipes/**/*.yaml", "finetune/adapters/*/*", "prompts/**/*.txt", "prompts/**/*.yaml")
    globs += (
        "finetune/*.md",
        "signals/simulate/*.txt",
        "words/*.txt",
        "eval/report/*.html",
        "imuscribe/py.typed",
        "imuscribe/*.pyi",
    )
    known = [
        (package.removeprefix("imuscribe.").replace(".", "/"), pattern)
        for package, patterns in shipped["package-data"].items()
        for pattern in patterns
    ]
    for data in [path.relative_to(ROOT) for glob in globs for path in ROOT.glob(glob)]:
        assert any(data.match(f"{folder}/{pattern}") for folder, pattern in known), data


def test_the_version_is_told():
    done = subprocess.run(
        [sys.executable, "-m", "imuscribe", "--version"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split() == ["imuscribe", version("imuscribe")]


def test_help_loads_nothing_heavy():
    code = (
        "import sys, imuscribe.cli\n"
        "heavy = {'torch', 'transformers', 'peft', 'trl', 'datasets', 'sklearn', 'aeon',"
        " 'matplotlib', 'pandas', 'scipy', 'pyarrow', 'numpy', 'openai'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"imported at start: {done.stderr}"


def test_every_public_name_is_there():
    import imuscribe

    assert {"Gallery", "Mapper", "Speller", "check_claims", "run", "train"} <= set(dir(imuscribe))
    for name in dir(imuscribe):
        assert getattr(imuscribe, name) is not None, name
    with pytest.raises(AttributeError, match="no_such_name"):
        imuscribe.no_such_name  # noqa: B018
