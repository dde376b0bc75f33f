"""Scoring 26 letters in one forward pass against generating an answer and parsing it.

    python -m bench.scoring [RECORDINGS]

Both ways use the packaged model, the same simulated letters and the same wording; the generated
answer is the one the air-writing study asks for (explanation, then a ranking), scored by one pass.
Prints seconds a recording for both and their ratio.
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from finetune.base import load_base
from finetune.data import load_recordings
from finetune.scoring import LabelScorer, generate
from prompts.answers import parse_answer
from prompts.serialize import build_serializer
from prompts.templates import PromptBuilder
from recipes.schema import load_recipe

TARGET = 20.0
"""Scoring must be at least so many times faster."""


def main(n: int) -> float:
    """Time both ways on `n` recordings and return the ratio."""
    recipe = load_recipe(
        "demo",
        ["simulate.people=1", "simulate.repetitions=1", "prompt.style=study",
         "prompt.max_tokens=2048", "train.max_length=2048"],
    )  # fmt: skip
    model, tokenizer = load_base(recipe.model)
    serializer = build_serializer(recipe.text)
    texts = [serializer.text(rec) for rec in load_recordings(recipe)[:n]]
    plain = PromptBuilder(tokenizer, recipe.label_set, recipe.prompt)
    asking = recipe.prompt.model_copy(update={"reasoning": True, "chat": True})
    study = PromptBuilder(tokenizer, recipe.label_set, asking)

    scorer = LabelScorer(model, tokenizer, [plain.completion(x) for x in recipe.label_set])
    prompts = [plain.prompt(text) for text in texts]
    scorer.score(prompts[:1])
    start = time.perf_counter()
    scores = scorer.score(prompts, batch_size=n)
    scoring = (time.perf_counter() - start) / n

    questions = [study.prompt(text) for text in texts]
    start = time.perf_counter()
    answers = generate(model, tokenizer, questions, asking.reasoning_tokens, batch_size=n)
    parsed = [parse_answer(answer, recipe.label_set) for answer in answers]
    generating = (time.perf_counter() - start) / n

    ratio = generating / scoring
    print(f"scoring      {scoring:8.3f} s a recording, {scores.log_probs.shape[1]} labels each")
    print(f"generating   {generating:8.3f} s a recording, "
          f"{sum(answer.unparsable for answer in parsed)} of {n} unparsable")  # fmt: skip
    print(f"ratio        {ratio:8.1f} times (at least {TARGET:g})")
    return ratio


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 4) < TARGET)
