"""Whether a killed command, started again, leaves what it leaves when nobody kills it.

Each command works on tiny simulated letters. Once it runs to its end; then it is killed (SIGKILL)
at random points of that time, sometimes twice, and started again until it ends. Every file it
leaves is then compared byte by byte. What says when or how long is left out: ``environment.json``,
``train-log.jsonl``, keys of JSON and columns of Parquet that are dates, seconds or speeds.

python -m bench.kill [--points 8] [--seed 0] [--only train] [--minutes 20]
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

TIMED = ("environment.json", "train-log.jsonl", "report.html", ".lock")
"""Names of files that say when or how long; a report is drawn from the metrics compared here."""
TIMES = re.compile(r"second|date|time|speed|took|started|finished|per_s$|ms$|environment|command")
LEARNT = ["train.epochs=2", "train.batch_size=2", "train.start_from=null", "model.dtype=fp32"]
LEARNT += ["train.checkpoint_every=1", "evaluate.methods=[fine-tuned]"]
LETTERS = ["labels=A-C", "simulate.people=2", "simulate.repetitions=1", "simulate.labels=A-C"]
SPLIT = ["split.train=sim-001", "split.test=sim-002"]
MAPPING = ["labels=A-C", "simulate.labels=A-C", "simulate.repetitions=2", "encoder.width=8"]
MAPPING += ["encoder.size=8", "fit.epochs=3", "fit.triplets=60", "copies=0", "view.steps=16"]


def commands(inputs: Path) -> dict[str, list[str]]:
    """Return each command's arguments; it works in a folder of its own."""
    base, data = f"model.base={inputs / 'base'}", str(inputs / "letters.parquet")
    methods = "evaluate.methods=[zero-shot,fine-tuned,random-forest]"
    table = ["--layout", "csv", "--acc-unit", "m/s^2", "--gyro-unit", "rad/s", "--label", "{file}"]
    names = ("t", *(f"{sensor}_{axis}" for sensor in ("acc", "gyro") for axis in "xyz"))
    table += [word for name in names for word in ("--column", f"{name}={name}")]
    tokens = ["--max-tokens", "8000", "--reasoning-tokens", "999", "--teacher", "computed"]
    return {
        "train": [
            "train",
            "demo",
            *LETTERS,
            *SPLIT,
            *LEARNT,
            base,
            "train.checkpoint_every=1",
            "out=.",
        ],
        "run": ["run", "demo", *LETTERS, *SPLIT, *LEARNT, base, methods, "out=."],
        "pairs build": [
            *("pairs", "build", data, "--out", "pairs.jsonl", "--tokenizer", str(inputs / "base")),
            *tokens,
        ],
        "map fit": ["map", "fit", "map-demo", *MAPPING, "out=."],
        "data import": ["data", "import", str(inputs / "tables"), *table, "--out", "mine.parquet"],
    }


def prepare(inputs: Path) -> None:
    """Write a tiny base model, recordings, and the same as tables of text."""
    from imuscribe.signals.readers.parquet import save
    from imuscribe.signals.simulate import SimulateConfig, simulate
    from tests.conftest import save_tiny_model

    save_tiny_model(inputs / "base")
    found = simulate(SimulateConfig(people=2, repetitions=2, labels="A-D", cases=("3d",)))
    save(found, inputs / "letters.parquet")
    (inputs / "tables").mkdir()
    for rec in found:
        rows = zip(rec.t, *rec.data, strict=True)
        lines = [",".join(("t", *rec.channels)), *(",".join(map(str, row)) for row in rows)]
        (inputs / "tables" / f"{rec.id}.csv").write_text("\n".join(lines), encoding="utf-8")


def started(arguments: list[str], place: Path) -> subprocess.Popen[bytes]:
    """Start a command in a folder; what it says is kept in a file beside that."""
    place.mkdir(parents=True, exist_ok=True)
    root = str(Path(__file__).resolve().parents[1])
    said = place.with_suffix(".log").open("ab")
    words = [sys.executable, "-m", "imuscribe", *arguments]
    environment = os.environ | {"PYTHONPATH": root}
    return subprocess.Popen(words, cwd=place, env=environment, stdout=said, stderr=said)


def whole(arguments: list[str], place: Path) -> str:
    """Run a command to its end; return the last line it says if it fails."""
    if started(arguments, place).wait() == 0:
        return ""
    return place.with_suffix(".log").read_text(encoding="utf-8").strip().splitlines()[-1]


def contents(place: Path) -> dict[str, bytes]:
    """Return what is to be equal, by file."""
    files = sorted(path for path in place.rglob("*") if path.is_file())
    kept = {str(path.relative_to(place)): path for path in files if path.name not in TIMED}
    return {name: timeless(path) for name, path in kept.items()}


def timeless(path: Path) -> bytes:
    """Return a file's bytes, those of JSON and Parquet without what says when or how long."""
    if path.suffix == ".json":
        return json.dumps(_without(json.loads(path.read_bytes()))).encode()
    data = path.read_bytes()
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(data))
        timed = [name for name in table.column_names if name == "seconds"]
        if timed:
            rows = table.drop_columns(timed).to_pylist()
            return repr((rows, table.drop_columns(timed).schema.names)).encode()
    return data


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without(v) for k, v in value.items() if not TIMES.search(str(k))}
    return [_without(one) for one in value] if isinstance(value, list) else value


def killed(arguments: list[str], place: Path, waits: list[float]) -> tuple[int, str]:
    """Kill a command after each of some seconds, then let it end; return how often it was."""
    times = 0
    for wait in waits:
        process = started(arguments, place)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            times += 1
    return times, whole(arguments, place)


def differing(expected: Mapping[str, bytes], found: Mapping[str, bytes]) -> list[str]:
    """Return the files that differ, are missing, or are left over."""
    names = sorted({*expected, *found})
    return [name for name in names if expected.get(name) != found.get(name)]


def main() -> None:
    """Print a table: command, points, what was killed, what differs."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=8, help="Of each command.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="Begin no further point after.")
    parser.add_argument("--only", action="append", help="A command; repeat for more.")
    given = parser.parse_args()
    end, rng = time.monotonic() + 60 * given.minutes, random.Random(given.seed)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "inputs").mkdir()
        prepare(root / "inputs")
        print(f"{'command':14}{'seconds':>8}{'points':>8}{'killed':>8}{'files':>7}  differing")
        for name, arguments in commands(root / "inputs").items():
            if given.only and name not in given.only:
                continue
            # Every folder has the same name, so that nothing differs for its path alone.
            start, home = time.monotonic(), root / name.replace(" ", "-")
            if failed := whole(arguments, home / "whole" / "work"):
                sys.exit(f"{name}: {failed}")
            seconds, expected = time.monotonic() - start, contents(home / "whole" / "work")
            points = kills = 0
            wrong: list[str] = []
            for i in range(given.points):
                if time.monotonic() > end:
                    break
                # Imports take most of a short command: its second half has more points.
                waits = [seconds * (1 - rng.random() ** 2) for _ in range(1 + (i % 4 == 3))]
                place = home / str(i) / "work"
                times, failed = killed(arguments, place, waits)
                differ = [failed] if failed else differing(expected, contents(place))
                wrong += [f"{i} ({waits[0]:.2f} s): {one}" for one in differ]
                points, kills = points + 1, kills + times
            row = f"{name:14}{seconds:>8.1f}{points:>8}{kills:>8}{len(expected):>7}"
            print(f"{row}  {'; '.join(wrong) or 'none'}", flush=True)


if __name__ == "__main__":
    main()
