"""`imuscribe align pretrain | qa | train | eval | sensorlm | export`."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imuscribe.cli.options import command, refuse_overwriting
from imuscribe.signals.errors import InputError, nearest

if TYPE_CHECKING:
    from imuscribe.align.qa import Pair
    from imuscribe.prompts.captions.questions import QaConfig
    from imuscribe.recipes.schema import Recipe

app = typer.Typer()
align_app = typer.Typer(
    help="Teach a language model what a sensor's tokens say.", no_args_is_help=True
)
app.add_typer(align_app, name="align")


@command(
    align_app,
    "imuscribe align pretrain demo sensor={} --out encoders/demo --epochs 4",
    "imuscribe align pretrain air-letters simulate.strokes=unipen.parquet --out encoders/air",
    "imuscribe align pretrain pdiot data=pdiot_respeck.parquet --beside pdiot_thingy.parquet "
    "--objective masked --out encoders/worn",
)
def pretrain(
    recipe: Annotated[str, typer.Argument(help="A recipe's file or packaged name.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value …, and preset=NAME.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The encoder's folder, for sensor.pretrained.")] = Path(
        "encoder"
    ),
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the recordings.")] = 14,
    objective: Annotated[
        str, typer.Option(help="labels: name them; masked: tell hidden patches, without labels.")
    ] = "labels",
    beside: Annotated[
        list[Path] | None, typer.Option(help="Learn from this Parquet file too; repeat for more.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start over instead of going on where it stopped.")
    ] = False,
) -> None:
    """Teach the encoder of a recipe's sensor section, before a language model.

    Learns from the people in split.train if the protocol is 'given', else from everybody, and
    writes down who they were: nobody of them is tested with it. A killed run goes on where it
    stopped. With masked, windows of two places of the body that one person wore at once also have
    to find each other.
    """
    from imuscribe.recipes.load import load_recipe, name_labels

    resolved = name_labels(load_recipe(recipe, overrides or []))
    if resolved.sensor is None:
        raise InputError("'sensor' is null: there is no encoder to train: set sensor={}")
    from imuscribe.align.pretrain import OBJECTIVES
    from imuscribe.align.pretrain import pretrain as teach
    from imuscribe.finetune.rows import load_recordings, training_people

    chosen = next((name for name in OBJECTIVES if name == objective), None)
    if chosen is None:
        raise InputError(f"--objective '{objective}': {nearest(objective, OBJECTIVES)}")
    people = training_people(load_recordings(resolved), resolved)
    others = {}
    for file in map(str, beside or ()):
        found = load_recordings(resolved.model_copy(update={"data": file}))
        known = resolved.split.train or {rec.subject for rec in found}
        others[file] = [rec for rec in found if rec.subject in known]
    done = teach(
        *(resolved, people, out, epochs), objective=chosen, beside=others, resume=not restart
    )
    typer.echo(done)
    typer.echo(f"next: imuscribe train {recipe} sensor.pretrained={out}")


@command(
    align_app,
    "imuscribe align qa letters.parquet --out questions.jsonl",
    "imuscribe align qa letters.parquet --out trends.jsonl --kind trend --kind runs "
    "--per-recording 10",
    "imuscribe align qa activities.parquet --out questions.jsonl --least 2 --most 10 "
    "--channel acc_x --channel acc_y --channel acc_z",
)
def qa(
    data: Annotated[Path, typer.Argument(help="Recordings in the canonical Parquet layout.")],
    out: Annotated[Path, typer.Option(help="The JSONL file to write.")],
    per_recording: Annotated[int, typer.Option(min=1, help="Questions a recording.")] = 4,
    seed: Annotated[int, typer.Option(help="Draws segments, questions and wordings.")] = 0,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind of question; repeat for more.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="Only about this channel; repeat for more.")
    ] = None,
    least: Annotated[float, typer.Option(help="Shortest segment, seconds.")] = 1.0,
    most: Annotated[float, typer.Option(help="Longest segment, seconds.")] = 4.0,
    subject: Annotated[
        list[str] | None, typer.Option(help="Only this person; repeat for more.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many recordings.")
    ] = None,
) -> None:
    """Ask about trends, range, rhythm and gravity of random segments; answers are computed.

    One JSON object a line: id, subject, label, the segment's start and length in seconds, kind,
    question, answer, and the facts an answer must state, with units and tolerances. Every answer
    has passed the checker that later judges a model's.
    """
    from imuscribe.align.qa import pairs
    from imuscribe.prompts.teacher.pair_files import write_jsonl
    from imuscribe.signals.cleaning import CleanConfig
    from imuscribe.signals.load import clean_all, read

    refuse_overwriting(out, data)
    config = _config(per_recording, kind, channel, least, most)
    found = read(data)
    people = dict.fromkeys(rec.subject for rec in found)
    for name in subject or ():
        if name not in people:
            raise InputError(f"--subject '{name}' is not in {data}: {nearest(name, people)}")
    chosen = [rec for rec in found if rec.subject in (subject or people)][:limit]
    # Rest is worth a question too, so nothing is trimmed.
    asked = pairs(clean_all(chosen, CleanConfig(trim=False), where=data.name), config, seed)
    write_jsonl((_row(pair) for pair in asked), out)
    counts = Counter(pair.question.kind for pair in asked)
    for name in config.kinds:
        typer.echo(f"{name:<12}{counts[name]:>8,}")
    example = asked[0].question
    typer.echo(f"For example: {example.question}\n             {example.answer}")
    told = len({pair.segment.id for pair in asked})
    typer.echo(f"{out}: {len(asked):,} questions about {told:,} of {len(chosen):,} recordings")


@command(
    align_app,
    "imuscribe align train align-hapt data=hapt.parquet",
    "imuscribe align train align-hapt data=hapt.parquet questions.kinds=[trend,runs] seed=1",
)
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's file or packaged name.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value …, and preset=NAME.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start over instead of going on where it stopped.")
    ] = False,
) -> None:
    """Teach a language model to answer questions about sensor tokens, before it learns labels.

    Learns `questions` about the people in split.train if the protocol is 'given', else about
    everybody. A killed run goes on where it stopped.
    """
    resolved = _asking(recipe, overrides or [])
    from imuscribe.align.stage import train as teach
    from imuscribe.finetune.rows import load_recordings, training_people

    people = training_people(load_recordings(resolved), resolved)
    adapter = teach(resolved, people, resolved.folder, resume=not restart)
    typer.echo(adapter)
    typer.echo(f"next: {shlex.join(['imuscribe', 'align', 'eval', str(adapter)])}")


@command(
    align_app,
    "imuscribe align eval runs/align-hapt/adapter",
    "imuscribe align eval runs/align-hapt/adapter data=hapt.parquet questions.per_recording=2",
)
def eval(
    adapter: Annotated[Path, typer.Argument(help="The folder that align train wrote.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value … of the adapter's own recipe.")
    ] = None,
) -> None:
    """Ask an aligned model about the people in split.test, whom it has never met.

    Beside it stands a blind reader who knows the commonest answers. Answers given before are not
    asked for again. `imuscribe run` of a recipe of the kind 'questions' trains, asks and reports.
    """
    own = adapter / "recipe.yaml"
    if not own.is_file():
        raise InputError(f"{adapter}: holds no recipe.yaml: give the adapter of 'align train'")
    resolved = _asking(str(own), overrides or [])
    from imuscribe.eval.methods.aligned import evaluate, table
    from imuscribe.eval.report.render import print_table
    from imuscribe.finetune.rows import load_recordings

    print_table(table(evaluate(resolved, load_recordings(resolved), adapter)))


@command(
    align_app,
    "imuscribe align sensorlm sensorlm data_folder=data --out models/activities",
    "imuscribe align sensorlm sensorlm data=[mine.parquet] sets={} --out models/mine",
)
def sensorlm(
    recipe: Annotated[str, typer.Argument(help="A recipe's file or packaged name.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value …, and preset=NAME.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The model's folder, for --model.")] = Path("sensorlm"),
    restart: Annotated[
        bool, typer.Option("--restart", help="Start over instead of going on where it stopped.")
    ] = False,
) -> None:
    """Teach a model what windows of everybody in a recipe's sets are called, to search with.

    A killed training goes on where it stopped. On several processors: accelerate launch -m
    imuscribe.align.sensorlm RECIPE, into the recipe's own folder. How well it does on people it
    does not know is what `imuscribe run` of the recipe measures.
    """
    from imuscribe.align.sensorlm import teach
    from imuscribe.recipes.load import load_as
    from imuscribe.recipes.retrieval import RetrievalRecipe

    resolved = load_as(RetrievalRecipe, recipe, overrides or [])
    typer.echo(teach(resolved, out, resume=not restart))
    typer.echo(f'next: imuscribe search "walking slowly" FILE --model {shlex.quote(str(out))}')


@command(
    align_app,
    "imuscribe align export runs/lanhar-transfer/lanhar/SETS.safetensors phone "
    '--labels "walking,climbing stairs,sitting"',
)
def export(
    model: Annotated[Path, typer.Argument(help="What sets of a run taught, a .safetensors file.")],
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    labels: Annotated[str, typer.Option(help="Labels in your own words, between commas.")],
) -> None:
    """Write LanHAR's sensor encoder and the vectors of labels for a device.

    As ONNX where the package onnx is installed, else for torch. Says how far the file is from the
    model, how large it is, and how long one window takes on one core.
    """
    from imuscribe.align.lanhar.deploy import RUNS, LanharReader
    from imuscribe.align.lanhar.deploy import export as write
    from imuscribe.recipes.schema import as_names

    found = write(LanharReader.from_file(model), as_names(labels), out)
    parity = found["parity"]
    if found["format"] != "onnx":
        typer.echo("written for torch: ONNX needs pip install imuscribe[onnx]", err=True)
    typer.echo(
        f"{out}: {found['megabytes']:.2f} MB, "
        f"{'not compared (no onnxruntime)' if parity is None else f'{parity:.1e} from the model'}, "
        f"{found['mean']:.2f} ms a window on one core ({found['min']:.2f} to {found['max']:.2f}, "
        f"{RUNS} windows)"
    )


def _asking(recipe: str, overrides: list[str]) -> Recipe:
    from imuscribe.align.stage import asking
    from imuscribe.recipes.load import load_as, load_experiment, name_labels
    from imuscribe.recipes.schema import Recipe
    from imuscribe.recipes.variants import QuestionsRecipe

    found = load_experiment(recipe, overrides)
    if not isinstance(found, Recipe):
        found = load_as(QuestionsRecipe, recipe, overrides)  # says what its kind is for
    return asking(name_labels(found))


def _config(
    per_recording: int,
    kinds: list[str] | None,
    channels: list[str] | None,
    least: float,
    most: float,
) -> QaConfig:
    from imuscribe.prompts.captions.questions import KINDS, QaConfig
    from imuscribe.prompts.captions.trends import TrendConfig
    from imuscribe.signals.recording import CHANNELS

    for option, given, valid in (("kind", kinds, KINDS), ("channel", channels, CHANNELS)):
        for name in given or ():
            if name not in valid:
                raise InputError(f"--{option} '{name}' is unknown: {nearest(name, valid)}")
    trends = TrendConfig.parse({"least": least, "most": most}, "--least, --most")
    values = {"per_recording": per_recording, "channels": tuple(channels or ()), "trends": trends}
    return QaConfig.parse(values | ({"kinds": tuple(kinds)} if kinds else {}), "options")


def _row(pair: Pair) -> dict[str, Any]:
    from dataclasses import asdict

    rec = pair.segment
    about = {"id": rec.id, "subject": rec.subject, "label": rec.label}
    length = rec.n_samples / rec.rate
    return about | {"at": round(pair.start, 3), "length": round(length, 3)} | asdict(pair.question)
