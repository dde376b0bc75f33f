"""Teach language models to read motion-sensor signals: the public names, loaded when used."""

from importlib import import_module
from typing import Any

_HOMES = {
    "signals.errors": ["InputError"],
    "signals.recording": ["Recording"],
    "signals.parquet": ["load", "save"],
    "signals.readers": ["read_charsense", "read_csv", "read_motion_pen"],
    "signals.cleaning": ["CleanConfig", "clean"],
    "signals.frames": ["FrameConfig", "Motion", "writing_motion"],
    "signals.augment": ["AugmentConfig", "augment"],
    "signals.simulate": ["SimulateConfig", "simulate", "study_protocol"],
    "prompts.tokens": ["count_tokens", "load_tokenizer"],
    "prompts.serialize": ["Serializer", "TextConfig", "View", "build_serializer"],
    "prompts.budget": ["fit_budget"],
    "prompts.templates": ["PromptBuilder", "PromptConfig", "Shot"],
    "prompts.answers": ["parse_answer"],
    "prompts.explain": ["explain"],
    "prompts.pairs": ["build_pairs"],
    "recipes.schema": ["Recipe", "load_recipe"],
    "finetune.base": ["load_base"],
    "finetune.sft": ["train"],
    "finetune.scoring": ["LabelScorer", "Scores"],
    "eval.run": ["run"],
    "finetune.reading": ["most_likely"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'imuscribe' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
