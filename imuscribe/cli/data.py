"""`imuscribe data info | import | plot | audit` and `imuscribe simulate`."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imuscribe.cli.options import (
    AccSign,
    AccUnit,
    Comment,
    Decimal,
    Delimiter,
    Encoding,
    GyroUnit,
    Header,
    Missing,
    NamePattern,
    Offset,
    Rate,
    SensorFile,
    SensorRate,
    SensorRows,
    Skip,
    Split,
    TimeUnit,
    UnitsRow,
    check_ending,
    command,
    disagreements,
    number_of,
    pairs_of,
    refuse_overwriting,
)
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.readers import READERS, reader
from imuscribe.signals.readers.dialects import NAMES

if TYPE_CHECKING:
    from imuscribe.signals.recording import Recording

_LAYOUTS = "; ".join(f"{name}: {what}" for name, (_, what) in READERS.items())
_LAYOUTS = f"Recognised unless said. {_LAYOUTS}; or {', '.join(NAMES)} (docs/data-format.md)"
_SHOWN = 40
_LONG = 5.0
"""Seconds at the median: longer recordings are activities, shorter ones gestures."""
_PAIRS = {
    "column": ("columns", "OURS=THEIRS"),
    "sensor_file": ("files", "SENSOR=PATTERN"),
    "sensor_rows": ("rows", "SENSOR=COLUMN=VALUE"),
    "sensor_rate": ("rates", "SENSOR=NUMBER"),
    "offset": ("offsets", "SENSOR=NUMBER"),
    "person": ("people", "SESSION=WRITER"),
}


_NOT_READ = ("source", "layout", "out", "leave_out_unusable")
"""Parameters of an import that are not the reader's."""


