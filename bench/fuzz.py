"""Whether any file makes a loader fail with anything but one line for the user.

Valid inputs are damaged a little (bytes flipped, cut and doubled, fields swapped, huge numbers, odd
encodings) and read: general tables, every dialect, the Parquet layout, recipes, answers of models,
what `words decode` is given, galleries and adapters, each for the same time. Anything but success
or an `InputError` of one line is an escape. Its files, settings and traceback are kept in FOLDER,
named after its target, the seed and the number of its try.

python -m bench.fuzz FOLDER --minutes 20 --seed 1 [--only TARGET]
"""

from __future__ import annotations

import logging
import os
import random
import resource
import shutil
import signal
import time
import traceback
import warnings
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from bench.fuzz_inputs import damage, prepare, prepare_adapter
from imuscribe.cli.options import disagreements, recordings_of
from imuscribe.cli.words import in_writing_order
from imuscribe.finetune.reading import most_likely
from imuscribe.mapping3d.gallery import Gallery
from imuscribe.prompts.ask.answers import parse_answer
from imuscribe.recipes.load import load_experiment
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers import parquet, reader
from imuscribe.signals.readers.csv import read_tables
from imuscribe.signals.readers.dialects.recognise import recognise
from imuscribe.signals.readers.layout import TableLayout
from imuscribe.signals.recording import ACC, GYRO
from imuscribe.signals.simulate import SimulateConfig, simulate

MOST_BYTES, MOST_SECONDS, MOST_LINE = 24 << 30, 60, 300
SETTINGS: dict[str, tuple[Any, ...]] = {
    "header": ("none", 1, 2, 99),
    "delimiter": ("comma", "space", "tab", ";", "x", '"'),
    "decimal": (",", "."),
    "encoding": ("utf-16", "latin-1", "cp037", "idna", "rot13"),
    "split": (("blank-lines",), ("restarts",), ("rows:10",), ("gap:.5",), ("column:who",)),
    "name_pattern": ("{label}_{subject}", "{label}", "*{label}", "{label}/{x}_*"),
    "label": ("{who}", "{5}", "{x}"),
    "time_unit": ("ms", "iso", "%H:%M", "%"),
    "comment": ("#", "7"),
    "acc_unit": ("g", "", "1/64 g", "x"),
    "rate": (100.0, 0.0, 1e300, float("nan")),
}
LABELS = (tuple("ABCab"), ("walking upstairs", "sitting_down", "a", ""), ("(", "1", "é", "É"))


ONE = SimulateConfig(people=1, repetitions=1, labels="A", cases=("3d",))


class TooLong(BaseException):
    """Nothing that reads a file of a few kilobytes may take so much of a processor's time."""


def tables(folder: Path, rng: random.Random) -> object:
    """Read tables with settings that may be wrong."""
    names = {"t": "t", **{name: name for name in (*ACC, *GYRO)}}
    turned = {"t": "t", "acc_x": "-acc_x", "acc_y": "acc_y+acc_x", "acc_z": "acc_z"}
    numbered = {name: str(i + 1) for i, name in enumerate(names)}
    columns = rng.choice((names, names, names, turned, numbered))
    settings: dict[str, Any] = {"columns": columns, "acc_unit": "m/s^2", "gyro_unit": "rad/s"}
    settings |= {"header": "none", "skip": 1} if columns is numbered else {}
    for key in rng.sample(sorted(SETTINGS), rng.choice((0, 0, 0, 1, 2))):
        settings[key] = rng.choice(SETTINGS[key])
    (folder.parent / "settings.txt").write_text(repr(settings), encoding="utf-8")
    source = rng.choice((folder, next(folder.iterdir())))
    return read_tables(source, TableLayout.parse(settings, "settings"), 1.0)


def decode(folder: Path, rng: random.Random) -> object:
    """Load what `words decode` is given, as far as its first reading."""
    rate = rng.choice((None, None, 100.0))
    read = [
        recordings_of(file, None, "m/s^2", "rad/s", "", rate)
        for file in in_writing_order([str(folder)])
    ]
    return [(disagreements(found), [clean(rec) for rec in found]) for found in read]


