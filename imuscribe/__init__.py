"""Teach language models to read motion-sensor signals: the public names, loaded when used."""

from importlib import import_module
from typing import Any

_HOMES = {
    "imuscribe.signals.errors": ["InputError"],
    "imuscribe.signals.recording": ["Recording"],
    "imuscribe.signals.readers.parquet": ["load", "save"],
    "imuscribe.signals.readers.csv": ["read_csv"],
    "imuscribe.signals.readers.charsense": ["read_charsense"],
    "imuscribe.signals.readers.motion_pen": ["read_motion_pen"],
    "imuscribe.signals.cleaning": ["CleanConfig", "clean"],
    "imuscribe.signals.motion.frames": ["FrameConfig", "Motion", "writing_motion"],
    "imuscribe.signals.motion.augment": ["AugmentConfig", "augment"],
    "imuscribe.signals.simulate": ["SimulateConfig", "simulate", "study_protocol"],
    "imuscribe.prompts.ask.tokens": ["count_tokens", "load_tokenizer"],
    "imuscribe.prompts.serialize": ["Serializer", "TextConfig", "View", "build_serializer"],
    "imuscribe.prompts.serialize.budget": ["fit_budget"],
    "imuscribe.prompts.ask.templates": ["PromptBuilder", "PromptConfig", "Shot"],
    "imuscribe.prompts.ask.answers": ["parse_answer"],
    "imuscribe.prompts.captions.explain": ["explain"],
    "imuscribe.prompts.teacher.pairs": ["build_pairs"],
    "imuscribe.recipes.schema": ["Recipe", "load_recipe"],
    "imuscribe.finetune.base": ["load_base"],
    "imuscribe.finetune.sft": ["train"],
    "imuscribe.finetune.scoring": ["LabelScorer", "Scores"],
    "imuscribe.eval.run": ["run"],
    "imuscribe.finetune.reading": ["most_likely"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'imuscribe' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
