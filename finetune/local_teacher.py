"""A teacher in this process: any local causal language model with a chat template."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from prompts.chat import Reply, Request, Unanswered
from recipes.schema import ModelConfig
from signals.errors import InputError


class LocalModel:
    """Answers with a model on this machine, one request at a time.

    Parameters
    ----------
    config : ModelConfig
        ``smollm2`` (packaged), a local directory, or a hub id.

    Raises
    ------
    InputError
        If the model is nowhere to be found, or has no chat template.
    """

    def __init__(self, config: ModelConfig) -> None:
        from finetune.base import load_base

        self.config = config
        self._network, self._tokenizer = load_base(config)
        if not self._tokenizer.chat_template:
            raise InputError(
                f"model '{config.base}' has no chat template: give an instruction-tuned model"
            )
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name, without the folder it lies in."""
        return f"{Path(self.config.base).name} in transformers"

    @property
    def identity(self) -> str:
        """What is loaded, and in which precision."""
        return json.dumps(["transformers", self.config.model_dump(mode="json")], sort_keys=True)

    def answer(self, request: Request) -> Reply:
        """Answer one request; the same request gives the same answer.

        Raises
        ------
        Unanswered
            If question and answer are longer than the model reads.
        """
        import torch

        text = self._tokenizer.apply_chat_template(
            request.messages, add_generation_prompt=True, tokenize=False
        )
        with self._lock:
            # The template has written every special token already.
            given = self._tokenizer(text, return_tensors="pt", add_special_tokens=False)
            n_given = int(given["input_ids"].shape[1])
            room = int(getattr(self._network.config, "max_position_embeddings", 1 << 30))
            if n_given + request.max_tokens > room:
                raise Unanswered(
                    "too long for the teacher",
                    f"{n_given} tokens and {request.max_tokens} for the answer exceed {room}",
                )
            sampling = (
                {"do_sample": True, "temperature": request.temperature, "top_k": 0, "top_p": 1.0}
                if request.temperature > 0
                else {"do_sample": False, "temperature": None, "top_k": None, "top_p": None}
            )
            torch.manual_seed(request.seed)
            with torch.inference_mode():
                written = self._network.generate(
                    **given.to(self._network.device),
                    max_new_tokens=request.max_tokens,
                    pad_token_id=self._tokenizer.pad_token_id,
                    **sampling,
                )[0, n_given:]
            ends = self._network.generation_config.eos_token_id
            ends = set(ends if isinstance(ends, list) else [ends])
            cut = len(written) == request.max_tokens and int(written[-1]) not in ends
            answer = self._tokenizer.decode(written, skip_special_tokens=True)
        return Reply(answer, n_given, len(written), cut)