def galleries(folder: Path, rng: random.Random) -> object:
    """Load a gallery and use all of it."""
    store = Gallery.load(next(folder.iterdir()))
    for item in store.items:
        store.recording(item.id)
    store.counts()
    return store.search(np.ones((1, store.space.size), np.float32), ["nobody"])


def adapters(folder: Path, rng: random.Random) -> object:
    """Load an adapter, its base beside it, and read a recording."""
    return most_likely(simulate(ONE), folder)


def as_layout(folder: Path, layout: str) -> object:
    """Read a folder in a layout; what has our own names is a table that needs none said."""
    return read_tables(folder, TableLayout()) if layout == "csv" else reader(layout)(folder)


TARGETS: dict[str, Callable[[Path, random.Random], object]] = {
    "tables": tables,
    "dialects": lambda folder, rng: as_layout(
        folder, recognise(folder)[0] if rng.random() < 0.5 else folder.name
    ),
    "parquet": lambda folder, rng: [clean(rec) for rec in parquet.load(folder / "a.parquet")],
    "recipes": lambda folder, rng: load_experiment(str(folder / "mine.yaml")),
    "answers": lambda folder, rng: parse_answer(
        (folder / "answer.txt").read_text(encoding="utf-8", errors="replace"), rng.choice(LABELS)
    ),
    "decode": decode,
    "galleries": galleries,
    "adapters": adapters,
}


def attempt(name: str, source: Path, kept: Path, rng: random.Random) -> str:
    """Damage a copy of an input and read it; return what came of it, keep it if it escaped."""
    with TemporaryDirectory() as place:
        folder = Path(shutil.copytree(source, Path(place) / source.name))
        for _ in range(rng.choice((1, 1, 2))):
            damage(folder, rng)
        files = shutil.copytree(
            folder, Path(place) / "as-given" / source.name
        )  # a reader may write
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
        try:
            TARGETS[name](folder, rng)
            return "accepted"
        except InputError as error:
            if max(map(len, str(error).splitlines())) <= MOST_LINE:
                return "refused"
            why = f"a line over {MOST_LINE} characters: {error}"
        except (Exception, TooLong):
            why = traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        shutil.copytree(files.parent, kept)
        if (settings := Path(place) / "settings.txt").exists():
            shutil.copy(settings, kept)
        (kept / "why.txt").write_text(why, encoding="utf-8", errors="replace")
        print(f"{kept.name}: {why.strip().splitlines()[-1][:200]}", flush=True)
        return "escapes"


def stop(*_: object) -> None:
    """End a try that takes too long."""
    raise TooLong(f"over {MOST_SECONDS} s")


def main() -> None:
    """Spend the time on all targets alike and print what came of it."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="Receives what escaped.")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TARGETS, action="append", help="Repeat for more.")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    names = given.only or list(TARGETS)
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    spent = dict.fromkeys(names, 0.0)
    with TemporaryDirectory() as place:
        root = Path(place)
        prepare(root)
        if "adapters" in names:
            prepare_adapter(root)
        end = time.monotonic() + 60 * given.minutes
        while (start := time.monotonic()) < end:
            name = min(names, key=spent.__getitem__)
            kept = given.folder / f"{name}-{given.seed}-{counts[name].total()}"
            rng = random.Random(kept.name)
            source = rng.choice(sorted((root / name).iterdir()))
            counts[name][attempt(name, source, kept, rng)] += 1
            spent[name] += time.monotonic() - start
    print(f"{'target':10}{'tried':>9}{'refused':>9}{'accepted':>9}{'escapes':>9}")
    for name, found in {**counts, "all": sum(counts.values(), Counter[str]())}.items():
        row = found.total(), found["refused"], found["accepted"], found["escapes"]
        print(f"{name:10}" + "".join(f"{n:>9,}" for n in row))
    print(f"{time.process_time() / 60:.1f} minutes of processor time")


if __name__ == "__main__":
    main()
