"""How much faster 26 letters are scored in one forward pass than an answer is generated and parsed.

Both ways use the packaged model, the same simulated letters, the same short wording and the same
batch. The generated answer is what the air-writing study asks for, an explanation before the
letter; its length is bounded by the recipe's room for it.

python -m bench.scoring [n_recordings]
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from imuscribe.finetune.base import load_base
from imuscribe.finetune.rows import load_recordings
from imuscribe.finetune.scoring import LabelScorer, generate
from imuscribe.prompts.ask.answers import parse_answer
from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.ask.tokens import count_tokens
from imuscribe.prompts.serialize import build_serializer
from imuscribe.recipes.load import load_recipe

TARGET = 20.0


def main(n: int) -> float:
    """Time both ways on `n` recordings, print them, return the ratio."""
    recipe = load_recipe("demo", ["simulate.people=1", "simulate.repetitions=1"])
    model, tokenizer = load_base(recipe.model)
    serializer = build_serializer(recipe.text)
    texts = [serializer.text(rec) for rec in load_recordings(recipe)[:n]]

    bare = PromptBuilder(tokenizer, recipe.label_set, recipe.prompt)
    prompts = [bare.prompt(text) for text in texts]
    scorer = LabelScorer(model, tokenizer, [bare.completion(label) for label in recipe.label_set])
    scorer.score(prompts)  # the first pass also allocates memory
    start = time.perf_counter()
    scorer.score(prompts, batch_size=n)
    scoring = (time.perf_counter() - start) / n

    explaining = recipe.prompt.model_copy(update={"reasoning": True})
    asking = PromptBuilder(tokenizer, recipe.label_set, explaining)
    questions = [asking.prompt(text) for text in texts]
    start = time.perf_counter()
    answers = generate(model, tokenizer, questions, explaining.reasoning_tokens, batch_size=n)
    parsed = [parse_answer(answer, recipe.label_set) for answer in answers]
    generating = (time.perf_counter() - start) / n

    written = sum(count_tokens(tokenizer, answers)) / n
    unparsable = sum(answer.unparsable for answer in parsed)
    ratio = generating / scoring
    print(f"prompt      {max(map(bare.n_tokens, prompts)):8} tokens")
    print(f"scoring     {scoring:8.3f} s a recording, all {len(recipe.label_set)} letters")
    print(f"generating  {generating:8.3f} s a recording, {written:.0f} tokens, ", end="")
    print(f"{unparsable} of {n} unparsable")
    print(f"ratio       {ratio:8.1f} (at least {TARGET:g})")
    return ratio


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8) < TARGET)
