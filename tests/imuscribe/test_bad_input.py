"""Whatever a user gets wrong: one short line that says what, whichever command; nothing is written.

Each table is mistakes × commands. Beside every mistake stands what its line must say. Accepting one
is as bad as a traceback, so the work that would follow is cut off.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, GYRO, Recording

Rows = Iterable[tuple[tuple[str, ...], str]]
"""Arguments of a command, and what its refusal must say."""


class Accepted(Exception):
    """Work began."""


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing begin that a mistake should have prevented."""

    def begin(*_: Any, **__: Any) -> None:
        raise Accepted

    for place in (
        *("eval.run.run", "eval.run.plan", "finetune.sft.plan", "mapping3d.fit.fit_and_save"),
        "finetune.rows.load_recordings",
    ):
        monkeypatch.setattr(f"imuscribe.{place}", begin)


def refusal(arguments: Iterable[object]) -> str:
    """Return what a command says against its arguments; Accepted if it says nothing."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, InputError):
        return str(result.exception)
    if isinstance(result.exception, SystemExit) and result.exception.code == 2:
        return " ".join(result.output.replace("│", " ").split())  # typer's own, in a box
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    raise Accepted


def check(rows: Rows, folder: Path) -> None:
    """Try every row and tell of all that went wrong at once."""
    before = tree(folder)
    wrong, n = [], 0
    for arguments, expected in rows:
        n += 1
        try:
            said = refusal(arguments)
        except Accepted:
            wrong.append(f"accepted: {arguments}")
            continue
        except Exception as error:
            wrong.append(f"{type(error).__name__} {error}: {arguments}")
            continue
        lines = said.splitlines()
        if "Usage:" not in said and max(map(len, lines)) >= 300:
            wrong.append(f"{max(map(len, lines))} characters: {arguments}: {said[:80]}")
        if not re.search(expected, said):
            wrong.append(f"does not say '{expected}': {arguments}: {said[:300]}")
    sys.stdout.write(f"{n} mistakes, {n - len(wrong)} told in one line, {len(wrong)} not\n")
    assert not wrong, "\n".join(wrong)
    assert tree(folder) == before, "something was written"


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file and folder, and what the files hold."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


# Recipes: what is wrong with any of them, for every command that takes one.

TAKE_RECIPES: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {
    ("train",): ("demo", ("--dry-run",)),
    ("run",): ("demo", ("--dry-run",)),
    ("recipe", "validate"): ("demo", ()),
    ("sweep",): ("demo", ()),
}

ANY_RECIPE = (
    ("seed=-1", "seed.* is -1: .*greater than or equal to 0"),
    ("seed=x", "seed.* is 'x'"),
    ("seed=1.5", "seed.* is 1.5"),
    ("seed=4294967296", "seed.* is 4294967296"),
    ("seed=null", "seed.* is None"),
    ("seed=[1]", "seed.* is \\[1\\]"),
    ("seed={a: 1}", "seed.* is {"),
    ("seed=!!int x", "'x' is no int"),
    ("seed=1e999", "seed.* is inf"),
    ("sed=1", "unknown key 'sed': did you mean 'seed'"),
    ("nonsense=1", "unknown key 'nonsense'"),
    ("=1", "not of the form key=value"),
    ("seed", "not of the form key=value"),
    ("seed.x=1", "'seed' is .*not a section"),
    ("preset=no-such", "preset 'no-such'"),
    ("kind=leters", "'kind' is 'leters'"),
    ("name=", "'name' is"),
    ("name=../x", "'name' is '../x"),
    ("name=a/b", "'name' is 'a/b"),
    ("name=.hidden", "'name' is '.hidden"),
    ("name=null", 'put it in quotes: "null"'),
    ("name=true", 'put it in quotes: "true"'),
    ("name=[", "line 1"),
    ("name={", "line 1"),
    (f"name=/{'x' * 5000}", "'name' is"),
    ("out=[a]", "'out' is"),
    ("out=null", "put it in quotes"),
    (f"seed={'[' * 2000}", "nested"),
)


@pytest.mark.parametrize("command", TAKE_RECIPES, ids=" ".join)
def test_settings_of_any_recipe(command: tuple[str, ...], no_work: None, tmp_path: Path) -> None:
    recipe, more = TAKE_RECIPES[command]
    check((((*command, recipe, text, *more), said) for text, said in ANY_RECIPE), tmp_path)


LETTERS = (
    ("labels=A", "at least two classes"),
    ("labels=Z-A", "runs backwards"),
    ("labels=A-9", "joins two of one kind"),
    ("labels=A,,B", "an item is empty"),
    ("labels=[A, A]", "'A' occurs twice"),
    ("labels=[]", "at least two classes"),
    ("labels={a: 1}", "labels"),
    ("labels=from-data", "'data' is 'simulated'"),
    ("labels=A-Z0-9", "simulate.labels"),
    ("train.lr=0", "train.lr' is 0"),
    ("train.lr=-1", "train.lr' is -1"),
    ("train.lr=.nan", "train.lr' is nan"),
    ("train.lr=.inf", "train.lr' is inf"),
    ("train.lr=fast", "train.lr' is 'fast'"),
    ("train.epochs=0", "train.epochs' is 0"),
    ("train.epochs=1.5", "train.epochs' is 1.5"),
    ("train.batch_size=0", "train.batch_size"),
    ("train.accumulate=-1", "train.accumulate"),
    ("train.warmup=1", "train.warmup"),
    ("train.schedule=step", "train.schedule.*valid"),
    ("train.loss=labels", "did you mean 'label'"),
    ("train.loss=explanation", "prompt.reasoning"),
    ("train.max_length=0", "train.max_length"),
    ("train.max_per_label=0", "train.max_per_label"),
    ("train.augment={noise: -1}", "train.augment.noise"),
    ("train.augment={nois: 1}", "did you mean 'noise'"),
    ("train.epocs=1", "did you mean 'epochs'"),
    ("train=3", "'train' is 3"),
    ("lora.r=0", "lora.r"),
    ("lora.alpha=-1", "lora.alpha"),
    ("lora.dropout=1", "lora.dropout"),
    ("lora.dtype=fp8", "lora.dtype"),
    ("model.dtype=fp8", "model.dtype"),
    ("split.protocol=random", "split.protocol"),
    ("split.groups=1", "split.groups"),
    ("split.train=[a, a]", "names a twice"),
    ("split.test=sim-001", "finds its own people"),
    ("split.protocol=given", "needs the subjects of both"),
    ("split.max_test_per_label=0", "split.max_test_per_label"),
    ("evaluate.methods=[]", "evaluate.methods"),
    ("evaluate.methods=[svn]", "'svm'"),
    ("evaluate.methods=[adapter]", "'train.start_from' is null"),
    ("evaluate.methods=[encoder]", "'sensor' is null"),
    ("evaluate.methods=[fine-tuned-own]", "'prompt.retrieve' is null"),
    ("evaluate.shots=0", "evaluate.shots"),
    ("evaluate.bootstrap=-1", "evaluate.bootstrap"),
    ("sensor={tokens: 0}", "sensor.tokens"),
    ("sensor={encoder: cnn}", "sensor.encoder"),
    ("text.format=xml", "text.format"),
    ("text.views=[]", "text.views|views"),
    ("text.views=[{signal: colour}]", "signal"),
    ("clean.rate=1", "clean.rate"),
    ("clean.rate=.nan", "clean.rate"),
    ("clean.trim=maybe", "clean.trim"),
    ("windows={seconds: 0}", "windows.seconds"),
    ("windows={seconds: .inf}", "windows.seconds"),
    ("windows={short: cut}", "windows.short"),
    ("prompt.max_tokens=1", "prompt.max_tokens"),
    ("prompt.max_tokens=4096", "raise train.max_length"),
    ("prompt.shots=-1", "prompt.shots"),
    ("prompt.style=long", "prompt.style"),
    ("simulate.people=0", "simulate.people"),
    ("simulate.cases=[4d]", "simulate.cases"),
    ("simulate.rate=0", "simulate.rate"),
)


@pytest.mark.parametrize("command", ["train", "run", "recipe validate"])
def test_settings_of_a_recipe_of_letters(command: str, no_work: None, tmp_path: Path) -> None:
    more = () if command == "recipe validate" else ("--dry-run",)
    plain = tmp_path / "plain.yaml"
    plain.write_text("name: plain\nkind: letters\n")
    rows = [((*command.split(), str(plain), text, *more), said) for text, said in LETTERS]
    check(rows, tmp_path)


def recording() -> Recording:
    t = np.arange(100) / 50
    data = np.zeros((6, 100), np.float32)
    data[2] = 9.81
    data[0] = np.sin(9 * t)
    return Recording("r1", data, (*ACC, *GYRO), t, label="A", subject="ann")


# CSV files, and the options that describe them.

HEADER = "t,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z\n"
GOOD = HEADER + "".join(f"{i / 50},0,0,9.81,0,0,0\n" for i in range(100))
UNITS = ("--acc-unit", "m/s^2", "--gyro-unit", "rad/s")

CSVS: dict[str, tuple[str | bytes, tuple[str, ...], str]] = {
    "empty": ("", UNITS, "."),
    "header alone": (HEADER, UNITS, "."),
    "one row": (HEADER + "0,0,0,9.81,0,0,0\n", UNITS, "."),
    "no numbers": (HEADER + "a,b,c,d,e,f,g\n" * 9, UNITS, "."),
    "a cell of text": (GOOD + "2.0,x,0,9.81,0,0,0\n", UNITS, "."),
    "another header": ("a,b\n1,2\n3,4\n", UNITS, "acc_x|no time column"),
    "binary": (bytes(range(256)) * 4, UNITS, "."),
    "a Parquet file": (b"PAR1" + bytes(100), UNITS, "."),
    "no unit": (GOOD, (), "unit"),
    "unknown unit": (GOOD, ("--acc-unit", "stone", "--gyro-unit", "rad/s"), "stone"),
    "no gyroscope unit": (GOOD, ("--acc-unit", "g"), "unit"),
    "wrong unit": (GOOD, ("--acc-unit", "g", "--gyro-unit", "rad/s"), "m/s²|unit"),
    "unknown time unit": (GOOD, (*UNITS, "--time-unit", "days"), "days"),
    "wrong time unit": (GOOD, (*UNITS, "--time-unit", "ns"), "Hz|unit|time"),
    "no such column": (GOOD, (*UNITS, "--column", "acc_x=nowhere"), "nowhere"),
    "no such channel": (GOOD, (*UNITS, "--column", "speed=acc_x"), "speed"),
    "half a column": (GOOD, (*UNITS, "--column", "acc_x"), "has no two sides"),
    "column twice": (GOOD, (*UNITS, "--column", "t=t", "--column", "t=t"), "name it once"),
    "no rate": (GOOD, (*UNITS, "--rate", "0"), "."),
    "text for a rate": (GOOD, (*UNITS, "--rate", "fast"), "rate"),
    "time goes back": (HEADER + "".join(f"{(100 - i) / 50},0,0,9.81,0,0,0\n" for i in range(100)),
                       UNITS, "."),
    "infinite": (GOOD + "2.0,inf,0,9.81,0,0,0\n", UNITS, "."),
}  # fmt: skip


def test_csv_files_that_are_none(tmp_path: Path) -> None:
    rows = []
    for i, (content, options, said) in enumerate(CSVS.values()):
        path = tmp_path / f"{i}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        rows.append((("predict", str(path), *options), said))
    rows += [
        (("data", "import", "x.csv", "--layout", "cvs", "--out", "x.parquet"), "csv"),
        (
            ("data", "import", str(tmp_path / "1.csv"), "--layout", "csv", "--out", "x.csv"),
            r"\.parquet",
        ),
        (("predict", str(tmp_path / "none.csv"), *UNITS), "no such file"),
        (("predict", "x.parquet", "--acc-unit", "g"), "leave them out"),
        (("predict", str(tmp_path / "0.csv"), "--top", "0", *UNITS), "top"),
    ]
    check(rows, tmp_path)


OPTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("simulate", "OUT.csv"), "parquet"),
    (("simulate", "OUT.parquet", "--people", "0"), "people"),
    (("simulate", "OUT.parquet", "--people", "x"), "people"),
    (("simulate", "OUT.parquet", "--labels", "?"), "."),
    (("simulate", "OUT.parquet", "--labels", "Z-A"), "runs backwards"),
    (("simulate", "OUT.parquet", "--case", "4d"), "4d"),
    (("simulate", "OUT.parquet", "--rate", "0"), "rate"),
    (("simulate", "OUT.parquet", "--rate", "nan"), "rate"),
    (("simulate", "OUT.parquet", "--repetitions", "0"), "repetitions"),
    (("simulate", "OUT.parquet", "--seed", "-1"), "seed"),
    (("simulate", "OUT.parquet", "--strokes", "nowhere.parquet"), "nowhere.parquet"),
    (("simulate", "OUT.parquet", "--strokes", "GOOD"), "."),
    (("serialize", "GOOD", "--format", "xml"), "xml"),
    (("serialize", "GOOD", "--budget", "0"), "budget"),
    (("serialize", "GOOD", "--tokenizer", "gpt"), "gpt"),
    (("serialize", "GOOD", "--tokenizer", "a/b/c"), "a/b/c"),
    (("serialize", "GOOD", "--limit", "0"), "limit"),
    (("serialize", "GOOD", "--signals", "smell"), "smell"),
    (("serialize", "GOOD", "--channels", "acc_q", "--format", "csv"), "acc_q"),
    (("serialize", "GOOD", "--steps", "0"), "steps"),
    (("serialize", "GOOD", "--decimals", "2"), "decimals"),
    (("serialize", "GOOD", "--rate", "-1", "--format", "csv"), "rate"),
    (("budget", "GOOD"), "budget"),
    (("budget", "GOOD", "--budget", "64", "--prompt", "epic"), "epic"),
    (("data", "plot", "GOOD", "nobody", "--out", "OUT.png"), "has no recording 'nobody'"),
    (("data", "plot", "GOOD", "r1", "--out", "OUT.jpg"), r"\.png"),
    (("data", "audit", "GOOD", "--labels", "Z-A", "--out", "OUT"), "runs backwards"),
    (("data", "audit", "GOOD", "--labels", "Q", "--out", "OUT"), "Q"),
    (("data", "audit", "GOOD", "--neighbours", "0", "--out", "OUT"), "neighbours"),
    (("align", "qa", "GOOD", "--out", "OUT.jsonl", "--kind", "smell"), "smell"),
    (("align", "qa", "GOOD", "--out", "OUT.jsonl", "--channel", "smell"), "smell"),
    (("align", "qa", "GOOD", "--out", "OUT.jsonl", "--least", "9", "--most", "1"), "least|most"),
    (("align", "qa", "GOOD", "--out", "OUT.jsonl", "--subject", "bo"), "'bo' is not in"),
    (("align", "qa", "GOOD", "--out", "GOOD"), "the file that is read"),
    (("pairs", "build", "GOOD", "--out", "GOOD"), "."),
    (("pairs", "build", "GOOD", "--out", "OUT.jsonl", "--subject", "bo"), "bo"),
    (("pairs", "build", "GOOD", "--out", "OUT.jsonl", "--teacher", "http://10.0.0.1/v1",
      "--model", "m"), "private network"),
    (("pairs", "build", "GOOD", "--out", "OUT.jsonl", "--teacher", "http://[/v1", "--model", "m"),
     "."),
    (("sweep", "demo", "--rate", "fast"), "is no comma list of numbers"),
    (("sweep", "demo", "--steps", "1.5"), "is no comma list of whole numbers"),
    (("sweep", "demo", "--format", "xml"), "xml"),
    (("sweep", "demo", "--method", "svn"), "svm"),
    (("sweep", "demo", "--format", "csv", "--steps", "8"), "not a setting of csv"),
    (("words", "demo", "--word", ""), "."),
    (("words", "demo", "--word", "hello world"), "."),
    (("words", "demo", "--k", "0"), "k"),
    (("words", "demo", "--seed", "-1"), "seed"),
    (("recipe", "show", "dmo"), "did you mean 'demo'"),
    (("recipe", "cp", "demo", "GOOD"), "exists already"),
    (("run", "demo", "--dryrun"), "--dry-run"),
    (("runn",), "run"),
)  # fmt: skip


def test_options_of_single_commands(tmp_path: Path) -> None:
    save([recording()], tmp_path / "good.parquet")
    good, out = str(tmp_path / "good.parquet"), str(tmp_path / "out")
    rows = [
        (tuple(w.replace("GOOD", good).replace("OUT", out) for w in words), said)
        for words, said in OPTIONS
    ]
    check(rows, tmp_path)
