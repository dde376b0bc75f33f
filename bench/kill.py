"""Whether a killed command, started again, leaves what it leaves when nobody kills it.

Each command works on tiny simulated letters. Once it runs to its end in a process of its own; then
it is killed at random points, sometimes twice, and started again until it ends. Half of the points
are processor times, half stand right before something is written, renamed or removed. Every file
that is left is then compared byte by byte, half-written ones that stayed too. What says when or how
long is left out: ``environment.json``, ``report.html`` and ``report.md`` (drawn from the metrics
compared here), keys of JSON and columns of Parquet that are dates, seconds or speeds.

Libraries are imported once: a command is a fork of this process, so that no point falls on an
import and forty take minutes on a loaded core.

python -m bench.kill FOLDER [--points 8] [--seed 0] [--only train] [--minutes 20]
"""

from __future__ import annotations

import importlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = Path(__file__).resolve().parents[1]

TIMED = ("environment.json", "report.html", "report.md")
"""Names of files that say when or how long."""
TIMES = re.compile(r"second|date|time|speed|took|started|finished|per_s$|ms$|environment|command")
WRITES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")
"""What Python tells of before it is done, besides a file that is opened to be written."""
WARM = (
    *("imuscribe.cli", "imuscribe.finetune.trainer", "imuscribe.finetune.reading"),
    *("imuscribe.eval.tasks.letters", "imuscribe.mapping3d.fit", "imuscribe.signals.readers.csv"),
    *("sklearn.ensemble", "pyarrow.parquet", "datasets"),
)
LETTERS = ["labels=A-C", "simulate.people=2", "simulate.repetitions=1", "simulate.labels=A-C"]
LETTERS += ["split.train=sim-001", "split.test=sim-002", "model.dtype=fp32", "train.epochs=2"]
LETTERS += ["train.batch_size=1", "train.checkpoint_every=1", "train.start_from=null", "out=."]
METHODS = "evaluate.methods=[zero-shot,fine-tuned,random-forest]"
MAPPING = ["labels=A-C", "simulate.labels=A-C", "simulate.repetitions=2", "encoder.width=8"]
MAPPING += ["encoder.size=8", "fit.epochs=3", "fit.triplets=60", "copies=0", "view.steps=16"]


def commands(inputs: Path) -> dict[str, list[str]]:
    """Return each command's arguments; it works in a folder of its own."""
    base, data = f"model.base={inputs / 'base'}", str(inputs / "letters.parquet")
    table = ["--layout", "csv", "--acc-unit", "m/s^2", "--gyro-unit", "rad/s", "--label", "{file}"]
    names = ("t", *(f"{sensor}_{axis}" for sensor in ("acc", "gyro") for axis in "xyz"))
    table += [word for name in names for word in ("--column", f"{name}={name}")]
    pairs = ["--tokenizer", str(inputs / "base"), "--max-tokens", "8000"]
    pairs += ["--reasoning-tokens", "999", "--teacher", "computed", "--out", "pairs.jsonl"]
    return {
        "train": ["train", "demo", *LETTERS, "evaluate.methods=[fine-tuned]", base],
        "run": ["run", "demo", *LETTERS, METHODS, base],
        "pairs build": ["pairs", "build", data, *pairs],
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


def apart(arguments: list[str], place: Path) -> int:
    """Run a command to its end in a process of its own; return its status."""
    place.mkdir(parents=True)
    words = [sys.executable, "-m", "imuscribe", *arguments]
    with place.with_suffix(".log").open("ab") as said:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.call(words, cwd=place, env=environment, stdout=said, stderr=said)


def forked(
    arguments: list[str], place: Path, seconds: float = 0.0, write: int = 0
) -> tuple[int, float]:
    """Run a command, killed after some processor time or before its n-th write.

    Returns its exit status, negative where it was killed, and the processor time that it took. How
    often it wrote is left beside the folder.
    """
    place.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            _become(arguments, place, seconds, write)
        finally:
            os._exit(70)
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def _become(arguments: list[str], place: Path, seconds: float, write: int) -> None:
    """Be the command, in a process that was just forked; does not return."""
    import numpy as np
    import torch

    from imuscribe.cli import main

    with place.with_suffix(".log").open("ab") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.chdir(place)
    sys.argv = ["imuscribe", *arguments]
    random.seed()  # a fork begins with its parent's draws, a process of its own does not
    np.random.seed()
    torch.seed()
    writes = [0]

    def tell(event: str, about: tuple[Any, ...]) -> None:
        if event in WRITES or (event == "open" and (about[2] or 0) & (os.O_WRONLY | os.O_RDWR)):
            writes[0] += 1
            if writes[0] == write:
                os.kill(os.getpid(), signal.SIGKILL)

    status = 0
    if seconds:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends a process as SIGKILL does
        signal.setitimer(signal.ITIMER_PROF, seconds)
    sys.addaudithook(tell)
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    counted = writes[0]
    place.with_suffix(".writes").write_text(str(counted), encoding="utf-8")
    os._exit(status)


def contents(place: Path) -> dict[str, bytes]:
    """Return what is to be equal, by file."""
    files = sorted(path for path in place.rglob("*") if path.is_file())
    kept = {str(path.relative_to(place)): path for path in files if path.name not in TIMED}
    return {name: timeless(path) for name, path in kept.items()}


def timeless(path: Path) -> bytes:
    """Return a file's bytes, those of JSON and Parquet without what says when or how long."""
    data = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(_without(json.loads(data))).encode()
    if path.name == "train-log.jsonl":
        return repr([_without(json.loads(line)) for line in data.splitlines()]).encode()
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(data), use_threads=False)
        timed = [name for name in table.column_names if name == "seconds"]
        if timed:
            rows = table.drop_columns(timed).to_pylist()
            return repr((rows, table.drop_columns(timed).schema.names)).encode()
    return data


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without(v) for k, v in value.items() if not TIMES.search(str(k))}
    return [_without(one) for one in value] if isinstance(value, list) else value


