"""`imuscribe map fit | eval | apply | enrol | gallery | export`, and `imuscribe mount`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imuscribe.cli.experiments import run_experiment
from imuscribe.cli.options import Overrides, check_ending, command
from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from imuscribe.mapping3d.gallery import Gallery
    from imuscribe.mapping3d.mapper import Mapper
    from imuscribe.signals.motion.mount import Mount
    from imuscribe.signals.recording import Recording

RecipeName = Annotated[
    str, typer.Argument(help="A YAML file, or map-demo, map-sim, map-charsense, map-activities.")
]
Folder = Annotated[Path, typer.Option("--mapping", help="Folder made by `map fit`.")]
GalleryFile = Annotated[Path | None, typer.Option(help="Another gallery than the folder's own.")]


app = typer.Typer()
map_app = typer.Typer(
    help="Map one condition to another: mid-air letters to flat ones, phone to watch.",
    no_args_is_help=True,
)
app.add_typer(map_app, name="map")


@command(
    map_app,
    "imuscribe map fit map-demo",
    "imuscribe map fit mine.yaml data=mine.parquet split.train=anna,ben",
    "imuscribe map fit map-charsense data=charsense.parquet "
    "support.simulate.strokes=unipen.parquet",
    "imuscribe map fit map-activities data=sp_sw_har.parquet fit.loss.kind=triplet "
    "fit.loss.mining=hard",
)
def fit(recipe: RecipeName, overrides: Overrides = None) -> None:
    """Train an encoder and make a gallery of its training people's target recordings.

    Learns from the people in split.train if the protocol is 'given', else from everybody: to judge
    a mapping on people it does not know, use `imuscribe map eval`.
    """
    from imuscribe.mapping3d.fit import ENCODER, GALLERY, fit_and_save
    from imuscribe.recipes.load import load_as, name_labels
    from imuscribe.recipes.mapping import MapRecipe

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    resolved = name_labels(load_as(MapRecipe, recipe, overrides or []))
    folder, mapper, store, note = fit_and_save(resolved)
    typer.echo(f"encoder {mapper.version}, {note}: {folder / ENCODER}")
    typer.echo(
        f"{store.provenance} gallery of {len(store)} items by {len(store.people)} people: "
        f"{folder / GALLERY}"
    )


@command(
    map_app,
    "imuscribe map eval map-demo",
    "imuscribe map eval map-charsense data=charsense.parquet "
    "support.simulate.strokes=unipen.parquet split.folds=p003",
    "imuscribe map eval map-activities data=sp_sw_har.parquet",
    name="eval",
)
def evaluate(recipe: RecipeName, overrides: Overrides = None) -> None:
    """Judge a mapping on people it does not know, next to its baselines; write a report.

    Run it again after an interruption: what is finished is kept.
    """
    run_experiment(["map", "eval"], recipe, overrides or [], "mapping")


@command(
    map_app,
    "imuscribe map apply carl.parquet --mapping runs/mine --k 3",
    "imuscribe map apply carl.parquet --mapping runs/mine --proxy retrieved.parquet",
    "imuscribe map apply carl.parquet --synthesise flat.parquet",
)
def apply(
    recordings: Annotated[Path, typer.Argument(help="Parquet file of recordings to map.")],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="Folder made by `map fit`.")
    ] = None,
    gallery: GalleryFile = None,
    k: Annotated[int, typer.Option(min=1, help="Items to name.")] = 5,
    proxy: Annotated[
        Path | None, typer.Option(help="Write the nearest item of each query to this file.")
    ] = None,
    synthesise: Annotated[
        Path | None,
        typer.Option(help="Write what a flat surface would have read; needs no gallery."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a query.")] = False,
) -> None:
    """Find the nearest gallery items of recordings, or turn these into their flat equivalents.

    Of a file that holds both conditions, the recordings of the source condition ask.
    """
    from imuscribe.signals.readers.parquet import load, save

    if mapping is None and synthesise is None:
        raise InputError("map apply: give --mapping FOLDER to retrieve, or --synthesise FILE")
    if mapping is None and (gallery or proxy or as_json):
        given = "--gallery" if gallery else "--proxy" if proxy else "--json"
        raise InputError(f"map apply {given}: give --mapping FOLDER as well")
    for written in (proxy, synthesise):
        if written is not None and written.resolve() == recordings.resolve():
            raise InputError(f"{written}: holds the recordings to map: write to another file")
    if proxy is not None and synthesise is not None and proxy.resolve() == synthesise.resolve():
        raise InputError(f"{proxy}: given to --proxy and --synthesise: write to two files")
    for out in (proxy, synthesise):
        if out is not None:
            check_ending(out)
    queries = load(recordings)
    if synthesise is not None:
        from imuscribe.mapping3d.analytic import flat_equivalent
        from imuscribe.signals.cleaning import clean

        save([flat_equivalent(clean(rec)) for rec in queries], synthesise)
        typer.echo(f"{len(queries)} flat equivalents: {synthesise}", err=as_json)
    if mapping is None:
        return
    mapper, store = _opened(mapping, gallery)
    asking = mapper.prepare(_of(queries, mapper.source, recordings))
    embedded = mapper.embed(asking, "source", progress=True)
    distances, places = store.search(embedded, [rec.subject for rec in asking], k)
    for rec, row, near in zip(asking, distances, places, strict=True):
        items = [(store.items[i], float(d)) for i, d in zip(near, row, strict=True)]
        if as_json:
            named = [
                {"id": item.id, "label": item.label, "subject": item.subject, "distance": d}
                for item, d in items
            ]
            typer.echo(json.dumps({"id": rec.id, "provenance": store.provenance, "nearest": named}))
        else:
            said = "  ".join(f"{item.label} {d:.3f} ({item.id})" for item, d in items)
            typer.echo(f"{rec.id}: {said}")
    if proxy is not None:
        found = [store.recording(store.items[row[0]].id) for row in places]
        # Under their queries' ids: one item may stand for several queries.
        pairs = zip(found, asking, strict=True)
        save([item.replace(id=rec.id, subject=rec.subject) for item, rec in pairs], proxy)
        typer.echo(f"nearest items: {proxy}", err=as_json)
    about = f"{store.provenance} gallery of {len(store)} items, encoder {mapper.version}"
    for line in (about, *_doubts(asking, mapper, store)):
        typer.echo(line, err=as_json)


@command(map_app, "imuscribe map enrol dora.parquet --mapping runs/mine")
def enrol(
    recordings: Annotated[Path, typer.Argument(help="Parquet file of labelled recordings.")],
    mapping: Folder,
    gallery: GalleryFile = None,
) -> None:
    """Add recordings of the target condition to a gallery: new people, new classes, no training."""
    from imuscribe.mapping3d.fit import GALLERY
    from imuscribe.signals.readers.parquet import load

    mapper, store = _opened(mapping, gallery)
    found = _of(load(recordings), mapper.target, recordings)
    before = set(store.labels), set(store.people)
    mapper.enrol(store, mapper.prepare(found), progress=True)
    store.save(gallery or mapping / GALLERY)
    labels, people = set(store.labels) - before[0], set(store.people) - before[1]
    typer.echo(
        f"{len(found)} recordings enrolled, {len(people)} new people and {len(labels)} new labels: "
        f"{len(store)} items"
    )


@command(
    map_app,
    "imuscribe map gallery runs/mine/gallery.parquet",
    "imuscribe map gallery a.parquet --merge b.parquet --out both.parquet",
)
def gallery(
    path: Annotated[Path, typer.Argument(help="A gallery file.")],
    merge: Annotated[Path | None, typer.Option(help="A gallery to unite it with.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the union is written.")] = None,
) -> None:
    """List a gallery by person and session, or unite two."""
    from imuscribe.mapping3d.gallery import Gallery

    if (merge is None) != (out is None):
        lacking = "--out FILE for the union" if out is None else "--merge GALLERY to unite it with"
        raise InputError(f"map gallery: give {lacking} as well")
    store = Gallery.load(path)
    if merge is not None and out is not None:
        store = store.merge(Gallery.load(merge))
        store.save(out)
    typer.echo(
        f"{store.provenance}, {store.metric}, {len(store)} items by {len(store.people)} people, "
        f"encoder {store.space.encoder} at {store.space.rate:g} Hz"
    )
    for (person, session), labels in store.counts().items():
        where = f"{person} {session}".rstrip()
        typer.echo(f"{where}: {sum(labels.values())} of {len(labels)} labels")


@command(map_app, "imuscribe map export encoder.onnx --mapping runs/mine")
def export(
    path: Annotated[Path, typer.Argument(help="The ONNX file to write.")],
    mapping: Folder,
    target: Annotated[bool, typer.Option("--target", help="The target's side of it.")] = False,
) -> None:
    """Write an encoder as ONNX: views of the source, or the target, to embeddings."""
    from imuscribe.mapping3d.fit import ENCODER
    from imuscribe.mapping3d.mapper import Mapper, export_onnx

    export_onnx(Mapper.load(mapping / ENCODER), "target" if target else "source", path)
    typer.echo(path)


@command(app, "imuscribe mount recordings.parquet --out mounts.json")
def mount(
    path: Annotated[Path, typer.Argument(help="Recordings in the canonical Parquet layout.")],
    out: Annotated[
        Path | None, typer.Option(help="Keep rotations, their errors and doubts as JSON.")
    ] = None,
) -> None:
    """Find how the device sat on each writer, from all recordings of a session and no label.

    The writing plane comes from the movement, up from gravity, the side from how hands write. What
    is doubtful is said.
    """
    from imuscribe.signals.files import write_text
    from imuscribe.signals.load import clean_all
    from imuscribe.signals.motion.mount import find_mounts
    from imuscribe.signals.readers.parquet import load

    mounts = find_mounts(clean_all(load(path), where=path.name))
    _show_mounts(mounts)
    if out is not None:
        write_text(out, json.dumps([found.values() for found in mounts], indent=1) + "\n")
        typer.echo(f"wrote {out}")


def _opened(mapping: Path, gallery: Path | None) -> tuple[Mapper, Gallery]:
    """Return a mapping and a gallery of the same space."""
    from imuscribe.mapping3d.fit import ENCODER, gallery_in
    from imuscribe.mapping3d.gallery import Gallery
    from imuscribe.mapping3d.mapper import Mapper

    mapper = Mapper.load(mapping / ENCODER)
    store = Gallery.load(gallery or gallery_in(mapping))
    store.space.check(mapper.space, f"encoder {mapping / ENCODER}")
    return mapper, store


def _of(
    recordings: Sequence[Recording], condition: Mapping[str, str], path: Path
) -> list[Recording]:
    """Return the recordings of a condition; says how many others are left out."""
    from imuscribe.mapping3d.data import described, is_of

    found = [rec for rec in recordings if is_of(rec, condition)]
    said = described(condition)
    if not found:
        there = {" ".join(f"{c} '{getattr(rec, c)}'" for c in condition) for rec in recordings}
        raise InputError(
            f"{path}: has no recording of {said}: it holds {', '.join(sorted(there)[:5])}; "
            "'imuscribe data import' takes --case and --device"
        )
    if left := len(recordings) - len(found):
        typer.echo(f"{left} of {len(recordings)} recordings are not of {said}: left out", err=True)
    return found


def _doubts(asking: Sequence[Recording], mapper: Mapper, store: Gallery) -> list[str]:
    """Say where an answer tells less about held-out people than it seems to."""
    lines = []
    people = {rec.subject for rec in asking}
    if "" in people and store.provenance == "cross-user":
        n = sum(not rec.subject for rec in asking)
        lines.append(f"{n} queries name no person: the gallery may hold recordings of theirs")
    if known := sorted(people & set(mapper.people)):
        names = ", ".join(known[:5]) + (", …" if len(known) > 5 else "")
        lines.append(f"the encoder has learnt from {names}: it reads held-out people less well")
    return lines


def _show_mounts(mounts: Sequence[Mount]) -> None:
    for found in mounts:
        who = ", ".join(filter(None, (found.subject, found.session, found.device))) or "(unknown)"
        plane = "level" if found.slope > 60 else "slanted" if found.slope > 25 else "upright"
        typer.echo(
            f"{who}: {found.recordings:,} recordings, plane {plane} ({found.slope:.0f}° forward, "
            f"± {found.spread:.0f}°), side {found.sure:.0%} sure"
        )
        for doubt in found.doubts:
            typer.echo(f"  {doubt}")
