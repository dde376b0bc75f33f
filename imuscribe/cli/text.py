"""`imuscribe serialize`, `imuscribe interpret`, `imuscribe budget` and `imuscribe ask`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from imuscribe.cli.options import command
from imuscribe.signals.errors import InputError, nearest

if TYPE_CHECKING:
    from imuscribe.prompts.serialize import TextConfig
    from imuscribe.prompts.serialize.budget import BudgetReport
    from imuscribe.prompts.teacher.interpret import LanguageInterpreter
    from imuscribe.signals.recording import Recording
    from imuscribe.signals.windows import WindowConfig

Source = Annotated[Path, typer.Argument(help="Recordings in the canonical Parquet layout.")]
FormatName = Annotated[str, typer.Option("--format", help="csv, digits, strokes or summary.")]
Tokenizer = Annotated[
    str, typer.Option(help="smollm2, llama3, a directory or a hub id owner/name.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many recordings.")]
Signals = Annotated[
    str | None,
    typer.Option(help="strokes: some of velocity,acceleration,rotation, in this order."),
]
Channels = Annotated[
    str | None, typer.Option(help="csv, digits, summary, --stats: channels, such as acc_x,gyro_z.")
]
Stats = Annotated[bool, typer.Option("--stats", help="Append mean and spread of the raw channels.")]


app = typer.Typer()


@command(
    app,
    "imuscribe serialize letters.parquet --format strokes --budget 64 --limit 100",
    "imuscribe serialize letters.parquet --format csv --rate 10 --decimals 2",
    "imuscribe serialize letters.parquet --signals velocity --steps 32 --levels 1",
)
def serialize(
    path: Source,
    format: FormatName = "strokes",
    budget: Annotated[
        int | None, typer.Option(min=1, help="Most tokens a text; chooses settings if need be.")
    ] = None,
    tokenizer: Tokenizer = "smollm2",
    limit: Limit = None,
    signals: Signals = None,
    steps: Annotated[int | None, typer.Option(help="strokes, digits: time bins.")] = None,
    directions: Annotated[int | None, typer.Option(help="strokes: 8 or 16.")] = None,
    levels: Annotated[int | None, typer.Option(help="strokes: speed levels, 1 to 3.")] = None,
    channels: Channels = None,
    digits: Annotated[int | None, typer.Option(help="digits: digits a value, 1 to 3.")] = None,
    decimals: Annotated[
        int | None, typer.Option(help="csv, summary: digits after the point.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="csv: rows a second.")] = None,
    stats: Stats = False,
) -> None:
    """Write recordings as text: one JSON object a line with id, text and tokens."""
    from imuscribe.prompts.ask.tokens import count_tokens, load_tokenizer
    from imuscribe.prompts.serialize import build_serializer
    from imuscribe.signals.errors import usable
    from imuscribe.signals.load import clean_all, read

    given = {"signals": signals, "channels": channels}
    refined = {
        "steps": steps,
        "directions": directions,
        "levels": levels,
        "digits": digits,
        "decimals": decimals,
        "rate": rate,
    }
    config = _config(format, given | refined, stats)
    reader = load_tokenizer(tokenizer)
    recordings = clean_all(read(path)[:limit], where=path.name)
    serializer = build_serializer(config)
    readable = usable(recordings, lambda rec: (rec, serializer.features(rec)), path.name)
    recordings = [rec for rec, _ in readable]
    texts = serializer.encode([features for _, features in readable])
    tokens = count_tokens(reader, texts)
    if budget is not None and max(tokens) > budget:
        chosen = sorted(name for name, value in refined.items() if value is not None)
        if chosen:
            options = ", ".join(f"--{name}" for name in chosen)
            raise InputError(
                f"budget {budget}: with {options} the longest text has {max(tokens)} tokens: "
                f"leave them out to have them chosen, or set --budget {max(tokens)}"
            )
        from imuscribe.prompts.serialize.budget import fit_budget

        report = fit_budget(recordings, reader, config.format, budget, base=config)
        typer.echo(f"chosen for {budget} tokens: {_setting(report.config)}", err=True)
        serializer = build_serializer(report.config)
        texts = serializer.encode([serializer.features(rec) for rec in recordings])
        tokens = count_tokens(reader, texts)
    for rec, text, n in zip(recordings, texts, tokens, strict=True):
        typer.echo(json.dumps({"id": rec.id, "text": text, "tokens": n}, ensure_ascii=False))


@command(
    app,
    "imuscribe interpret hapt.parquet --limit 5",
    "imuscribe interpret hapt.parquet --teacher smollm2 --limit 5",
    "imuscribe interpret hapt.parquet --teacher http://localhost:8000/v1 --model qwen3-8b",
)
def interpret(
    path: Source,
    teacher: Annotated[
        str, typer.Option(help="Who writes: rules, a local model (smollm2, …), or a server.")
    ] = "rules",
    model: Annotated[str | None, typer.Option(help="Model to ask at that server.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many windows.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of a window.")] = 4.0,
    stride: Annotated[float, typer.Option(help="From one window to the next, seconds.")] = 4.0,
    rate: Annotated[float | None, typer.Option(help="Hz after cleaning; as recorded.")] = None,
    rounds: Annotated[int, typer.Option(min=0, help="Corrections a model is asked for.")] = 2,
    site: Annotated[
        bool, typer.Option("--site", help="Rules say and heed where the device is worn.")
    ] = False,
    regenerate: Annotated[
        int, typer.Option(min=0, help="Rounds in which a model mends texts unlike their kind.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of a model's draws.")] = 0,
    cache: Annotated[str | None, typer.Option(help="File that keeps a model's answers.")] = None,
) -> None:
    """Put windows of activities into words under seven categories, without naming the activity.

    One JSON object a line: id, label, text, how many numbers it holds and how many the window bears
    out. A model's answers are kept: a run that is stopped goes on without asking them again.
    """
    import threading
    from collections import Counter

    from imuscribe.prompts.captions.interpret import Interpreter, RuleInterpreter
    from imuscribe.prompts.teacher.chat import Unanswered
    from imuscribe.prompts.teacher.interpret import (
        InterpretConfig,
        LanguageInterpreter,
        interpret_all,
    )
    from imuscribe.signals.windows import WindowConfig

    windows = _windows(path, WindowConfig.parse({"seconds": seconds, "stride": stride}), rate)
    windows, stop = windows[:limit], threading.Event()
    who: Interpreter = RuleInterpreter(site)
    if teacher != "rules":
        from imuscribe.finetune.local_teacher import asked_once
        from imuscribe.recipes.explanations import TeacherConfig

        config = TeacherConfig(name=teacher, model=model, cache=cache)
        settings = InterpretConfig.parse({"rounds": rounds, "regenerate": regenerate})
        who = LanguageInterpreter(asked_once(config, stop), settings, seed)
    elif model or cache or regenerate:
        raise InputError(
            "--model, --cache and --regenerate are for a language model: name --teacher too"
        )
    lost: Counter[str] = Counter()
    detail, written = "", dict[str, dict[str, Any]]()
    try:
        for rec, said in interpret_all(windows, who):
            if isinstance(said, Unanswered):
                lost[said.kind] += 1
                detail = detail or str(said)
                continue
            told: dict[str, Any] = {"id": rec.id, "label": rec.label, "text": said.text}
            told |= {"numbers": said.claims, "supported": said.supported}
            if regenerate:
                written[rec.id] = told
            else:
                typer.echo(json.dumps(told, ensure_ascii=False))
        if isinstance(who, LanguageInterpreter) and regenerate:
            _regenerate([rec for rec in windows if rec.id in written], written, who)
    finally:
        stop.set()
    if lost:
        reasons = ", ".join(f"{kind} ({n:,})" for kind, n in lost.most_common())
        summary = f"{path.name}: {lost.total():,} of {len(windows):,} windows set aside: {reasons}"
        if lost.total() == len(windows):
            raise InputError(f"{summary}: {detail}")
        typer.echo(summary, err=True)


def _regenerate(
    windows: Sequence[Recording], written: dict[str, dict[str, Any]], who: LanguageInterpreter
) -> None:
    """Print texts, those mended that stood apart; standard error says what became of each."""
    from imuscribe.align.interpretations import regenerate
    from imuscribe.models.text import load_encoder
    from imuscribe.prompts.captions.figures import check_figures

    def again(rec: Recording, text: str, number: int) -> str:
        return who.again(rec, text, number).text

    before = [written[rec.id]["text"] for rec in windows]
    rounds, embed = who.config.regenerate, load_encoder("minilm")
    texts, log = regenerate(windows, before, embed, again, rounds, who.seed)
    for rec, old, new in zip(windows, before, texts, strict=True):
        told = written[rec.id] | {"text": new}
        if new != old:
            found = check_figures(new, rec)
            told |= {"numbers": found.claims, "supported": found.supported}
        typer.echo(json.dumps(told, ensure_ascii=False))
    for one in log:
        became = "taken" if one.taken else f"not taken ({one.why})"
        after = "–" if one.after is None else f"{one.after:.3f}"
        typer.echo(
            f"round {one.round + 1}, {one.id}: distance {one.before:.3f} → {after}, {became}",
            err=True,
        )
    taken = sum(one.taken for one in log)
    typer.echo(f"{taken:,} of {len(log):,} texts written anew were taken", err=True)


def _windows(path: Path, config: WindowConfig, rate: float | None) -> list[Recording]:
    """Return the windows of a file, each recording at its own rate or all at one."""
    from imuscribe.signals.cleaning import CleanConfig, clean
    from imuscribe.signals.errors import usable
    from imuscribe.signals.load import read
    from imuscribe.signals.windows import cut

    def cleaned(rec: Recording) -> Recording:
        values = {"rate": rate or round(rec.rate, 1), "trim": False, "drop_repeats": False}
        return clean(rec, CleanConfig.parse(values, "options"))

    return cut(usable(read(path), cleaned, path.name, progress="cleaning"), config)


@command(
    app,
    "imuscribe budget letters.parquet --format digits --budget 256",
    "imuscribe budget letters.parquet --budget 128 --prompt study --tokenizer llama3",
)
def budget(
    path: Source,
    budget: Annotated[int, typer.Option(min=1, help="Most tokens.")],
    format: FormatName = "strokes",
    tokenizer: Tokenizer = "smollm2",
    limit: Limit = None,
    signals: Signals = None,
    channels: Channels = None,
    stats: Stats = False,
    prompt: Annotated[
        str, typer.Option(help="Count the whole prompt too: none, short or study.")
    ] = "none",
    chat: Annotated[bool, typer.Option("--chat", help="With --prompt: as a chat.")] = False,
) -> None:
    """Choose the most faithful setting of a format that fits every recording in a budget."""
    from imuscribe.prompts.ask.templates import PromptBuilder, PromptConfig
    from imuscribe.prompts.ask.tokens import load_tokenizer
    from imuscribe.prompts.serialize.budget import fit_budget
    from imuscribe.signals.load import clean_all, read

    if prompt not in ("none", "short", "study"):
        raise InputError(f"--prompt '{prompt}': {nearest(prompt, ('none', 'short', 'study'))}")
    if chat and prompt == "none":
        raise InputError("--chat: needs a prompt to render: add --prompt short or --prompt study")
    base = _config(format, {"signals": signals, "channels": channels}, stats)
    reader = load_tokenizer(tokenizer)
    recordings = clean_all(read(path)[:limit], where=path.name)
    around: PromptBuilder | int = 0
    if prompt != "none":
        labels = sorted({rec.label for rec in recordings})
        config = PromptConfig.parse({"style": prompt, "chat": chat}, "--prompt")
        around = PromptBuilder(reader, labels, config)
    report = fit_budget(recordings, reader, base.format, budget, around, base)
    _show(report, tokenizer, whole=prompt != "none")


@command(
    app,
    'imuscribe ask days.csv "How long did I walk on Tuesday morning?"',
    'imuscribe ask sensorqa.parquet --user u32 "Which day was I at home the most?" --plot day.png',
    'imuscribe ask days.csv "What was I doing at 6:11 on 2015-11-05?" --json',
    'imuscribe ask walk.parquet "How many times did I stand up?" '
    "--adapter runs/activities/folds/anna/adapter",
    'imuscribe ask days.csv "Was I ever outside without walking?" --model qwen3-8b '
    "--endpoint http://localhost:8000/v1",
)
def ask(
    data: Annotated[
        Path,
        typer.Argument(
            help="A table of spans (start, end, label; user, confidence), or recordings to be read "
            "with --adapter."
        ),
    ],
    question: Annotated[str, typer.Argument(help="In English.")],
    user: Annotated[str | None, typer.Option(help="Whose time, where the data is of many.")] = None,
    adapter: Annotated[
        str | None, typer.Option(help="Recordings: who reads them, an adapter of activities.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="A server whose model understands the question.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model to ask at that server.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Query, value and evidence too.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the timeline and the evidence.")] = None,
) -> None:
    """Answer a question about labelled time; every number is computed, none is guessed.

    Without a server, questions are understood by a table of wordings, and others are refused.
    """
    from imuscribe.ask.data.sources import timeline_and_recording
    from imuscribe.ask.parse import ModelParser, Parser, response_format
    from imuscribe.ask.parse import ask as answered
    from imuscribe.ask.picture import plot_answer

    timeline, recording = timeline_and_recording(data, user, adapter)
    parser: Parser | None = None
    if (endpoint is None) != (model is None):
        raise InputError("--endpoint and --model belong together: give both, or neither")
    if endpoint is not None:
        from imuscribe.prompts.teacher.endpoint import Endpoint, EndpointConfig

        fields = {"base_url": endpoint, "model": model, "extra": response_format(timeline)}
        parser = ModelParser(Endpoint(EndpointConfig.parse(fields, "--endpoint")))
    found = answered(question, timeline, parser, recording)
    if plot is not None:
        plot_answer(timeline, found, plot)
    if as_json:
        typer.echo(json.dumps(found.told(), ensure_ascii=False))
        return
    typer.echo(found.short)
    for line in (found.sentence, *found.evidence):
        typer.echo(f"  {line}")


def _config(format: str, options: dict[str, Any], stats: bool) -> TextConfig:
    """Turn options into a configuration; an option of another format is an error."""
    from imuscribe.prompts.serialize import Format, TextConfig, View

    if format not in get_args(Format):
        raise InputError(f"--format '{format}': {nearest(format, get_args(Format))}")
    used = {
        "csv": {"channels", "rate", "decimals"},
        "digits": {"channels", "steps", "digits"},
        "summary": {"channels", "decimals"},
        "strokes": {"signals", "steps", "directions", "levels"}
        | ({"channels"} if stats else set()),
    }[format]
    given = {name: value for name, value in options.items() if value is not None}
    for name in given.keys() - used:
        valid = ", ".join(f"--{option}" for option in sorted(used))
        raise InputError(f"--{name}: not an option of format '{format}', which has {valid}")
    for name in given.keys() & {"signals", "channels"}:
        given[name] = tuple(word.strip() for word in given[name].split(",") if word.strip())
    if format == "strokes":
        views = [view.model_dump() for view in TextConfig().views]
        if "signals" in given:
            known = {view["signal"]: view for view in views}
            views = [known.get(s, {}) | {"signal": s} for s in given.pop("signals")]
        shape = {
            name: given.pop(name) for name in ("steps", "directions", "levels") if name in given
        }
        given["views"] = [View.parse(view | shape, "options") for view in views]
    return TextConfig.parse({"format": format, "stats": stats} | given, "options")


def _setting(config: TextConfig) -> str:
    """Say a setting in one line."""
    channels = ",".join(config.channels)
    if config.format == "strokes":
        return "strokes: " + "; ".join(
            f"{v.signal} {v.steps} steps × {v.directions} directions × {v.levels} levels"
            for v in config.views
        )
    if config.format == "digits":
        return f"digits: {channels}, {config.steps} steps × {config.digits} digits"
    if config.format == "summary":
        return f"summary: mean and deviation of {channels}, {config.decimals} decimals"
    rate = "every sample" if config.rate is None else f"{config.rate:g} rows a second"
    return f"csv: {channels}, {rate}, {config.decimals} decimals"


def _show(report: BudgetReport, tokenizer: str, whole: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    what = "prompt and answer" if whole else "text"
    typer.echo(_setting(report.config))
    typer.echo(
        f"reconstruction error {report.error:.3f} (0 perfect, 1 nothing kept; measured on "
        f"{report.n_compared} of {len(report.tokens)} recordings)"
    )
    typer.echo(f"tokens of {what} for {tokenizer}, budget {report.budget}:")
    table = Table("label", "recordings", "min", "median", "max", box=None)
    for label, (least, middle, most, n) in report.by_class.items():
        table.add_row(label, str(n), str(least), f"{middle:g}", str(most))
    Console().print(table)
