"""What several commands share: options, how a CSV is read as they say, how a help ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from imuscribe.signals.recording import Recording

F = TypeVar("F", bound=Callable[..., Any])

Adapter = Annotated[
    str | None,
    typer.Option(help="A trained adapter's folder; the packaged air-letters when not given."),
]
RecipeName = Annotated[str, typer.Argument(help="A YAML file, or the name of a packaged recipe.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(help="CSV: OURS=THEIRS for t, acc_x … gyro_z; by default the same names."),
]
AccUnit = Annotated[str, typer.Option(help="CSV: m/s^2, g or mg.")]
GyroUnit = Annotated[str, typer.Option(help="CSV: rad/s or deg/s.")]
TimeUnit = Annotated[str, typer.Option(help="CSV: s (default), ms, us or ns.")]
AccSign = Annotated[
    str, typer.Option(help="CSV: up (default: +9.81 on z lying face up) or down (-9.81: iPhones).")
]
Rate = Annotated[float | None, typer.Option(help="CSV: Hz, for a file without times.")]
Header = Annotated[
    str, typer.Option(help="CSV: line that holds the names, from 1; none: columns are numbers.")
]
UnitsRow = Annotated[int | None, typer.Option(help="CSV: line that holds the units, from 1.")]
Skip = Annotated[
    int | None, typer.Option(help="CSV: lines at the top that are no part of the table.")
]
Comment = Annotated[str, typer.Option(help="CSV: what lines that are no rows begin with.")]
Delimiter = Annotated[
    str, typer.Option(help="CSV: comma, semicolon, tab, space (any white space) or a character.")
]
Decimal = Annotated[str, typer.Option(help="CSV: '.' or ','.")]
Encoding = Annotated[str, typer.Option(help="CSV: such as utf-16; by default found out.")]
Split = Annotated[
    list[str] | None,
    typer.Option(
        help="CSV: where recordings end: blank-lines, restarts (of the clock), column:NAME (its "
        "value changes), gap:SECONDS, rows:N, or none; repeat."
    ),
]
Missing = Annotated[
    str, typer.Option(help="CSV: rows with an empty cell: refuse (default), drop or fill.")
]
SensorFile = Annotated[
    list[str] | None,
    typer.Option(
        help="CSV: SENSOR=PATTERN, such as gyro=Gyroscope.csv or acc='*_acc.csv'; repeat."
    ),
]
SensorRows = Annotated[
    list[str] | None,
    typer.Option(
        help="CSV: SENSOR=COLUMN=VALUE, such as gyro=type=Gyroscope, where sensors share columns; "
        "repeat."
    ),
]
SensorRate = Annotated[
    list[str] | None, typer.Option(help="CSV: SENSOR=HZ, for such files without times; repeat.")
]
Offset = Annotated[
    list[str] | None, typer.Option(help="CSV: SENSOR=SECONDS added to its file's times; repeat.")
]
NamePattern = Annotated[
    str,
    typer.Option(
        help="CSV: what files are named after, such as {label}_{subject}_* or {subject}/*."
    ),
]


ALONE = (
    "no gyroscope: read by gravity alone, as if the device had not turned, which is less exact; "
    "'imuscribe train acc-letters' makes an adapter for such recordings (docs/letters.md)"
)


def check_ending(out: Path) -> None:
    """Refuse a file of recordings to be written under a name that says something else."""
    if out.suffix != ".parquet":
        raise InputError(f"{out}: ends in '{out.suffix}': what is written is .parquet")


def refuse_overwriting(out: Path, *read: Path) -> None:
    """Refuse to write over a file that the command reads."""
    if any(out.resolve() == path.resolve() for path in read):
        raise InputError(f"--out {out}: is the file that is read: give another name")


def pairs_of(items: Sequence[str] | None, form: str) -> dict[str, str]:
    """Return what was given as KEY=VALUE, each key once; `form` is the option as it is typed."""
    pairs: dict[str, str] = {}
    for item in items or ():
        key, equals, value = item.partition("=")
        if not (equals and key and value):
            raise InputError(f"'{item}' has no two sides: write {form}")
        if key in pairs:
            raise InputError(f"'{item}': {key} was given as '{pairs[key]}' before: name it once")
        pairs[key] = value
    return pairs


def number_of(text: str, option: str) -> float:
    """Return a number as it was typed for an option, or refuse it."""
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--{option.replace('_', '-')}: '{text}' is not a number") from None


def is_csv(file: Path) -> bool:
    """Whether a file is read as the options say; Parquet says its columns and units itself."""
    return file.suffix.lower() in (".csv", ".tsv", ".txt", ".log", ".dat")


def recordings_of(
    file: Path,
    columns: Sequence[str] | None,
    acc_unit: str,
    gyro_unit: str,
    time_unit: str,
    rate: float | None,
    acc_sign: str = "",
) -> list[Recording]:
    """Read canonical Parquet, or the recording of a CSV as the options of a command describe it."""
    from imuscribe.signals.quality import check_units
    from imuscribe.signals.readers.csv import read_csv
    from imuscribe.signals.readers.dialects.packed import check_format
    from imuscribe.signals.readers.parquet import load
    from imuscribe.signals.readers.tables import read_text
    from imuscribe.signals.recording import ACC, GYRO

    check_format(file)
    if not is_csv(file):
        return load(file)
    named = pairs_of(columns, "--column OURS=THEIRS")
    text = read_text(file)
    # Who names the acceleration alone has no gyroscope, nor has a file that never speaks of one.
    alone = set(ACC) & set(named) or not any(name in text for name in GYRO)
    # Times that are there are named beside a rate too: which of the two holds is not ours to guess.
    timed = rate is None or has_times(text)
    usual = (*ACC, *(() if alone else GYRO), *(("t",) if timed else ()))
    names = {name: name for name in usual} | named
    return [check_units(read_csv(file, names, acc_unit, gyro_unit, time_unit, rate, acc_sign))]


def has_times(text: str) -> bool:
    """Whether the header of a table with our names has a column of times, as t or t (ms)."""
    header = next((line for line in text.splitlines() if "acc_x" in line), "")
    return re.search(r"(^|[,;\s\"])t($|[,;\s\"(\[])", header) is not None


def learnt_alone(adapter: Path) -> bool:
    """Whether an adapter has learnt from accelerometers alone."""
    from imuscribe.recipes.load import load_recipe

    path = adapter / "recipe.yaml"
    return path.is_file() and not load_recipe(str(path)).clean.gyroscope


def disagreements(recordings: Sequence[Recording]) -> list[str]:
    """Return what recordings contradict: axes, gravity's sign, an axis that is stuck or clipped."""
    from imuscribe.signals.motion.plausible import face_down
    from imuscribe.signals.quality import axes, faults

    told = sorted({*axes(recordings)[1].values(), *face_down(recordings).values()})
    return [*told, *faults(recordings)]


def examples(*lines: str) -> str:
    """Return the end of a command's help: lines that can be typed as they stand."""
    # What stands in square brackets would be taken for markup.
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(line.replace("[", r"\[") for line in lines)


def command(app: typer.Typer, *lines: str, name: str | None = None) -> Callable[[F], F]:
    """Add a function to an app, under its own name if there is no other, with examples."""
    return app.command(name, epilog=examples(*lines))
