"""The ledger of results worth keeping, and the pages rendered from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from imuscribe.eval.environment import as_json
from imuscribe.eval.report.page import Columns, Table, optional
from imuscribe.eval.report.render import markdown_table
from imuscribe.eval.result import Result
from imuscribe.eval.run import read_run, task_of
from imuscribe.recipes.methods import is_baseline
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import parsed_json, write_text

LEDGER = Path("docs") / "results.json"

TITLES = {
    "letters": "Labels of recordings: letters",
    "mapping": "From one condition to another",
    "words": "Words from letters",
    "segments": "Whole words without given boundaries",
    "adaptation": "A person learnt from words, without labels",
    "explanations": "What explanations are worth to a student",
    "questions": "Questions about signals",
    "ablation": "What each part of a recipe is worth",
    "transfer": "Activities across data sets",
}
"""Kind → the heading of its page."""

_SIMPLE = ("counting", "confusion", "cut at pauses", "before", "analytic", "analytic-dtw")
"""What the methods of a kind without classifiers are to be compared with."""
_GIVEN = "told the bounds"
"""Knows what is to be found: a bound, no method."""
_ALIKE = 0.8
"""Methods that answered less than this share of what others did are no headline."""

_RUN = ("dataset", "task", "protocol", "recipe", "seed", "date", "commit", "command", "machine")
"""What the results of one table have in common."""
_SAME = ("kind", "recipe", "protocol", "method", "commit", "seed")
"""What a result has in common with the one that it replaces."""

_ABOUT = (
    "Intervals are 95 %: Wilson for shares of recordings, bootstrap over people for means over "
    "people and for windows. Nobody tested was trained on."
)

_COLUMNS: Columns = {
    "method": lambda result: result.method,
    "metric": lambda result: result.metric,
    "over": lambda result: result.over,
    "value": lambda result: optional(result.value),
    "95 % interval": lambda result: _bounds(result),
    "n": lambda result: f"{result.n:,}",
    "chance": lambda result: optional(result.chance),
    "tokens": lambda result: optional(result.tokens, "g"),
    "trained on": lambda result: result.train_data,
}


def add(run_dir: Path, ledger: Path = LEDGER, note: str = "") -> list[Result]:
    """Append the results of a run to the ledger and render the pages beside it.

    Results of the same recipe, protocol, people tested, method, commit and seed are replaced.
    """
    added = results_of(run_dir, note)
    if not added:
        raise InputError(
            f"{run_dir}: has nothing to quote, for a sweep compares texts: run the recipe with the "
            "text that is chosen, and add that run"
        )
    replaced = {_values(result, _SAME) for result in added}
    known = read(ledger) if ledger.exists() else []
    write(ledger, [result for result in known if _values(result, _SAME) not in replaced] + added)
    return added


def results_of(run_dir: Path, note: str = "") -> list[Result]:
    """Return the headline results of a finished run, of this version or an earlier one."""
    values, facts = read_run(run_dir)
    try:
        found = task_of(values.get("kind", "letters")).results(values, facts)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{run_dir}: its figures lack {error}: run the recipe again") from None
    return [replace(x, note="; ".join(filter(None, (note, x.note)))) for x in found]


def write(ledger: Path, results: Sequence[Result]) -> None:
    """Write the ledger and the pages rendered from it, so that they are always equal."""
    write_text(ledger, as_json([result.row() for result in results]))
    for name, text in render(results, ledger.stem).items():
        write_text(ledger.parent / name, text)


def read(ledger: Path) -> list[Result]:
    """Return the results of a ledger."""
    try:
        rows = parsed_json(ledger.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{ledger}: no such ledger: add a run to make it") from None
    except ValueError as error:
        raise InputError(f"{ledger}: is no JSON ({error}): restore it") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{ledger}: is no list of results: restore it")
    found = []
    for i, row in enumerate(rows):
        try:
            found.append(Result.of(row))
        except InputError as error:
            raise InputError(f"{ledger}: row {i} {error}") from None
    return found


def render(results: Sequence[Result], name: str = "results") -> dict[str, str]:
    """Return the pages by name: ``results.md``, an index, and one a kind in ``results/``."""
    made = f"Rendered from [{name}.json]({name}.json) by `imuscribe results render`; do not edit."
    index = ["# Results", f"{made} {_ABOUT}"]
    pages = {}
    for kind, title in TITLES.items():
        mine = [result for result in results if result.kind == kind]
        if mine:
            index += [f"## [{title}]({name}/{kind}.md)", _headlines(mine)]
            parts = [f"# {title}", f"From [the ledger](../{name}.json); do not edit. {_ABOUT}"]
            parts += [part for group in _grouped(mine, _RUN) for part in _section(group)]
            pages[f"{name}/{kind}.md"] = "\n\n".join(parts) + "\n"
    if not results:
        index.append("No results yet.")
    return {f"{name}.md": "\n\n".join(index) + "\n"} | pages


def _headlines(results: Sequence[Result]) -> str:
    """Return a row a task and data set: the best method of its latest run, and what it must beat.

    The headline metric is the first that a run tells, over people where it is.
    """
    rows = []
    for group in _grouped(results, ("dataset", "task")):
        last = _grouped(group, _RUN)[-1]
        metric = last[0].metric
        told = [result for result in last if result.metric == metric]
        told = [r for r in told if r.over == "people"] or [r for r in told if r.over != "pairs"]
        told = [r for r in told if not r.method.startswith(_GIVEN)]
        told = [r for r in told if r.n >= _ALIKE * max(result.n for result in told)]
        if not told:
            continue
        plain = [r for r in told if is_baseline(r.method) or r.method in _SIMPLE]
        ours = [result for result in told if result not in plain]
        first = max(ours or told, key=lambda result: result.value)
        others = [result for result in plain if result is not first]
        other = max(others, key=lambda result: result.value, default=None)
        rows.append(
            [
                f"{first.task}; {first.dataset.partition(',')[0]}",
                f"{metric}, over {first.over}",
                f"{first.method} **{first.value:.3f}** {_bounds(first)}",
                f"{other.method} {other.value:.3f} {_bounds(other)}" if other else "–",
                f"{first.n:,}",
                optional(first.chance),
            ]
        )
    head = ("what, from which data", "metric", "best", "best to be compared with", "n", "chance")
    return markdown_table(head, rows)


def _section(results: Sequence[Result]) -> list[str]:
    """Return the table of one run with where it comes from and what its notes say."""
    first, table = results[0], Table.of(results, _COLUMNS)
    parts = [
        f"## {first.dataset}: {first.task}",
        f"{first.protocol}. Recipe `{first.recipe}`, seed {first.seed}, {first.date}, commit "
        f"{first.commit or 'unknown'}, {first.machine}.",
        f"`{first.command}`",
        markdown_table(table.head, table.rows),
        _remarks(results),
    ]
    return [part for part in parts if part]


def _remarks(results: Sequence[Result]) -> str:
    """List what the notes say, each remark once: those on every method first."""
    said: dict[str, list[str]] = {}
    for result in results:
        for remark in filter(None, result.note.split("; ")):
            if result.method not in said.setdefault(remark, []):
                said[remark].append(result.method)
    n = len({result.method for result in results})
    lines = [f"- {remark}" for remark, who in said.items() if len(who) == n]
    for who in dict.fromkeys(tuple(who) for who in said.values() if len(who) < n):
        theirs = [remark for remark, others in said.items() if tuple(others) == who]
        lines.append(f"- {', '.join(who)}: {'; '.join(theirs)}")
    return "\n".join(lines)


def _bounds(result: Result) -> str:
    if result.ci_low is None or result.ci_high is None:
        return "–"
    return f"{result.ci_low:.3f} – {result.ci_high:.3f}"


def _grouped(results: Iterable[Result], keys: Sequence[str]) -> list[list[Result]]:
    """Return results that are alike in some fields together, in order of appearance."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(_values(result, keys), []).append(result)
    return list(groups.values())


def _values(result: Result, keys: Sequence[str]) -> tuple[object, ...]:
    return tuple(getattr(result, key) for key in keys)
