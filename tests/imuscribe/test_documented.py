"""Every command that README, docs, recipes and help pages show is one that can be typed."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from imuscribe.cli import app
from imuscribe.recipes.load import KINDS, load_as, load_experiment, packaged_names, schema

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = typer.main.get_command(app)
TAKES = {tuple(kind.command.split()): name for name, kind in KINDS.items() if name != "letters"}
TAKES |= {("run",): None, ("train",): "letters", ("sweep",): "letters", ("map", "fit"): "mapping"}
TAKES |= {("recipe", "validate"): None}
"""Commands that take a recipe → of which kind; None is any."""


def shown(text: str) -> list[str]:
    """Return the commands among lines, continued ones joined, comments cut off."""
    joined = re.sub(r"\\\n\s*#?\s*", " ", text)
    lines = re.findall(r"^(?:#\s+|\s*)(imuscribe .*|accelerate launch .*)$", joined, re.M)
    found = [re.split(r"\s{2,}#| # ", line)[0].split(" > ")[0].strip() for line in lines]
    return [line for line in found if "…" not in line]


def commands() -> list[tuple[str, str]]:
    """Return the commands in the code blocks of pages and at the top of recipes."""
    texts = {page.name: page.read_text() for page in PAGES if page.exists()}
    texts = {
        name: "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S))
        for name, text in texts.items()
    }
    texts |= {path.name: path.read_text() for path in (ROOT / "recipes").glob("*.yaml")}
    return sorted({(name, line) for name, text in texts.items() for line in shown(text)})


def parsed(line: str) -> tuple[tuple[str, ...], dict[str, object]]:
    """Return the names of a command and its parameters; it refuses what cannot be typed."""
    words = shlex.split(line)[1:]
    command, names = PROGRAM, []
    while hasattr(command, "commands"):
        name, *words = words
        assert name in command.commands, f"no command '{name}'"
        command = command.commands[name]
        names.append(name)
    return tuple(names), command.make_context(names[-1], words).params


def check_recipe(kind: str | None, recipe: str, overrides: list[str]) -> None:
    """Read the recipe as the command would, where it is a packaged one."""
    name = Path(recipe).stem
    if name not in packaged_names():
        return
    if kind is None:
        load_experiment(name, overrides)
    else:
        load_as(schema(kind), name, overrides)


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_documented_command_can_be_typed(page, line):
    if line.startswith("accelerate"):
        module, recipe, *overrides = shlex.split(line.partition(" -m ")[2])
        if module != "imuscribe":
            kinds = {"imuscribe.finetune.sft": "letters", "imuscribe.align.sensorlm": "retrieval"}
            check_recipe(kinds[module], recipe, overrides)
            return
        line = line.partition(" -m ")[2]
    names, given = parsed(line)
    if names in TAKES:
        check_recipe(TAKES[names], str(given["recipe"]), list(given["overrides"] or []))


def test_the_pages_show_most_commands():
    typed = {parsed(line)[0] for _, line in commands() if line.startswith("imuscribe")}
    assert len(typed) >= 20


def leaves(command, names=()):
    """Yield every command with its path."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*names, name))
    else:
        yield names, command


@pytest.mark.parametrize(("names", "command"), list(leaves(PROGRAM)), ids=lambda x: str(x)[:40])
def test_every_help_page_ends_with_examples_that_can_be_typed(names, command):
    lines = [line for line in (command.epilog or "").split("\n\n") if line.startswith("imuscribe")]
    assert lines, f"{' '.join(names)} shows no example"
    for line in lines:
        typed, given = parsed(line)
        if typed in TAKES:
            check_recipe(TAKES[typed], str(given["recipe"]), list(given["overrides"] or []))
