"""Whatever a user gets wrong in a recipe: one short line that says what, whichever command.

Each table is mistakes × commands. Beside every mistake stands what its line must say. Accepting one
is as bad as a traceback, so the work that would follow is cut off; nothing may be written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.imuscribe.mistakes import check

TAKE_RECIPES: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {
    ("train",): ("demo", ("--dry-run",)),
    ("sweep",): ("demo", ()),
    ("run",): ("demo", ("--dry-run",)),
    ("recipe", "validate"): ("demo", ()),
    ("align", "pretrain"): ("demo", ()),
    ("align", "train"): ("align-hapt", ()),
    ("map", "fit"): ("map-demo", ()),
    ("map", "eval"): ("map-demo", ()),
    ("words", "eval"): ("words-study", ()),
    ("words", "segment"): ("words-unsegmented", ()),
    ("adapt",): ("words-adapt", ()),
    ("pairs", "study"): ("pairs-study", ()),
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


def each(quick: int) -> list[Any]:
    """Return the commands; all read recipes in one way, so but the first few are slow tests."""
    return [
        pytest.param(command, marks=[pytest.mark.slow] * (i >= quick), id=" ".join(command))
        for i, command in enumerate(TAKE_RECIPES)
    ]


@pytest.mark.parametrize("command", each(quick=2))
def test_settings_of_any_recipe(command: tuple[str, ...], no_work: None, tmp_path: Path) -> None:
    recipe, more = TAKE_RECIPES[command]
    check((((*command, recipe, text, *more), said) for text, said in ANY_RECIPE), tmp_path)


RECIPE_FILES = (
    (None, "no such file or packaged recipe"),
    (b"", "holds no settings"),
    (b"# nothing\n", "holds no settings"),
    (b"- a\n- b\n", "need keys and values"),
    (b"just text", "need keys and values"),
    (b"1: 2\n", "need keys and values"),
    (b"name: x\nname: y\n", "'name' is written twice"),
    (b"name: x\n\tseed: 1\n", "line 2"),
    (b"name: [x\n", "line"),
    (b"name: x\nseed: !!float x\n", "line 2: 'x' is no float"),
    (b"name: !!python/object:os.system [x]\n", "line 1"),
    (b"\xff\xfe\x00", "no UTF-8"),
    (b"\x89PNG\r\n\x1a\n\x00\x00", "no UTF-8|control character"),
    (b"name: a\x00b\n", "control character"),
    (b'name: "a\\0b"\n', "NUL"),
    (b"a: " + b"[" * 3000, "nested"),
    (b"a: &a [*a]\n", "nested"),
    (b"kind: 7\nname: x\n", "'kind' is"),
    (b"kind: [letters]\nname: x\n", "'kind' is"),
    (b"name: x\npresets: fast\n", "presets: is 'fast'"),
    (b"name: x\nno-such-key: 1\n", "unknown key 'no-such-key'"),
)


@pytest.mark.parametrize("command", each(quick=1))
def test_files_that_are_no_recipe(command: tuple[str, ...], no_work: None, tmp_path: Path) -> None:
    _, more = TAKE_RECIPES[command]
    rows = []
    for i, (content, said) in enumerate(RECIPE_FILES):
        path = tmp_path / f"{i}.yaml"
        if content is not None:
            path.write_bytes(content)
        rows.append(((*command, str(path), *more), said))
    rows.append(((*command, str(tmp_path), *more), "no such file or packaged recipe"))
    check(rows, tmp_path)


LETTERS = (
    ("labels=A", "at least two classes"),
    ("labels=Z-A", "runs backwards"),
    ("labels=A-9", "joins two of one kind"),
    ("labels=A,,B", "an item is empty"),
    ("labels=[A, A]", "'A' occurs twice"),
    ("labels=[]", "at least two classes"),
    ("labels={a: 1}", "labels"),
    ("labels=", "'labels' is None: a text is needed"),
    ("str=1", "unknown key 'str'"),
    ("train.str=1", "unknown key 'train.str'"),
    ("train.epochs=999999999999", "train.epochs.*less than or equal to 10000"),
    ("evaluate.bootstrap=99999999999", "less than or equal to 100000"),
    ("train..lr=1", "unknown key 'train.'"),
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
