"""Whatever is wrong with what other commands made, or with an option: one short line says what."""

from __future__ import annotations

from pathlib import Path

from imuscribe.signals.readers.parquet import save
from tests.imuscribe.mistakes import check, recording

ADAPTER_FILES: tuple[tuple[dict[str, str], str], ...] = (
    ({}, "recipe.yaml|adapter_config.json"),
    ({"recipe.yaml": "name: x\n"}, "adapter_config.json"),
    ({"recipe.yaml": "a: [", "adapter_config.json": "{}"}, "line|adapter"),
    ({"recipe.yaml": "sed: 1\n", "adapter_config.json": "{}"}, "did you mean 'seed'|adapter"),
    ({"recipe.yaml": "name: x\n", "adapter_config.json": ""}, "damaged"),
    ({"recipe.yaml": "name: x\n", "adapter_config.json": "[]"}, "damaged"),
    ({"recipe.yaml": "name: x\n", "adapter_config.json": "{}"}, "no LoRA adapter"),
    (
        {"recipe.yaml": "name: x\n", "adapter_config.json": '{"r": 2, "target_modules": ["q_proj"],'
         ' "base_model_name_or_path": "other"}'},
        "was trained on 'other'",
    ),
    (
        {"recipe.yaml": "name: x\nsensor: {}\n", "adapter_config.json": '{"r": 2, "target_modules":'
         ' ["q_proj"]}'},
        "sensor tokens",
    ),
    ({"recipe.yaml": "name: x\n", "merged.json": "{"}, "."),
)  # fmt: skip


def test_folders_that_are_no_adapter(tmp_path: Path) -> None:
    save([recording()], tmp_path / "good.parquet")
    good, rows = str(tmp_path / "good.parquet"), []
    places = [("nowhere", "no such folder or packaged adapter"), ("air-leters", "did you mean")]
    places += [(good, "no such folder or packaged adapter")]
    for i, (content, said) in enumerate(ADAPTER_FILES):
        folder = tmp_path / str(i)
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text)
        places.append((str(folder), said))
    for place, said in places:
        rows += [
            (("predict", good, "--adapter", place), said),
            (("words", "decode", good, "--adapter", place), said),
            (("export", place, str(tmp_path / "merged")), "."),
            (("train", "demo", "--from", place, "--dry-run"), "."),
            (("align", "eval", place), "."),
        ]
    check(rows, tmp_path)


JSONL = (
    "[" * 9000,
    "",
    "{",
    "[]",
    '"x"',
    "{}",
    '{"id": 1}',
    '{"prompt": "x"}',
    "\0",
    '{"id": "nobody"}',
)


def test_files_that_other_commands_made(tmp_path: Path) -> None:
    save([recording()], tmp_path / "good.parquet")
    good, out = str(tmp_path / "good.parquet"), str(tmp_path / "out")
    rows: list[tuple[tuple[str, ...], str]] = []
    for i, text in enumerate((*JSONL, None)):
        path = tmp_path / f"{i}.jsonl"
        if text is not None:
            path.write_text(text)
        rows += [
            (("pairs", "check", str(path), "--data", good, "--out", f"{out}.jsonl"), "."),
            (("pairs", "show", str(path), "--data", good, "--out", f"{out}.html"), "."),
            (("pairs", "export", str(path), "--to", "trl", "--out", f"{out}.jsonl"), "."),
        ]
    for i, text in enumerate(
        ("", "{}", "[]", "{", "[" * 9000, '{"kind": "leters"}', '{"kind": 7}')
    ):
        folder = tmp_path / f"run{i}"
        folder.mkdir()
        for name in ("metrics.json", "environment.json"):
            (folder / name).write_text(text)
        (folder / "recipe.yaml").write_text("name: x\n")
        rows += [
            (("report", str(folder)), "run the recipe again|kind"),
            (
                ("results", "add", str(folder), "--ledger", f"{out}.json"),
                "run the recipe again|kind",
            ),
        ]
    for place in (str(tmp_path / "nowhere"), str(tmp_path), good):
        rows += [
            (("report", place), "has no metrics.json"),
            (("results", "add", place, "--ledger", f"{out}.json"), "has no metrics.json"),
            (("map", "apply", good, "--mapping", place), "."),
            (("map", "enrol", good, "--mapping", place), "."),
            (("map", "export", f"{out}.onnx", "--mapping", place), "."),
            (("map", "gallery", place), "."),
            (("recipe", "show", place), "no such file or packaged recipe"),
            (("recipe", "cp", place, out), "no such file or packaged recipe"),
        ]
    rows.append((("words", "decode", str(tmp_path / "nowhere")), "."))
    rows.append((("words", "decode", str(tmp_path / "run0")), "no recording there"))
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
    (("simulate", "OUT.parquet", "--people", "9" * 30), "at most 1,000,000"),
    (("simulate", "OUT.parquet", "--repetitions", "99999999"), "at most 1,000,000"),
    (("simulate", "OUT.parquet", "--labels", "é"), "no stroke template for 'é'"),
    (("simulate", "OUT.parquet", "--rate", "1e12"), "rate"),
    (("simulate", "GOOD/x.parquet", "--labels", "A", "--people", "1"), "is a file, or in one"),
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
    (("serialize", "GOOD", "--directions", "7"), "valid: 8, 16"),
    (("serialize", "GOOD", "--steps", "9" * 30), "steps.*less than or equal to 10000"),
    (("sweep", "demo", "--steps", "9" * 30), "steps.*less than or equal to 10000"),
    (("words", "demo", "--word", "A" * 500), "has 500 letters"),
    (("map", "apply", "GOOD", "--synthesise", "OUT.csv"), r"what is written is \.parquet"),
    (("map", "apply", "GOOD", "--synthesise", "GOOD"), "write to another file"),
    (("export", "air-letters", "GOOD"), "is a file, and a folder is to be made"),
    (("results", "render", "--ledger", "GOOD"), "is no JSON"),
    (("recipe", "cp", "demo", "GOOD/x.yaml"), "is a file, or in one"),
    (("serialize", "GOOD", "--tokenizer", ""), "tokenizer ''"),
    (("serialize", "GOOD", "--format", "csv", "--rate", "nan"), "rate"),
    (("serialize", "GOOD", "--signals", ","), "views is empty"),
    (("serialize", "GOOD", "--rate", "-1", "--format", "csv"), "rate"),
    (("budget", "GOOD"), "budget"),
    (("budget", "GOOD", "--budget", "64", "--prompt", "epic"), "epic"),
    (("data", "plot", "GOOD", "nobody", "--out", "OUT.png"), "has no recording 'nobody'"),
    (("data", "plot", "GOOD", "r1", "--out", "OUT.jpg"), r"\.png"),
    (("data", "plot", "GOOD", "r1", "--out", "GOOD/x.png"), "is a file, or in one"),
    (("data", "plot", "GOOD", "", "--out", "OUT.png"), "has no recording ''"),
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
