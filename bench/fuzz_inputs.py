"""The valid inputs of `bench.fuzz`, small ones of everything that is read, and their damage."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

from imuscribe.recipes.load import dump, load_experiment, packaged_names, recipe_text
from imuscribe.signals.readers import parquet
from imuscribe.signals.simulate import SimulateConfig, simulate
from tests.signals.dialect_samples import SAMPLES

NUMBERS = b"0 -1 1e999 -1e308 nan inf null true 1e-320 0x1F 1_0 99999999999999999999".split()
PIECES = b'\0 " , ; : \n \r \x85 \x0c { [ } - \xff \xe9 \xef\xbb\xbf ../ ${x} &a *a !!map'.split(
    b" "
)
WHOLE = ("utf-16", "utf-8-sig", "utf-7", "cp037", "utf-32")
ANSWERS = (
    '{"answer": "B", "confidence": 0.9, "ranked": [{"letter": "A", "score": 80}, "C"]}',
    "Top 5:\n1. **A** (40 %)\n2. B: 0.3\n3. C\nFinal answer: \\boxed{\\text{A}}",
    "<think>it is no A</think>The letter is 'B', because it turns twice. <answer>B</answer>",
    "walking upstairs: 0.75; sitting_down: 20 percent\n- sitting down\n- A-shaped",
)


def prepare(root: Path) -> None:
    """Write valid inputs of every target but adapters into ``root/TARGET/NAME``."""
    from tests.mapping3d.test_gallery import FIRST_FORMAT, gallery

    recordings = simulate(SimulateConfig(people=1, repetitions=1, labels="A-B", cases=("3d",)))
    some = recordings[0]
    for made in SAMPLES:
        (root / "dialects" / made.name).mkdir(parents=True)
        made.write(root / "dialects" / made.name)
    for name in ("parquet", "decode"):
        (root / name / "a").mkdir(parents=True)
        parquet.save(recordings, root / name / "a" / "a.parquet")
    header, n = ["t", *some.channels, "who"], 60
    rows = [[*map(str, row), "007"] for row in zip(some.t[:n], *some.data[:, :n], strict=True)]
    for i, mark in enumerate(",;\t"):
        folder = root / "tables" / str(i)
        folder.mkdir(parents=True)
        lines = [mark.join(row) for row in (header, *rows)]
        (folder / "A_1.csv").write_text("\n".join(lines), encoding="utf-8")
    shutil.copytree(root / "tables" / "0", root / "decode" / "b")
    for name in packaged_names():
        (root / "recipes" / name).mkdir(parents=True)
        text = recipe_text(name)
        (root / "recipes" / name / "mine.yaml").write_text(text, encoding="utf-8")
        (root / "recipes" / f"{name}+").mkdir()
        whole = dump(load_experiment(name))
        (root / "recipes" / f"{name}+" / "mine.yaml").write_text(whole, encoding="utf-8")
    for i, text in enumerate(ANSWERS):
        (root / "answers" / str(i)).mkdir(parents=True)
        (root / "answers" / str(i) / "answer.txt").write_text(text, encoding="utf-8")
    for name in ("1", "2"):
        (root / "galleries" / name).mkdir(parents=True)
    gallery().save(root / "galleries" / "2" / "gallery.parquet")
    shutil.copy(FIRST_FORMAT, root / "galleries" / "1" / "gallery.imu")


def prepare_adapter(root: Path) -> None:
    """Train a tiny adapter into ``root/adapters``; its base lies beside that."""
    from imuscribe.finetune.rows import load_recordings
    from imuscribe.finetune.sft import train
    from tests.conftest import save_tiny_model
    from tests.finetune.test_checked import recipe

    save_tiny_model(root / "base")
    tiny = recipe(root / "base", epochs=1)
    made = train(tiny, load_recordings(tiny), root / "trained")
    shutil.copytree(made, root / "adapters" / "a")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with a few changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        fields = list(re.finditer(rb"[^\s,;:]+", data[:20_000]))
        numbers = [m for m in fields if m[0][:1] in b"-.0123456789"]
        how = rng.randrange(9)
        if how == 0 and data:
            at = start % len(data)
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif how == 1:
            data = data[:start] + data[min(end, start + rng.choice((1, 4, 100, 9999))) :]
        elif how == 2:
            data = data[:end] + data[max(start, end - 500) :]
        elif how == 3:
            data = data[:start] + rng.choice((*PIECES, b"1" * 400, b"[" * 3000)) + data[start:]
        elif how == 4 and len(fields) > 1:
            a, b = sorted(rng.sample(fields, 2), key=lambda m: m.start())
            data = data[: a.start()] + b[0] + data[a.end() : b.start()] + a[0] + data[b.end() :]
        elif how in (5, 6) and numbers:
            one = rng.choice(numbers)
            data = data[: one.start()] + rng.choice(NUMBERS) + data[one.end() :]
        elif how == 7 and rng.random() < 0.2:
            data = data[: min(start, end)]
        elif how == 8 and rng.random() < 0.2:
            data = data.decode("utf-8", "replace").encode(rng.choice(WHOLE), "replace")
    return data


def damage(folder: Path, rng: random.Random) -> None:
    """Change a file in a folder: its bytes or, where it is Parquet, mostly its columns."""
    path = rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    if path.suffix == ".parquet" and rng.random() < 0.7:
        _change_columns(path, rng)
    else:
        path.write_bytes(mutated(path.read_bytes(), rng))


def _change_columns(path: Path, rng: random.Random) -> None:
    """Drop, swap or double columns of a Parquet file, or change a value; what is said stays."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except Exception:  # was damaged before
        return
    columns, names = table.columns, list(table.column_names)
    at, other, how = rng.randrange(len(names)), rng.randrange(len(names)), rng.randrange(5)
    if how == 0:
        del columns[at], names[at]
    elif how == 1:
        columns[at] = columns[other]
    elif how == 2:
        columns, names = [*columns, columns[other]], [*names, names[at]]
    else:
        rows = columns[at].to_pylist()
        value = rng.choice((None, "", "\0", -1, 1e300, [], [1e300] * 9, [float("nan")] * 9, True))
        rows[rng.randrange(len(rows))] = value
        try:
            columns[at] = pa.chunked_array([pa.array(rows)])
        except pa.ArrowException:  # no column holds both
            columns[at] = pa.chunked_array([pa.array([value] * len(rows))])
    changed = pa.Table.from_arrays(columns, names=names)
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