app = typer.Typer()
data_app = typer.Typer(help="Look at recordings, convert them, draw them.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@command(data_app, "imuscribe data info recordings.parquet")
def info(
    path: Annotated[Path, typer.Argument(help="Recordings in the canonical Parquet layout.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show people, labels, rates, durations and problems of a data set."""
    from imuscribe.signals.quality import summarise
    from imuscribe.signals.readers.parquet import scan

    recordings, refused = scan(path)
    if not recordings:
        raise refused[0]
    summary = summarise(recordings, refused, progress=True)
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        _show(path.name, summary)


@command(
    data_app,
    "imuscribe data import log.csv --layout csv --out mine.parquet --column t=time "
    "--column acc_x=ax --column acc_y=ay --column acc_z=az --column gyro_x=gx "
    "--column gyro_y=gy --column gyro_z=gz --acc-unit g --gyro-unit deg/s --time-unit ms "
    "--label A --subject ann",
    "imuscribe data import folder --layout csv --out mine.parquet --acc-unit g --gyro-unit deg/s "
    "--label '{folder}' --subject '{parent}'",
    "imuscribe data import folder --out mine.parquet",
    "imuscribe data import CharSense --layout charsense --out charsense.parquet",
    name="import",
)
def import_(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(help="A file, a folder of them, or a data set.")],
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    layout: Annotated[str, typer.Option(help=f"{_LAYOUTS}.")] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="CSV: OURS=THEIRS, for t, acc_x … gyro_z, lin_acc_*; repeat. THEIRS may be a sum "
            "or turned over: acc_x=gravity.x+userAcceleration.x, acc_y=-ay."
        ),
    ] = None,
    acc_unit: AccUnit = "",
    gyro_unit: GyroUnit = "",
    time_unit: TimeUnit = "",
    rate: Rate = None,
    acc_sign: AccSign = "",
    attitude: Annotated[
        str,
        typer.Option(
            help="CSV without gravity: what columns roll, pitch or qw … qz are: core-motion, "
            "android, aerospace, quaternion or inverse-quaternion; gravity is restored from them."
        ),
    ] = "",
    angle_unit: Annotated[str, typer.Option(help="CSV: rad or deg, of an attitude.")] = "",
    label: Annotated[str, typer.Option(help="What was done.")] = "",
    subject: Annotated[str, typer.Option(help="Who did it.")] = "",
    session: Annotated[str, typer.Option(help="When.")] = "",
    device: Annotated[str, typer.Option(help="With what.")] = "",
    header: Header = "",
    units_row: UnitsRow = None,
    skip: Skip = None,
    comment: Comment = "",
    delimiter: Delimiter = "",
    decimal: Decimal = "",
    encoding: Encoding = "",
    split: Split = None,
    missing: Missing = "",
    sensor_file: SensorFile = None,
    sensor_rows: SensorRows = None,
    sensor_rate: SensorRate = None,
    offset: Offset = None,
    name_pattern: NamePattern = "",
    case: Annotated[str, typer.Option(help="2d (flat surface) or 3d (mid-air).")] = "",
    placement: Annotated[str, typer.Option(help="Body site, such as wrist or pocket.")] = "",
    person: Annotated[
        list[str] | None,
        typer.Option(help="motion-pen: SESSION=WRITER, where one person wrote several; repeat."),
    ] = None,
    leave_out_unusable: Annotated[
        bool,
        typer.Option(
            "--leave-out-unusable",
            help="Keep the others where some lack gravity or are in another unit; list who went.",
        ),
    ] = False,
) -> None:
    """Convert recordings to the canonical Parquet layout, in m/s², rad/s and seconds.

    Layouts of loggers, devices and public data sets are recognised. In texts such as --label,
    {file}, {folder} and {parent} name a file and its folders, {person} a column person of a CSV.
    """
    from imuscribe.signals.quality import summarise
    from imuscribe.signals.readers.dialects.packed import check_format, unpacked
    from imuscribe.signals.readers.parquet import save

    check_ending(out)
    refuse_overwriting(out, source)
    check_format(source)
    given = _said(ctx.params)
    with unpacked(source) as place:
        recordings = _read(place, layout or _recognised(place, given), given, leave_out_unusable)
    save(recordings, out)
    summary = summarise(recordings)
    _show(out.name, summary)
    typer.echo(_next_step(out, summary))


@command(data_app, "imuscribe data plot recordings.parquet ann-A-03 --out A.png")
def plot(
    path: Annotated[Path, typer.Argument(help="Recordings in the canonical Parquet layout.")],
    recording_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the recording.")],
    out: Annotated[Path, typer.Option(help="The PNG to write.")],
) -> None:
    """Draw the channels of one recording and the stroke they reconstruct."""
    from imuscribe.signals.plot import plot_recording
    from imuscribe.signals.readers.parquet import load

    recordings = {rec.id: rec for rec in load(path)}
    if recording_id not in recordings:
        hint = nearest(recording_id, recordings)
        if hint.startswith("valid:"):
            ids = list(recordings)
            hint = f"ids run from '{ids[0]}' to '{ids[-1]}'"
        raise InputError(f"{path}: has no recording '{recording_id}': {hint}")
    plot_recording(recordings[recording_id], out)
    typer.echo(f"wrote {out}")


@command(
    data_app,
    "imuscribe data audit charsense.parquet --labels A-Z",
    "imuscribe report runs/charsense-lopo --audit audit/audit.json",
)
def audit(
    path: Annotated[Path, typer.Argument(help="Recordings in the canonical Parquet layout.")],
    labels: Annotated[str, typer.Option(help="Labels, such as A-Z0-9 or walking,sitting.")] = "A-Z",
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("audit"),
    neighbours: Annotated[int, typer.Option(help="Nearest recordings of others to ask.")] = 10,
) -> None:
    """Find recordings unlike their label, and letters one person forms as nobody else does.

    Each recording is compared with those of other people; no model is asked. Writes audit.json,
    flagged.csv, recordings.parquet and audit.html, which draws what is odd.
    """
    import logging

    from imuscribe.eval.report.audit import audit_file
    from imuscribe.signals.readers.parquet import load

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    typer.echo(audit_file(path, out, labels, neighbours, progress=True))
    for doubt in disagreements(load(path)):
        typer.echo(f"{path.name}: {doubt}", err=True)
    typer.echo(f"drawn: {out / 'audit.html'}")


@command(
    app,
    "imuscribe simulate letters.parquet",
    "imuscribe simulate capitals.parquet --people 6 --labels A-Z --case 3d --seed 1",
)
def simulate(
    out: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    people: Annotated[int, typer.Option(help="How many writers.")] = 2,
    labels: Annotated[str, typer.Option(help="Characters, such as A-Z or a-z0-9.")] = "A-Z",
    case: Annotated[
        list[str] | None, typer.Option(help="2d (flat surface) or 3d (mid-air); both by default.")
    ] = None,
    repetitions: Annotated[int, typer.Option(help="Of every character, person and case.")] = 10,
    rate: Annotated[float, typer.Option(help="Mean sampling rate in Hz.")] = 200.0,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    strokes: Annotated[
        Path | None, typer.Option(help="Pen trajectories to follow instead of our templates.")
    ] = None,
) -> None:
    """Let simulated people write with a simulated sensor.

    By default the air-writing study's protocol: 2 people × 26 letters × 2 cases × 10.
    """
    from imuscribe.signals.readers.parquet import save
    from imuscribe.signals.simulate import SimulateConfig
    from imuscribe.signals.simulate import simulate as run

    check_ending(out)
    values = {
        "people": people,
        "labels": labels,
        "repetitions": repetitions,
        "rate": rate,
        "seed": seed,
        "strokes": None if strokes is None else str(strokes),
        **({"cases": case} if case else {}),
    }
    recordings = run(SimulateConfig.parse(values, "simulate"), progress=True)
    save(recordings, out)
    typer.echo(f"wrote {len(recordings):,} recordings to {out}")


def _recognised(source: Path, given: Mapping[str, Any]) -> str:
    """Return the layout of a file or folder: tables where columns are named, else what it shows."""
    from imuscribe.signals.readers.dialects.recognise import recognise

    if "columns" in given:
        return "csv"
    layout, why = recognise(source)
    typer.echo(f"layout {layout}: {why}", err=True)
    return layout


def _read(source: Path, layout: str, given: dict[str, Any], leave_out: bool) -> list[Recording]:
    """Read what an import was given as a layout and options say, and judge it."""
    from inspect import signature

    from imuscribe.signals.quality import keep_usable
    from imuscribe.signals.readers.layout import TableLayout

    read = reader(layout)
    takes = set(signature(read).parameters)
    tables = "layout" in takes
    if wrong := sorted(given.keys() - (TableLayout.model_fields.keys() if tables else takes)):
        option = next((o for o, (name, _) in _PAIRS.items() if name == wrong[0]), wrong[0])
        option = option.replace("_", "-")
        raise InputError(f"--{option}: layout '{layout}' takes no such option: leave it out")
    if tables:
        given = {"layout": TableLayout.parse(given, "data import")}
    if leave_out and "most" in takes:
        given["most"] = 1.0
    try:
        return keep_usable(read(source, **given), source.name, float(leave_out))
    except InputError as error:
        if leave_out or "recordings cannot be used" not in str(error):
            raise
        hint = "--leave-out-unusable keeps the others"
        raise InputError(f"{error}; {hint}", error.reason) from None


def _said(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an import that were given, by the names that readers have for them."""
    named = {name: value for name, value in params.items() if name not in _NOT_READ}
    for option, (name, form) in _PAIRS.items():
        pairs: dict[str, Any] = pairs_of(named.pop(option), f"--{option.replace('_', '-')} {form}")
        if form.endswith("NUMBER"):
            pairs = {key: number_of(text, option) for key, text in pairs.items()}
        named[name] = pairs
    return {name: value for name, value in named.items() if value not in ("", None, {}, [], ())}


def _next_step(path: Path, summary: dict[str, Any]) -> str:
    """Say what may be done with a file that was made: what to train, or what it lacks for that."""
    labels, people = set(summary["labels"]) - {""}, set(summary["people"]) - {""}
    if len(labels) < 2:
        return (
            "next: imuscribe predict, to read them; to learn from them, import them again with "
            "labels of two kinds or more (--label)"
        )
    recipe = "activities" if summary["duration"][1] > _LONG else "gestures"
    if len(people) < 2:
        return f"next: imuscribe train {recipe} data={path}; to be judged, two people are needed"
    return (
        f"next: imuscribe train {recipe} data={path}, or imuscribe run {recipe} data={path} to see "
        "how well people are read that it did not learn from"
    )


def _show(name: str, summary: dict[str, Any]) -> None:
    from imuscribe.signals.quality.problem import KINDS

    width = max(60, shutil.get_terminal_size((100, 24)).columns)
    wrap = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    wrap.subsequent_indent = " " * 20

    def line(title: str, text: str) -> None:
        wrap.initial_indent = f"  {title:<18}"
        typer.echo(wrap.fill(text))

    n = summary["recordings"]
    typer.echo(f"{name}: {n:,} recordings")
    for title in ("people", "labels", "sessions", "devices", "placements", "cases"):
        line(title, _counts(summary[title]))
    if summary["segments"]:
        line("segments", _counts(summary["segments"]))
    channels = summary["channels"].items()
    line("channels", ", ".join(f"{c} ({k:,})" if k < n else c for c, k in channels))
    for title, unit in (("rate", " Hz"), ("duration", " s"), ("samples", "")):
        low, middle, high = summary[title]
        line(title, f"{low:,.4g} to {high:,.4g}{unit}, median {middle:,.4g}")
    line("axes", _axes(summary))
    typer.echo("problems" if summary["problems"] else "no problems found")
    for kind, found in summary["problems"].items():
        count, limits = found["recordings"], list(found["limits"].items())[:4]
        total = n + (count if kind == "unusable" else 0)
        text = f"{count:,} of {total:,} recordings ({count / total:.1%})"
        if KINDS[kind]:
            text += f", median {found['share']:.1%} {KINDS[kind]}"
        if limits:
            text += "; limits " + ", ".join(f"{limit} ({k:,})" for limit, k in limits)
        line(kind, f"{text}; worst {found['example']}")


def _axes(summary: Mapping[str, Any]) -> str:
    """Say whether acceleration and rotation rate were found to be of one device."""
    compared, agree = summary["axes"]["compared"], summary["axes"]["agree"]
    if agree:
        return f"gravity turns with the gyroscope ({compared:,} windows compared)"
    if "axes disagree" in summary["problems"]:
        return "gravity does not turn with the gyroscope: see below"
    why = "too little turning" if compared else "no gyroscope"
    return f"not confirmed ({why}): mirrored or swapped axes would go unnoticed"


def _counts(counts: Mapping[str, int]) -> str:
    items = [f"{name or '(unknown)'} {count:,}" for name, count in counts.items()]
    more = f" … and {len(items) - _SHOWN} more (--json lists all)" if len(items) > _SHOWN else ""
    return f"{len(items)}: " + ", ".join(items[:_SHOWN]) + more
