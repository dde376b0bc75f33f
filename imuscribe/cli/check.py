"""`imuscribe pairs check | show | study`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imuscribe.cli.experiments import run_experiment
from imuscribe.cli.options import examples, refuse_overwriting
from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from imuscribe.eval.faithfulness import Faithfulness
    from imuscribe.prompts.checking.claims import ClaimReport
    from imuscribe.signals.recording import Recording


def register(app: typer.Typer) -> None:
    """Add the commands of this module to ``pairs``, which must be there."""
    pairs = next(group.typer_instance for group in app.registered_groups if group.name == "pairs")
    assert pairs is not None
    pairs.command(
        "check",
        epilog=examples(
            "imuscribe pairs check pairs.jsonl --data letters.parquet",
            "imuscribe pairs check pairs.jsonl --data letters.parquet --forbid-label",
            "imuscribe pairs check pairs.jsonl --data letters.parquet --only-true --out true.jsonl",
        ),
    )(check)
    pairs.command(
        "show",
        epilog=examples(
            "imuscribe pairs show pairs.jsonl --data letters.parquet --out page.html",
            "imuscribe pairs show pairs.jsonl --data letters.parquet --out wrong.html --wrong",
        ),
    )(show)
    pairs.command(
        "study",
        epilog=examples(
            "imuscribe pairs study pairs-study data=charsense.parquet",
            "imuscribe pairs study pairs-study preset=simulated",
            "imuscribe pairs study mine.yaml tokens=2000000 teacher.name=http://localhost:8000/v1 "
            "teacher.model=qwen3-8b",
        ),
    )(study)


def check(
    path: Annotated[Path, typer.Argument(help="Pairs made by 'imuscribe pairs build'.")],
    data: Annotated[Path, typer.Option(help="The recordings they are about, Parquet.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The JSONL file to write; default PAIRS with .checked before .jsonl."),
    ] = None,
    forbid_label: Annotated[
        bool, typer.Option("--forbid-label", help="Count reasoning that names its label.")
    ] = False,
    only_true: Annotated[
        bool,
        typer.Option("--only-true", help="Leave out what is contradicted or names the label."),
    ] = False,
) -> None:
    """Test every claim of the explanations against the recordings; write the counts of each pair.

    Adds claims, supported, contradicted, unchecked and errors to each pair.
    """
    from imuscribe.eval.faithfulness import summary
    from imuscribe.eval.report.pairs import lead
    from imuscribe.prompts.teacher.pair_files import write_jsonl

    out = out or path.with_name(f"{path.stem}.checked.jsonl")
    refuse_overwriting(out, path, data)
    checked = list(_checked(path, data, forbid_label))
    rows = [
        dict(one.row)
        | one.report.counts
        | {"errors": list(one.report.errors)}
        | ({"names_label": bool(one.leaks)} if forbid_label else {})
        for one in checked
        if not (only_true and (one.report.contradicted or one.leaks))
    ]
    write_jsonl(rows, out)
    reports = {one.key: one.report for one in checked}
    found = summary(list(reports.values()))
    _print(found)
    typer.echo(lead(found))
    if forbid_label:
        named = len({one.key for one in checked if one.leaks})
        typer.echo(f"{named:,} of {len(reports):,} explanations name the label")
    kept = f"{len(rows):,} of {len(checked):,}" if only_true else f"{len(checked):,}"
    typer.echo(f"{out}: {kept} pairs")


def show(
    path: Annotated[Path, typer.Argument(help="Pairs made by 'imuscribe pairs build'.")],
    data: Annotated[Path, typer.Option(help="The recordings they are about, Parquet.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    limit: Annotated[int, typer.Option(min=1, help="Most explanations on the page.")] = 50,
    wrong: Annotated[
        bool, typer.Option("--wrong", help="Only explanations with a contradicted claim.")
    ] = False,
    forbid_label: Annotated[
        bool, typer.Option("--forbid-label", help="Mark where reasoning names its label.")
    ] = False,
) -> None:
    """Draw every recording beside its explanation, each claim green, red or grey."""
    from imuscribe.eval.report.pairs import Shown, pairs_page
    from imuscribe.signals.files import write_text

    refuse_overwriting(out, path, data)
    shown: dict[tuple[str, str], Shown] = {}
    for one in _checked(path, data, forbid_label):
        if one.key not in shown and (one.report.contradicted or one.leaks or not wrong):
            title = ", ".join(str(one.row[k]) for k in ("subject", "teacher") if one.row.get(k))
            shown[one.key] = Shown(one.rec, one.report, one.conclusion, one.leaks, title)
    if not shown:
        none = "no explanation is contradicted" if wrong else "no pair has an explanation"
        raise InputError(f"{path}: {none}: nothing to show")
    page = pairs_page(list(shown.values())[:limit], path.name, max(0, len(shown) - limit))
    write_text(out, page)
    typer.echo(f"{out}: {min(limit, len(shown)):,} of {len(shown):,} explanations")


@dataclass(frozen=True)
class _Checked:
    row: Mapping[str, Any]
    rec: Recording
    report: ClaimReport
    conclusion: str
    leaks: tuple[tuple[int, int], ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.rec.id, self.report.text


def _checked(path: Path, data: Path, forbid_label: bool) -> Iterator[_Checked]:
    """Check the reasoning of every pair that has one; equal ones of a recording once."""
    from tqdm.auto import tqdm

    from imuscribe.prompts.captions.facts import Facts
    from imuscribe.prompts.checking.claims import check_claims
    from imuscribe.prompts.checking.leaks import leaks
    from imuscribe.prompts.teacher.pair_files import read_pairs

    pairs = read_pairs(path)
    if not pairs:
        raise InputError(f"{path}: has no pairs: give a file that 'imuscribe pairs build' wrote")
    recordings = _recordings(path, pairs, data)
    facts = {key: Facts(rec) for key, rec in recordings.items()}
    reports: dict[tuple[str, str], ClaimReport] = {}
    for row in tqdm(pairs, desc="check", unit="pair"):
        rec = recordings[row["id"]]
        # The conclusion is the last line, which names the label.
        reasoning, _, conclusion = str(row["completion"]).strip().rpartition("\n")
        reasoning = reasoning.strip()
        if not reasoning:
            continue
        key = rec.id, reasoning
        if key not in reports:
            reports[key] = check_claims(reasoning, facts[rec.id])
        named = leaks(reasoning, str(row.get("label", ""))) if forbid_label else ()
        yield _Checked(row, rec, reports[key], conclusion.strip(), named)
    if not reports:
        raise InputError(f"{path}: no pair has an explanation: build them with --reasoning")


def _recordings(path: Path, pairs: list[dict[str, Any]], data: Path) -> dict[str, Recording]:
    """Return the recordings that the pairs are about, cleaned as when the pairs were made."""
    from imuscribe.signals.load import clean_all, read

    wanted = {str(row["id"]) for row in pairs if "id" in row}
    if not all("id" in row for row in pairs):
        raise InputError(f"{path}: a pair has no id: give pairs as built, not exported for chats")
    recordings = {rec.id: rec for rec in read(data) if rec.id in wanted}
    missing = sorted(wanted - recordings.keys())
    if missing:
        raise InputError(
            f"{data}: has no recording '{missing[0]}' ({len(missing)} of {len(wanted)} are "
            f"missing): give the file the pairs were built from"
        )
    return {rec.id: rec for rec in clean_all([*recordings.values()], where=data.name, most=0)}


def _print(found: Faithfulness) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table

    from imuscribe.eval.report.pairs import percent

    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("kind of claim")
    shown.add_column("decided", justify="right")
    shown.add_column("supported", justify="right")
    for kind, figure in found.kinds.items():
        shown.add_row(kind, f"{figure['n']:,}", percent(figure))
    shown.add_row("all", f"{found.share['n']:,}", percent(found.share))
    # Only a terminal has a width: elsewhere no row is broken.
    Console(width=None if sys.stdout.isatty() else 120).print(shown)


def study(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or pairs-study.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change.")
    ] = None,
) -> None:
    """Train students on labels, computed, a teacher's and checked explanations; compare them.

    All read the same number of tokens. Run it again after an interruption: what the teacher
    answered and who was trained is kept.
    """
    run_experiment(["pairs", "study"], recipe, overrides or [], "explanations")
