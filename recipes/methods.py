"""Every method that a recipe may compare, by name, and what tells one from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shows = Literal["all", "tokens", "text"]
"""What of a signal stands in a prompt: all that the recipe says, or one alone."""


MethodName = Literal[
    "zero-shot",
    "few-shot",
    "adapter",
    "fine-tuned",
    "fine-tuned-tokens",
    "fine-tuned-text",
    "fine-tuned-few-shot",
    "fine-tuned-retrieval",
    "fine-tuned-own",
    "encoder",
    "encoder-own",
    "generate",
    "fine-tuned-generate",
    "random-forest",
    "svm",
    "extra-trees",
    "dtw-1nn",
    "dtw-1nn-own",
    "minirocket",
    "cnn",
    "resnet",
    "text-ngram",
    "text-svm",
]
"""What a recipe of labels may compare."""


@dataclass(frozen=True)
class Method:
    """What a method is and what it is given."""

    kind: Literal[
        "language",
        "encoder",
        "baseline",
        "mapping",
        "analytic",
        "fusion",
        "text",
        "aligned",
        "other",
    ]
    """``language``: a language model reads; ``encoder``: the linear head that was trained with its
    sensor tokens, without the language model; ``baseline``: a classifier; ``mapping``: a trained
    encoder finds the nearest item of a gallery; ``analytic``: the same without an encoder;
    ``fusion``: mapping and language model together; ``text``: a sentence encoder compares a signal
    in words with labels in words; ``aligned``: a sensor encoder that was aligned with one (LanHAR);
    ``other``: not among `METHODS`."""
    tuned: bool = False
    """The language model is first trained on the fold's training people."""
    own: bool = False
    """Is also shown one recording of each label by the test person."""
    neighbours: bool = False
    """Its prompts name what the nearest labelled recordings show."""
    shots: bool = False
    """Its prompts show whole labelled examples."""
    shows: Shows = "all"
    """What stands in the prompt for the signal."""
    generates: bool = False
    """The language model writes and its answer is parsed; otherwise every label is scored."""
    transductive: bool = False
    """Has seen the tested recordings before it is asked about them, without their labels."""
    classifier: str = ""
    """Which of `eval.methods.baselines.BASELINES` a baseline is."""

    @property
    def asks_model(self) -> bool:
        """Whether a language model has a part in it."""
        return self.kind in ("language", "fusion")

    @property
    def learns(self) -> bool:
        """Whether it learns from the fold's training people."""
        return self.tuned or self.kind in ("baseline", "mapping", "fusion", "aligned")


_CLASSIFIERS = (
    *(
        "random-forest",
        "svm",
        "extra-trees",
        "relative-trees",
        "dtw-1nn",
        "minirocket",
        "cnn",
        "resnet",
    ),
    *("text-ngram", "text-svm"),
)

METHODS = {
    "zero-shot": Method("language"),
    "few-shot": Method("language", shots=True),
    "adapter": Method("language"),  # the one that training starts from, as it is
    "fine-tuned": Method("language", tuned=True),
    "fine-tuned-tokens": Method("language", tuned=True, shows="tokens"),
    "fine-tuned-text": Method("language", tuned=True, shows="text"),
    "fine-tuned-few-shot": Method("language", tuned=True, shots=True),
    "fine-tuned-retrieval": Method("language", tuned=True, neighbours=True),
    "fine-tuned-own": Method("language", tuned=True, neighbours=True, own=True),
    "encoder": Method("encoder", tuned=True),
    "encoder-own": Method("encoder", tuned=True, own=True),
    "generate": Method("language", generates=True),
    "fine-tuned-generate": Method("language", tuned=True, generates=True),
    **{name: Method("baseline", classifier=name) for name in _CLASSIFIERS},
    "dtw-1nn-own": Method("baseline", classifier="dtw-1nn", own=True),
    "mapping": Method("mapping"),
    "mapping-vote": Method("mapping"),
    "analytic": Method("analytic"),
    "analytic-dtw": Method("analytic"),
    "llm-3d": Method("language"),
    "llm-retrieved": Method("language"),
    "llm-synthesised": Method("language"),
    "fusion": Method("fusion"),
    "text-zero-shot": Method("text"),
    "text-linear": Method("text"),
    "hargpt": Method("language", generates=True),
    "hargpt-scored": Method("language"),
    "lanhar": Method("aligned"),
    "lanhar-names": Method("aligned"),
    "lanhar-transductive": Method("aligned", transductive=True),
}


def method_of(name: str) -> Method:
    """Return what is known of a method; result files may name one that no recipe does."""
    return METHODS.get(name, Method("other"))


def is_baseline(name: str) -> bool:
    """Tell whether a method is a classifier."""
    return method_of(name).kind == "baseline"


def is_tuned(name: str) -> bool:
    """Tell whether a method trains the language model first."""
    return method_of(name).tuned