def differing(expected: Mapping[str, bytes], found: Mapping[str, bytes]) -> list[str]:
    """Return the files that differ, are missing, or are left over."""
    names = sorted({*expected, *found})
    return [name for name in names if expected.get(name) != found.get(name)]


def last_line(place: Path) -> str:
    """Return the last thing a command said."""
    return (place.with_suffix(".log").read_text(encoding="utf-8").strip() or "?").splitlines()[-1]


def try_command(
    name: str, arguments: list[str], home: Path, points: int, rng: random.Random, end: float
) -> str:
    """Kill a command at so many points; return its row of the table."""
    # Every folder has the same name, so that nothing differs for its path alone.
    if apart(arguments, home / "apart" / "work"):
        sys.exit(f"{name}: {last_line(home / 'apart' / 'work')}")
    expected = contents(home / "apart" / "work")
    place = home / "whole" / "work"
    status, seconds = forked(arguments, place)
    if status:
        sys.exit(f"{name}: {last_line(place)}")
    wrong = [f"whole: {one}" for one in differing(expected, contents(place))]
    writes = int(place.with_suffix(".writes").read_text(encoding="utf-8"))
    done = kills = 0
    for i in range(points):
        if time.monotonic() > end:
            break
        place = home / str(i) / "work"
        for _ in range(1 + (i % 4 >= 2)):
            by: dict[str, Any] = (
                {"write": rng.randint(1, writes)} if i % 2 else {"seconds": seconds * rng.random()}
            )
            status, _ = forked(arguments, place, **by)
            kills += status < 0
        if status and forked(arguments, place)[0]:
            differ = [last_line(place)]
        else:
            differ = differing(expected, contents(place))
        wrong += [f"{i} ({by}): {one}" for one in differ]
        done += 1
        if not differ:
            shutil.rmtree(place.parent)
    row = f"{name:14}{seconds:>8.1f}{writes:>8}{done:>8}{kills:>8}{len(expected):>7}"
    return f"{row}  {'; '.join(wrong) or 'none'}"


def warm(modules: Iterable[str]) -> None:
    """Import what commands need; nothing may start a thread, which a fork would lose."""
    for module in modules:
        importlib.import_module(module)


def main() -> None:
    """Print a table: command, points, what was killed, what differs."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="Receives what differed, and what was said.")
    parser.add_argument("--points", type=int, default=8, help="Of each command.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="Begin no further point after.")
    parser.add_argument("--only", action="append", help="A command; repeat for more.")
    given = parser.parse_args()
    end, root = time.monotonic() + 60 * given.minutes, given.folder.resolve()
    (root / "inputs").mkdir(parents=True)
    warm(WARM)
    child = os.fork()
    if child == 0:
        prepare(root / "inputs")
        os._exit(0)
    os.waitpid(child, 0)
    titles = "".join(f"{title:>8}" for title in ("seconds", "writes", "points", "killed"))
    print(f"{'command':14}{titles}{'files':>7}  differing", flush=True)
    for name, arguments in commands(root / "inputs").items():
        if not given.only or name in given.only:
            rng = random.Random(f"{name} {given.seed}")
            home = root / name.replace(" ", "-")
            print(try_command(name, arguments, home, given.points, rng, end), flush=True)


if __name__ == "__main__":
    main()
