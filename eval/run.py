"""One experiment of any kind, from recipe to report: load, answer, judge, write down."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from imuscribe.eval.environment import as_json, environment
from imuscribe.eval.report.page import Page
from imuscribe.eval.report.render import as_html, as_markdown
from imuscribe.eval.store import Store
from imuscribe.eval.task import Task, Unit
from imuscribe.recipes.load import KINDS, dump, name_labels
from imuscribe.recipes.schema import Experiment
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import held, parsed_json, write_text

log = logging.getLogger(__name__)

METRICS = "metrics.json"
STALE = (METRICS, "report.html", "report.md", "predictions.parquet", "words.parquet")
"""Figures never stand beside settings they were not made with: these go when a run begins."""


def run(recipe: Experiment, command: str = "", progress: bool = True) -> Path:
    """Run a recipe of any kind and write its folder.

    What was answered before under the same settings and data is not asked again, so an interrupted
    run goes on where it stopped.

    Parameters
    ----------
    recipe : Experiment
        The folder is `recipe.out` / `recipe.name`.
    command : str
        How the run was asked for, written down for whoever repeats it.
    progress : bool
        Show progress bars on standard error.

    Returns
    -------
    Path
        The folder: ``metrics.json``, ``recipe.yaml``, ``environment.json``, ``report.html``,
        ``report.md``, the answers as Parquet, and in ``folds/`` what makes it resumable.

    Raises
    ------
    InputError
        For anything wrong with the recipe, the data or the split, for an adapter to start from
        that has learnt from somebody who is tested, and where another command writes there.
    """
    recipe = name_labels(recipe)
    folder = recipe.folder
    task, units, store = plan(recipe, progress)
    facts = environment(command) | task.source()
    with held(folder):
        _begin(folder, recipe, facts)
        pending = [unit.names for unit in units if not store.has(unit.names)]
        if progress and (said := task.announcement(pending)):
            sys.stderr.write(f"{said}\n")
        answers = work(units, store, progress)
        about = {"kind": recipe.kind, "name": recipe.name, "seed": recipe.seed}
        values = about | task.judge(answers)
        values["results"] = [result.row() for result in task.results(values, facts)]
        task.write_tables(answers)
        write_text(folder / METRICS, as_json(values))
        write_report(folder)
    return folder


def plan(recipe: Experiment, progress: bool = True) -> tuple[Task[Any], Sequence[Unit], Store]:
    """Load and check all that a recipe names; return what there is to do, and where it is kept."""
    task = task_of(recipe.kind)(recipe, recipe.folder, progress)
    units, store = task.units(), Store(recipe.folder / "folds")
    for unit in units:  # a name that makes no file is told before hours of work
        store.path(unit.names, "")
    return task, units, store


def work(units: Sequence[Unit], store: Store, progress: bool = True) -> dict[tuple[str, ...], Any]:
    """Return what pieces of work come to, those done before from the store."""
    from tqdm.auto import tqdm

    answers: dict[tuple[str, ...], Any] = {}
    with tqdm(total=len(units), unit="part", disable=not progress) as bar:
        for unit in units:
            bar.set_description(" ".join(unit.names))
            if unit.asked is None:
                answers[unit.names] = store.values(unit.names, unit.key, unit.make, unit.keep)
            else:
                answers[unit.names] = store.predictions(unit.names, unit.key, unit.asked, unit.make)
            bar.update()
    return answers


def task_of(kind: str) -> type[Task[Any]]:
    """Return the class that runs and reports a kind of experiment: its module has its name."""
    if kind not in KINDS:
        raise InputError(f"kind '{kind}': {nearest(str(kind), KINDS)}")
    module = import_module(f"imuscribe.eval.tasks.{kind}")
    found: type[Task[Any]] = getattr(module, kind.capitalize())
    return found


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a finished run measured and its environment."""
    return _read(folder, METRICS), _read(folder, "environment.json")


def report(folder: Path) -> Page:
    """Return the report of a finished run, of this version or an earlier one."""
    values, facts = read_run(folder)
    try:
        return task_of(values.get("kind", "letters")).page(values, facts, folder)
    except KeyError as error:
        raise InputError(f"{folder}: {METRICS} has no {error}: run the recipe again") from None


def write_report(folder: Path) -> Path:
    """Write ``report.html`` and ``report.md`` of a finished run; return the first."""
    values, facts = read_run(folder)
    recipe = folder / "recipe.yaml"
    if not recipe.is_file():
        raise InputError(f"{folder}: has no recipe.yaml: give the folder of a finished run")
    page = report(folder).closed(values, facts, recipe.read_text("utf-8"))
    write_text(folder / "report.html", as_html(page))
    write_text(folder / "report.md", as_markdown(page))
    return folder / "report.html"


def _read(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise InputError(f"{folder}: has no {name}: give the folder of a finished run")
    try:
        found = parsed_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error}): run the recipe again") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: is no mapping: run the recipe again")
    return found


def _begin(folder: Path, recipe: Experiment, facts: dict[str, Any]) -> None:
    """Write down what is run, and remove the figures of what was run here before."""
    path, settings = folder / "recipe.yaml", dump(recipe)
    before = path.read_text(encoding="utf-8") if path.is_file() else settings
    if before != settings and (folder / METRICS).is_file():
        log.warning(
            "%s holds a run with other settings: its figures are replaced; name=NAME keeps both",
            folder,
        )
    write_text(path, settings)
    write_text(folder / "environment.json", as_json(facts))
    for stale in STALE:
        (folder / stale).unlink(missing_ok=True)
