"""`imuscribe map` from simulated letters to a report, and what it says about mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from imuscribe.cli import app
from imuscribe.mapping3d.gallery import Gallery
from imuscribe.mapping3d.mapper import Mapper
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers import parquet
from imuscribe.signals.simulate import SimulateConfig, simulate

FIRST_FORMAT = Path(__file__).resolve().parents[1] / "data" / "gallery-format-1.imu"
SMALL = [
    "map-demo", "labels=A-C", "simulate.labels=A-C", "simulate.repetitions=2", "encoder.width=8",
    "encoder.size=8", "fit.epochs=1", "fit.triplets=60", "copies=0", "view.steps=16",
]  # fmt: skip


def call(*arguments: str | Path) -> str:
    result = attempt(*arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def attempt(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(part) for part in arguments])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fit")
    said = call("map", "fit", *SMALL, f"out={out}")
    assert "cross-user gallery of 12 items by 2 people" in said
    return out / "map-demo"


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mid-air and flat letters of the third person, and a class nobody trained."""
    path = tmp_path_factory.mktemp("letters") / "letters.parquet"
    some = simulate(SimulateConfig(people=3, labels="A-D", repetitions=1))
    parquet.save([rec for rec in some if rec.subject == "sim-003"], path)
    return path


def test_eval_writes_a_run_with_every_method_and_says_whose_gallery(tmp_path: Path) -> None:
    said = call("map", "eval", *SMALL, f"out={tmp_path}", "evaluate.methods=mapping,analytic,svm")
    assert "retrieval @1" in said and "gallery: cross-user, 12 items by 2 people" in said
    folder = tmp_path / "map-demo"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["methods"]) == ["mapping", "analytic", "svm"]
    assert metrics["folds"][0]["gallery"]["provenance"] == "cross-user"
    assert metrics["retrieval"]["@1"]["pooled"]["n"] == 6
    assert metrics["retrieval"]["@1"]["pooled"]["value"] == pytest.approx(
        metrics["methods"]["mapping"]["accuracy"]["value"]
    )
    assert (
        metrics["retrieval"]["@5"]["pooled"]["value"]
        >= metrics["retrieval"]["@1"]["pooled"]["value"]
    )
    page = (folder / "report.html").read_text()
    for expected in ("Retrieval", "The space", "cross-user", "data:image/png;base64", "confusion"):
        assert expected.lower() in page.lower()
    # Asked again it trains nothing and says the same.
    trained = (folder / "folds" / "given" / "encoder.safetensors").stat().st_mtime_ns
    again = call("map", "eval", *SMALL, f"out={tmp_path}", "evaluate.methods=mapping,analytic,svm")
    assert again == said
    assert (folder / "folds" / "given" / "encoder.safetensors").stat().st_mtime_ns == trained


def test_a_same_user_gallery_holds_the_query_persons_own(tmp_path: Path) -> None:
    said = call(
        "map", "eval", *SMALL, f"out={tmp_path}", "evaluate.methods=mapping",
        "gallery.provenance=same-user",
    )  # fmt: skip
    assert "gallery: same-user, 18 items by 3 people" in said


def test_apply_names_items_and_writes_proxies(fitted: Path, letters: Path, tmp_path: Path) -> None:
    """Of a file with both conditions only mid-air letters ask; standard output is JSON alone."""
    proxy, flat = tmp_path / "proxy.parquet", tmp_path / "flat.parquet"
    result = attempt(
        "map", "apply", letters, "--mapping", fitted, "--k", "2", "--json", "--proxy", proxy,
        "--synthesise", flat,
    )  # fmt: skip
    assert result.exit_code == 0
    assert "4 of 8 recordings are not of case 3d: left out" in result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    queries = [rec for rec in parquet.load(letters) if rec.case == "3d"]
    assert [row["id"] for row in rows] == [rec.id for rec in queries]
    assert all(len(row["nearest"]) == 2 and row["provenance"] == "cross-user" for row in rows)
    shown = parquet.load(proxy)
    assert [rec.label for rec in shown] == [row["nearest"][0]["label"] for row in rows]
    assert {rec.case for rec in shown} == {"2d"}
    assert {rec.case for rec in parquet.load(flat)} == {"2d"}


