"""`imuscribe words eval | segment | decode | demo`, and `imuscribe adapt`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imuscribe.cli.experiments import run_experiment
from imuscribe.cli.options import (
    ALONE,
    AccSign,
    AccUnit,
    Adapter,
    Columns,
    GyroUnit,
    Overrides,
    Rate,
    TimeUnit,
    command,
    disagreements,
    is_csv,
    learnt_alone,
    recordings_of,
)
from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from imuscribe.signals.recording import Recording
    from imuscribe.words.decode.decoding import Candidate
    from imuscribe.words.letters import Letters

LexiconNames = Annotated[
    str, typer.Option(help="english, nouns, a word list, or several joined by +.")
]


app = typer.Typer()
words_app = typer.Typer(help="From letters to words.", no_args_is_help=True)
app.add_typer(words_app, name="words")


@command(
    words_app,
    "imuscribe words eval words-study",
    "imuscribe words eval words-study letters=runs/charsense-lopo "
    "method=fine-tuned-retrieval name=words-charsense",
    "imuscribe words eval words-study only=nouns k=2,3 words=20",
    name="eval",
)
def evaluate(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or words-study.")],
    overrides: Overrides = None,
) -> None:
    """Decode words of people whose letters taught nothing; print the length × k tables.

    Run it again after an interruption: finished people are kept.
    """
    run_experiment(["words", "eval"], recipe, overrides or [], "words")


@command(
    words_app,
    "imuscribe words segment words-unsegmented",
    "imuscribe words segment words-unsegmented preset=pen letters=motion_pen.parquet "
    "words=motion_pen_words.parquet",
)
def segment(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or words-unsegmented.")],
    overrides: Overrides = None,
) -> None:
    """Decode words written without stopping, their letters' bounds unknown; print what is right.

    Letters and bounds are found together, beside baselines that are given the bounds or cut at
    pauses.
    """
    run_experiment(["words", "segment"], recipe, overrides or [], "segments")


@command(
    app,
    "imuscribe adapt words-adapt",
    "imuscribe adapt words-adapt letters=runs/charsense-lopo method=fine-tuned-retrieval "
    "data=charsense.parquet",
)
def adapt(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or words-adapt.")],
    overrides: Overrides = None,
) -> None:
    """Learn people's own letters from the words they write, without labels; print what it is worth.

    Words decoded with high confidence label their letters, and what is read next is compared with
    these too. Letters are judged before and after on recordings that no word was spelt from.
    """
    run_experiment(["adapt"], recipe, overrides or [], "adaptation")


@command(
    words_app,
    "imuscribe words decode letters/ --acc-unit g --gyro-unit deg/s",
    "imuscribe words decode h1.csv h2.csv i1.csv i2.csv --k 2 --acc-unit g "
    "--gyro-unit deg/s --lexicon english+names.txt",
    "imuscribe words decode letters.parquet --context 'I would like a cup of'",
    "ls -tr letters/*.csv | imuscribe words decode - --acc-unit g --gyro-unit deg/s",
)
def decode(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Recordings in the order of writing: CSV or Parquet files, or a folder of them "
            "(by name, 2 before 10); - takes file names from standard input as they come."
        ),
    ],
    k: Annotated[
        int, typer.Option("--k", min=1, help="Recordings of each letter, one behind another.")
    ] = 1,
    adapter: Adapter = None,
    lexicon: LexiconNames = "english",
    top: Annotated[int, typer.Option(min=1, help="Candidates to name.")] = 5,
    context: Annotated[
        str, typer.Option(help="What stands before the word: a language model weighs it in.")
    ] = "",
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Below this probability no word is named.")
    ] = 0.0,
    column: Columns = None,
    acc_unit: AccUnit = "",
    gyro_unit: GyroUnit = "",
    time_unit: TimeUnit = "",
    rate: Rate = None,
    acc_sign: AccSign = "",
) -> None:
    """Spell a word from recordings of its letters; print candidates as letters arrive.

    After every letter: how it was read, and the likeliest words of as many letters so far.
    """
    from imuscribe.finetune.adapters import adapter_path
    from imuscribe.words.speller import Speller

    folder, told = adapter_path(adapter), set[str]()

    def recordings() -> Iterator[Recording]:
        for file in in_writing_order(files):
            found = recordings_of(file, column, acc_unit, gyro_unit, time_unit, rate, acc_sign)
            doubts = disagreements(found)
            if any(rec.gyro is None for rec in found) and not learnt_alone(folder):
                doubts.append(ALONE)
            for said in {*doubts} - told:
                typer.echo(f"{file.name}: {said}", err=True)
                told.add(said)
            yield from found

    stream = recordings()
    # A mistake in the first file is told before the model loads; who sends names waits for them.
    first = [] if "-" in files else [*islice(stream, 1)]
    speller = Speller.load(adapter, lexicon)
    readings, waiting = [], []
    for recording in chain(first, stream):
        waiting.append(recording)
        if len(waiting) < k:
            continue
        readings.append(speller.read(waiting))
        waiting = []
        letters = speller.letters(readings)
        typer.echo(f"{len(letters):2}  {_last_as_bars(letters)}")
        typer.echo(f"    {_listed(speller.candidates(letters, top))}")
    if waiting:
        raise InputError(
            f"--k {k}: {len(waiting)} recordings are left over: give {k} recordings a letter"
        )
    if not readings:
        raise InputError(f"{', '.join(files)}: no recording there: give CSV or Parquet files")
    found = speller.candidates(letters, top, context)
    if context:
        typer.echo(f"after '{context}':  {_listed(found)}")
    if found[0].probability < threshold:
        typer.echo(f"word: ? ({found[0].word} is below {threshold:g}: record a letter again)")
    else:
        typer.echo(f"word: {found[0].word}")


@command(
    words_app,
    "imuscribe words demo --word HELLO",
    "imuscribe words demo --word IMUSCRIBE --k 3 --seed 7",
)
def demo(
    word: Annotated[str, typer.Option(help="What the person writes.")] = "HELLO",
    k: Annotated[int, typer.Option("--k", min=1, help="Times each letter is written.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Draws the person.")] = 61,
    adapter: Adapter = None,
    lexicon: LexiconNames = "english",
) -> None:
    """Let a simulated person write a word; show every letter's posterior and the decoded word.

    Nothing was learnt from that person. Below it stands what the air-writing study's way makes of
    the same letters: the language model itself is given the guesses and asked for the word.
    """
    from imuscribe.words.llm import parse_word
    from imuscribe.words.speller import Speller, write_simulated

    speller = Speller.load(adapter, lexicon)
    written = write_simulated(word, k, speller.reader.labels, seed)
    typer.echo(
        f"A simulated person that nothing was learnt from writes {word}, each letter "
        f"{k} time{'s' * (k > 1)}, in the air."
    )
    readings = []
    for recordings in written:
        readings.append(speller.read(recordings))
        letters = speller.letters(readings)
        typer.echo(f"{recordings[0].label}:  {_last_as_bars(letters)}")
    typer.echo(f"likeliest letters: {letters.likeliest}")
    typer.echo(f"candidates:        {_listed(speller.candidates(letters))}")
    answer = speller.language_model.answers([letters])[0].strip()
    said = parse_word(answer, len(letters), letters.labels)
    typer.echo(f"the study's way:   {said or 'no word of that length'}  ({answer!r})")
    typer.echo(f"decoded word:      {speller.candidates(letters)[0].word}")


def in_writing_order(given: Sequence[str]) -> Iterator[Path]:
    """Yield the files meant, folders by name of their files."""
    for name in given:
        if name == "-":
            yield from (Path(line.strip()) for line in sys.stdin if line.strip())
        elif Path(name).is_dir():
            files = [f for f in Path(name).iterdir() if f.is_file() and f.name[0] != "."]
            found = [f for f in files if is_csv(f) or f.suffix.lower() == ".parquet"]
            if others := sorted(f.name for f in files if f not in found):
                more = f" and {len(others) - 3:,} more" if len(others) > 3 else ""
                said = f"{', '.join(others[:3])}{more}: neither CSV nor Parquet, left out"
                typer.echo(f"{name}: {said}", err=True)
            yield from sorted(found, key=_in_order)
        else:
            yield Path(name)


def _in_order(file: Path) -> list[int | str]:
    """Sort by name, numbers in it by their size: the tenth letter comes after the ninth."""
    parts = re.split(r"(\d+)", file.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def _last_as_bars(letters: Letters, most: int = 4, width: int = 24) -> str:
    """Return the last letter's likeliest labels, each with a bar as long as it is likely."""
    import numpy as np

    probabilities = np.exp(letters.log_probs[-1])
    parts = []
    for i in np.argsort(-probabilities)[:most]:
        bar = "█" * round(width * probabilities[i]) or "▏"
        parts.append(f"{letters.labels[i]} {bar} {probabilities[i]:.2f}")
    return "   ".join(parts)


def _listed(candidates: Sequence[Candidate]) -> str:
    return "  ".join(f"{c.word} {c.probability:.2f}" for c in candidates)
