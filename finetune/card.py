"""The model card that lies beside every adapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imuscribe.finetune.base import adapter_precision
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.recipes.schema import Recipe


def model_card(
    recipe: Recipe,
    recordings: Sequence[Recording],
    steps: int,
    tokens: int,
    loss: float,
    example: str,
) -> str:
    """Return the card as Markdown, with nothing left to fill in.

    Parameters
    ----------
    recipe : Recipe
    recordings : sequence of Recording
        What the adapter learnt from.
    steps, tokens : int
        Updates made and tokens read.
    loss : float
        Mean over the last tenth of the updates, in nats a completion token.
    example : str
        One whole training row.
    """
    from imuscribe.recipes.load import dump

    people = sorted({rec.subject for rec in recordings})
    devices = sorted({rec.device for rec in recordings} - {""}) or ["unknown"]
    cases = sorted({rec.case for rec in recordings} - {""}) or ["unknown"]
    origin = "simulated writers" if recipe.data == "simulated" else f"`{recipe.data}`"
    if recipe.data == "simulated" and recipe.simulate.strokes:
        origin += f" of the pen strokes in `{recipe.simulate.strokes}`"
    train = recipe.train
    start = f"`{train.start_from}`" if train.start_from else "a fresh adapter"
    also = f", and whoever {start} has learnt from" if train.start_from else ""
    varied = "varied afresh each epoch" if train.augment else "as recorded"
    return f"""---
base_model: {recipe.model.base}
library_name: peft
tags: [lora, imu, motion-sensor, imuscribe]
---

# {recipe.name}

A LoRA adapter that lets `{recipe.model.base}` name what a motion-sensor recording shows, given as
text: one of {len(recipe.label_set)} labels ({recipe.labels}).

## Training

| | |
|---|---|
| data | {len(recordings)} recordings of {origin}, {varied} |
| people | {len(people)}: {", ".join(people)} |
| devices, cases | {", ".join(devices)}; {", ".join(cases)} |
| seed | {recipe.seed} |
| start | {start} |
| adapter | r {recipe.lora.r}, alpha {recipe.lora.alpha:g}, {adapter_precision(recipe)} |
| rate | {train.lr:g}, {train.schedule}, {train.epochs} epochs |
| updates | {steps}, {tokens:,} tokens |
| final loss | {loss:.4f} nats a completion token, the end token included |

## Use

    imuscribe predict FILE --adapter this/folder

or, from Python,

    from imuscribe import load, most_likely

    answers = most_likely(load("FILE"), "this/folder")

Recordings are cleaned, written and asked about as the recipe below says. One training row:

```
{example}
```

## Limits

- It knows the {len(people)} {"person" if len(people) == 1 else "people"} above{also}. How well it
  reads a stranger must be measured on people who are not among them.
- It answers with a label for any movement, also for one that is none of the labels; look at the
  off-label mass of the scores.
- Labels, devices and cases other than those above were never seen.

## Recipe

```yaml
{dump(recipe)}```
"""