def test_enrolling_adds_a_person_and_a_class_and_then_they_may_not_ask(
    fitted: Path, letters: Path, tmp_path: Path
) -> None:
    store = tmp_path / "gallery.parquet"
    store.write_bytes((fitted / "gallery.parquet").read_bytes())
    said = call("map", "enrol", letters, "--mapping", fitted, "--gallery", store)
    assert "4 recordings enrolled, 1 new people and 1 new labels: 16 items" in said
    listed = call("map", "gallery", store)
    assert "sim-003 sim-003-2d: 4 of 4 labels" in listed
    result = attempt("map", "apply", letters, "--mapping", fitted, "--gallery", store)
    assert isinstance(result.exception, InputError)
    assert "sim-003: asks and is held by a cross-user gallery" in str(result.exception)


def test_a_copied_person_is_found_in_the_gallery_under_any_name(tmp_path: Path) -> None:
    """The test person's flat letters, planted as somebody else's: only their content tells."""
    some = simulate(SimulateConfig(people=3, labels="A-C", repetitions=2))
    planted = [
        rec.replace(id=f"p-{rec.id}", subject="sim-001", session="")
        for rec in some
        if rec.subject == "sim-003" and rec.case == "2d"
    ]
    path = tmp_path / "planted.parquet"
    parquet.save([*some, *planted], path)
    result = attempt("map", "eval", *SMALL, f"data={path}", f"out={tmp_path}")
    assert isinstance(result.exception, InputError)
    assert "'sim-003-2d-A-00' of sim-003 is a copy of the training recording" in str(
        result.exception
    )
    assert not (tmp_path / "map-demo").exists()


def test_a_damaged_encoder_of_a_fold_is_trained_again(tmp_path: Path) -> None:
    arguments = ("map", "eval", *SMALL, f"out={tmp_path}", "evaluate.methods=mapping")
    said = call(*arguments)
    encoder = tmp_path / "map-demo" / "folds" / "given" / "encoder.safetensors"
    whole = encoder.read_bytes()
    encoder.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert call(*arguments) == said
    assert encoder.read_bytes() == whole


def test_apply_says_where_it_tells_little_about_held_out_people(
    fitted: Path, letters: Path, tmp_path: Path
) -> None:
    nameless, known = tmp_path / "nameless.parquet", tmp_path / "known.parquet"
    asking = [rec for rec in parquet.load(letters) if rec.case == "3d"]
    parquet.save([rec.replace(subject="") for rec in asking], nameless)
    said = call("map", "apply", nameless, "--mapping", fitted)
    assert "4 queries name no person: the gallery may hold recordings of theirs" in said
    assert "learnt from" not in said
    # A gallery without the training people answers them, but they are not held out.
    parquet.save([rec.replace(subject="sim-001") for rec in asking], known)
    flat = [rec for rec in parquet.load(letters) if rec.case == "2d"]
    mapper = Mapper.load(fitted / "encoder.safetensors")
    others = Gallery(mapper.space)
    mapper.enrol(others, mapper.prepare(flat))
    others.save(tmp_path / "others.parquet")
    said = call(
        "map", "apply", known, "--mapping", fitted, "--gallery", tmp_path / "others.parquet"
    )
    assert "the encoder has learnt from sim-001" in said


def test_apply_never_replaces_what_it_reads(fitted: Path, letters: Path) -> None:
    before = letters.read_bytes()
    for option in ("--proxy", "--synthesise"):
        result = attempt("map", "apply", letters, "--mapping", fitted, option, letters)
        assert isinstance(result.exception, InputError)
        assert "holds the recordings to map" in str(result.exception)
    assert letters.read_bytes() == before


