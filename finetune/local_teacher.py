"""Teachers that are language models: one in this process, or behind a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from imuscribe.finetune.base import load_base
from imuscribe.finetune.rows import pad_id, padded
from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.prompts.teacher.chat import ChatModel, Reply, Request, Unanswered
from imuscribe.prompts.teacher.roles import RolePrompts
from imuscribe.prompts.teacher.store import AnswerStore, CachedModel, TokenBudget
from imuscribe.prompts.teacher.teachers import (
    COMPUTED,
    ComputedTeacher,
    LanguageTeacher,
    claims_check,
    no_check,
)
from imuscribe.recipes.explanations import TeacherConfig
from imuscribe.recipes.schema import ModelConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import cache_dir

_TOGETHER = 16
"""Most requests answered at once: reading the weights costs as much for many as for one."""


def chat_model(config: TeacherConfig, stop: threading.Event) -> ChatModel:
    """Return the language model that a teacher's name means.

    `stop` ends waiting for a server. InputError if a server comes without a model or a local model
    with one, or it is not to be found.
    """
    if config.name.startswith(("http://", "https://")):
        from imuscribe.prompts.teacher.endpoint import Endpoint, EndpointConfig

        if not config.model:
            raise InputError("--teacher is a server: name the model to ask there with --model")
        values = {"base_url": config.name, "model": config.model, **config.endpoint}
        return Endpoint(EndpointConfig.parse(values, "options"), stop.wait)
    if config.model:
        raise InputError(
            f"--model goes with the address of a server, but --teacher is '{config.name}': give "
            "one that begins with http:// or https://, or drop --model"
        )
    return LocalModel(ModelConfig(base=config.name))


def asked_once(
    config: TeacherConfig,
    stop: threading.Event,
    budget: TokenBudget | None = None,
    model: ChatModel | None = None,
) -> CachedModel:
    """Return the language model of a teacher's name, its answers kept and counted."""
    model = model or chat_model(config, stop)
    store = AnswerStore(config.cache or cache_dir() / "answers.sqlite")
    return CachedModel(model, store, budget or TokenBudget(), stop)


def load_teacher(
    config: TeacherConfig,
    builder: PromptBuilder,
    seed: int,
    budget: TokenBudget,
    stop: threading.Event,
    checked: bool = True,
    facts: ExplainConfig = ExplainConfig(),
    model: ChatModel | None = None,
) -> ComputedTeacher | LanguageTeacher:
    """Return the teacher of a name, its answers kept and counted; `model` saves loading it again.

    InputError as for `chat_model`, or if its prompts or the file of answers cannot be read.
    """
    check = claims_check(builder.noun, config.forbid_label) if checked else no_check
    if config.name == COMPUTED:
        return ComputedTeacher(builder, seed, check, facts)
    prompts = RolePrompts(config.prompts, {str(role): text for role, text in config.roles.items()})
    cached = asked_once(config, stop, budget, model)
    return LanguageTeacher(cached, builder, prompts, config.teach, seed, check, facts)


class LocalModel:
    """Answers with a model on this machine; those who ask while it writes are answered together.

    The model needs a chat template.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.name = f"{Path(config.base).name} in transformers"
        # Answers of before the choice are found again.
        newer = {"random"} if not config.random else set()
        loaded = ["transformers", config.model_dump(mode="json", exclude=newer)]
        self.identity = json.dumps(loaded, sort_keys=True)
        self._network, self._tokenizer = load_base(config)
        if not self._tokenizer.chat_template:
            raise InputError(
                f"model '{config.base}' has no chat template: give an instruction-tuned model"
            )
        ends = self._network.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends])
        self._room = int(getattr(self._network.config, "max_position_embeddings", 1 << 30))
        self._waiting: list[tuple[Request, Future[Reply]]] = []
        self._writing = threading.Lock()

    def answer(self, request: Request) -> Reply:
        """Answer one request; the same request gives the same answer, but for rounding.

        It is `Unanswered` if question and answer are longer than the model reads.
        """
        mine: Future[Reply] = Future()
        self._waiting.append((request, mine))
        with self._writing:
            # Whoever gets here first also answers those behind: theirs may be done already.
            if not mine.done():
                chosen, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                self._answer(chosen)
        return mine.result()

    def _answer(self, asked: Sequence[tuple[Request, Future[Reply]]]) -> None:
        """Answer some requests together; what goes wrong with one is its own affair."""
        fitting = []
        for request, future in asked:
            text = self._tokenizer.apply_chat_template(
                request.messages, add_generation_prompt=True, tokenize=False
            )
            # The template has written every special token already.
            given = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            if len(given) + request.max_tokens > self._room:
                why = f"{len(given)} tokens and {request.max_tokens} for the answer exceed"
                future.set_exception(Unanswered("too long for the teacher", f"{why} {self._room}"))
            else:
                fitting.append((request, given, future))
        if not fitting:
            return
        try:
            answers = self._write([(request, given) for request, given, _ in fitting])
        except BaseException as error:
            for _, _, future in fitting:
                future.set_exception(error)
            return
        for (request, given, future), written in zip(fitting, answers, strict=True):
            cut = len(written) == request.max_tokens and written[-1] not in self._ends
            text = self._tokenizer.decode(written, skip_special_tokens=True)
            future.set_result(Reply(text, len(given), len(written), cut))

    def _write(self, asked: Sequence[tuple[Request, list[int]]]) -> list[list[int]]:
        """Return the tokens of every answer, its end token included.

        Not `generate`, which draws for all rows from one stream: here each row has a seed of its
        own, so that an answer does not hang on which others are written beside it.
        """
        import torch

        device = self._network.device
        draws = [torch.Generator().manual_seed(request.seed) for request, _ in asked]
        written: list[list[int]] = [[] for _ in asked]
        going = [True] * len(asked)
        given = padded([ids for _, ids in asked], pad_id(self._tokenizer), device)
        cache = None
        with torch.inference_mode():
            while any(going):
                output = self._network(
                    **given, past_key_values=cache, use_cache=True, logits_to_keep=1
                )
                cache, logits = output.past_key_values, output.logits[:, -1].float().cpu()
                for i, (request, _) in enumerate(asked):
                    if not going[i]:
                        continue
                    if request.temperature > 0:
                        shares = (logits[i] / request.temperature).softmax(-1)
                        token = int(torch.multinomial(shares, 1, generator=draws[i]))
                    else:
                        token = int(logits[i].argmax())
                    written[i].append(token)
                    going[i] = token not in self._ends and len(written[i]) < request.max_tokens
                mask = given["attention_mask"]
                given = {
                    "input_ids": torch.tensor([[ids[-1]] for ids in written], device=device),
                    "attention_mask": torch.cat([mask, mask.new_ones(len(asked), 1)], 1),
                    "position_ids": given["position_ids"][:, -1:] + 1,
                }
        return written
