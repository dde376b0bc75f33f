"""From a file, or a packaged name, and ``key=value`` overrides to a checked recipe of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module, resources
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import yaml

from imuscribe.recipes.schema import FROM_DATA, Experiment, Recipe, RecordingsExperiment
from imuscribe.recipes.strict_yaml import as_mapping, parse_mapping, parse_override, set_dotted
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError, nearest

E = TypeVar("E", bound=Experiment)


class Kind(NamedTuple):
    """Where a kind's schema stands, and the command beside `imuscribe run` that takes it."""

    module: str
    schema: str
    command: str


KINDS = {
    "letters": Kind("schema", "Recipe", "train"),
    "mapping": Kind("mapping", "MapRecipe", "map eval"),
    "words": Kind("words", "WordsRecipe", "words eval"),
    "segments": Kind("words", "SegmentRecipe", "words segment"),
    "adaptation": Kind("words", "AdaptRecipe", "adapt"),
    "explanations": Kind("explanations", "PairsRecipe", "pairs study"),
    "questions": Kind("variants", "QuestionsRecipe", "align train"),
    "sweep": Kind("variants", "SweepRecipe", "sweep"),
    "ablation": Kind("variants", "AblationRecipe", "run"),
    "transfer": Kind("transfer", "TransferRecipe", "run"),
    "retrieval": Kind("retrieval", "RetrievalRecipe", "align sensorlm"),
}
"""What a recipe's ``kind`` may be."""


def load_experiment(path_or_name: str, overrides: Sequence[str] = ()) -> Experiment:
    """Read a recipe of any kind, apply overrides, check everything.

    Parameters
    ----------
    path_or_name : str
        A YAML file, or the name of a packaged recipe.
    overrides : sequence of str
        ``key=value`` with dotted keys and YAML values, such as ``train.lr=1e-4``. ``preset=NAME``
        applies the recipe's own set of that name first, so other overrides win.

    Returns
    -------
    Experiment
        Of the class that its ``kind`` names. A file without one, as earlier versions wrote it, is
        of the kind that has most of its sections.

    Raises
    ------
    InputError
        With every mistake at once.
    """
    values = resolve(path_or_name, overrides)
    kind = values.get("kind")
    if kind is None:
        values.pop("kind", None)
        kind = max(KINDS, key=lambda k: len(values.keys() & schema(k).model_fields.keys()))
    return schema(_known(kind, path_or_name)).parse(values, path_or_name)


def load_as(cls: type[E], path_or_name: str, overrides: Sequence[str] = ()) -> E:
    """Read a recipe as `load_experiment` does; one of another kind names the commands for it."""
    values = resolve(path_or_name, overrides)
    ours = cls.model_fields["kind"].default
    if values.get("kind") is None:
        values["kind"] = ours
    kind = _known(values["kind"], path_or_name)
    if kind != ours:
        commands = [f"'imuscribe {name}'" for name in dict.fromkeys(("run", KINDS[kind].command))]
        raise InputError(
            f"recipe '{path_or_name}': its kind is '{kind}', not '{ours}': it is for "
            f"{' and '.join(commands)}"
        )
    return cls.parse(values, path_or_name)


def load_recipe(path_or_name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe of the kind ``letters`` as `load_as` does: what language models learn from."""
    return load_as(Recipe, path_or_name, overrides)


def name_labels(recipe: E) -> E:
    """Return a recipe that is to be run, with the labels of its data file where it asks for them.

    Raises
    ------
    InputError
        If there is no such file, or none of its recordings has a label.
    """
    if not isinstance(recipe, RecordingsExperiment) or recipe.labels != FROM_DATA:
        return recipe
    from imuscribe.signals.labels import parse_labels
    from imuscribe.signals.readers.parquet import labels_of

    found = labels_of(recipe.data, getattr(recipe, "sessions", ()))
    text = ",".join(found)
    # A label may look like a range, or hold a comma: then they stand in a list.
    plain = not any(c in label for label in found for c in ",[") and parse_labels(text) == found
    values = recipe.model_dump() | {"labels": text if plain else found}
    return type(recipe).parse(values, f"{recipe.name}, labels from {recipe.data}")


def schema(kind: str) -> type[Experiment]:
    """Return the class of a kind's recipes."""
    home = import_module(f"imuscribe.recipes.{KINDS[kind].module}")
    return cast(type[Experiment], getattr(home, KINDS[kind].schema))


def packaged_names() -> list[str]:
    """Return the names of the recipes that come with the installation."""
    files = resources.files("imuscribe.recipes").iterdir()
    return sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml"))


def recipe_text(name: str) -> str:
    """Return the YAML of a packaged recipe, comments included; InputError if there is none."""
    if name not in (known := packaged_names()):
        hint = nearest(Path(name).stem, known)
        raise InputError(f"recipe '{name}': no such file or packaged recipe: {hint}")
    found = resources.files("imuscribe.recipes").joinpath(f"{name}.yaml")
    return found.read_text(encoding="utf-8")


def presets(path_or_name: str) -> list[str]:
    """Return the names of the override sets that a recipe brings along."""
    return list(_read(path_or_name)[1])


def dump(recipe: Config) -> str:
    """Return the recipe, every default spelt out, as YAML that is read back."""
    values = recipe.model_dump(mode="json")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def resolve(path_or_name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the values of a recipe, presets and overrides applied, unchecked."""
    values, sets = _read(path_or_name)
    pairs = [parse_override(override) for override in overrides]
    for key, chosen in pairs:
        if key != "preset":
            continue
        if chosen not in sets:
            known = nearest(str(chosen), sets) if sets else "this recipe has no presets"
            raise InputError(f"preset '{chosen}': not in {path_or_name}: {known}")
        for inner, value in as_mapping(sets[chosen], f"preset {chosen}").items():
            set_dotted(values, inner, value)
    for key, value in pairs:
        if key != "preset":
            set_dotted(values, key, value)
    return {"name": Path(path_or_name).stem, **values}


def _known(kind: object, where: str) -> str:
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"{where}: 'kind' is {kind!r}: {nearest(str(kind), KINDS)}")
    return str(kind)


def _read(path_or_name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a recipe's values and its presets, unchecked."""
    path = Path(path_or_name)
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else recipe_text(path_or_name)
    except UnicodeDecodeError:
        raise InputError(f"{path_or_name}: is no UTF-8 text: give a YAML recipe") from None
    values = parse_mapping(text, path_or_name)
    if not values:
        raise InputError(
            f"{path_or_name}: holds no settings: begin with 'imuscribe recipe cp demo mine.yaml'"
        )
    return values, as_mapping(values.pop("presets", None), f"{path_or_name}: presets")