def test_recordings_of_neither_condition_are_refused(
    fitted: Path, letters: Path, tmp_path: Path
) -> None:
    path = tmp_path / "unsaid.parquet"
    parquet.save([rec.replace(case="") for rec in parquet.load(letters)], path)
    for command, case in (("apply", "3d"), ("enrol", "2d")):
        result = attempt("map", command, path, "--mapping", fitted)
        assert isinstance(result.exception, InputError)
        assert f"has no recording of case {case}: it holds case ''" in str(result.exception)


def test_galleries_are_united(fitted: Path, tmp_path: Path) -> None:
    path, both = fitted / "gallery.parquet", tmp_path / "both.parquet"
    call("map", "gallery", path, "--merge", path, "--out", both)
    assert Gallery.load(both).items == Gallery.load(path).items


def test_a_gallery_of_the_first_format_is_listed_and_used(
    fitted: Path, letters: Path, tmp_path: Path
) -> None:
    listed = call("map", "gallery", FIRST_FORMAT)
    assert "cross-user, cosine, 6 items by 2 people, encoder 0123456789ab at 50 Hz" in listed
    assert "sim-002 sim-002-2d: 3 of 3 labels" in listed
    united = call("map", "gallery", FIRST_FORMAT, "--merge", FIRST_FORMAT, "--out", tmp_path / "g")
    assert united == listed
    # A folder that an earlier version made has it under an earlier name.
    for name, now in (("encoder.safetensors",) * 2, ("gallery.parquet", "gallery.imu")):
        (tmp_path / now).write_bytes((fitted / name).read_bytes())
    call("map", "enrol", letters, "--mapping", tmp_path)
    counts = [len(Gallery.load(tmp_path / f"gallery.{end}")) for end in ("imu", "parquet")]
    assert counts == [12, 16]
    result = attempt("map", "apply", letters, "--mapping", tmp_path)
    assert "sim-003: asks and is held by a cross-user gallery" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", *SMALL, "target={device: watch}"], r"target condition \(device watch\): no rec"),
        (["eval", *SMALL, "data=none.parquet"], "none.parquet"),
        (["eval", *SMALL, "split.train=sim-009"], "sim-009"),
        (["fit", *SMALL, "split.train=sim-009"], "'sim-009' is not in the data"),
        (
            ["fit", *SMALL, "encoder.weights=shared", "view.source=writing"],
            "set encoder.weights=partly-shared",
        ),
        (
            ["eval", "demo"],
            "recipe 'demo': its kind is 'letters', not 'mapping': it is for 'imuscribe run'",
        ),
        (["fit", *SMALL, "encoder.kernel=4"], "'encoder.kernel' is 4: must be odd"),
        (["fit", *SMALL, "encoder.blocks=5", "view.steps=8"], "set view.steps=16"),
        (["apply", "x.parquet"], "give --mapping FOLDER"),
        (["apply", "x", "--synthesise", "y", "--gallery", "g"], "--gallery: give --mapping"),
        (["apply", "x", "--synthesise", "y", "--json"], "--json: give --mapping"),
        (["gallery", "x", "--out", "y"], "give --merge GALLERY"),
        (["gallery", "x", "--merge", "y"], "give --out FILE"),
        (["gallery", "none.imu"], "no such file"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    extra = [f"out={tmp_path}"] if arguments[0] in ("eval", "fit") else []
    result = attempt("map", *arguments, *extra)
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise result.exception


def test_another_encoders_gallery_is_refused(fitted: Path, letters: Path, tmp_path: Path) -> None:
    call("map", "fit", *SMALL, f"out={tmp_path}", "seed=1")
    result = attempt(
        "map",
        "apply",
        letters,
        "--mapping",
        fitted,
        "--gallery",
        tmp_path / "map-demo/gallery.parquet",
    )
    assert isinstance(result.exception, InputError)
    assert "its encoder is" in str(result.exception)
