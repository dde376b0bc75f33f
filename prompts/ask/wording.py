"""What the prompts say: one set of sentences for letters, characters and activities each.

The parts follow the air-writing study (role, task, key points, examples, query, answer form); the
sentences are our own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """The sentences of one kind of task.

    Parameters
    ----------
    noun : str
        What a label is.
    role : str
        Who the model shall be.
    tasks : tuple of str
        The instruction; the first is used for evaluation, the others paraphrase it.
    key_points : str
        What to bear in mind when reading the signal.
    learn : str
        Opens the examples.
    query : str
        Opens the signal in question.
    brief : str
        The whole instruction in a few tokens, for fine-tuned models behind a chat template.
    """

    noun: str
    role: str
    tasks: tuple[str, ...]
    key_points: str
    learn: str
    query: str
    brief: str


_WRITING_TASKS = (
    "You get the motion-sensor signal of one handwritten {noun} as text, from the first moment to "
    "the last. Decide which single {noun} was written.",
    "Below, the movement of a hand that wrote one {noun} is given as text in the order of time. "
    "Which {noun} is it?",
    "A sensor was held while one {noun} was written. Its signal follows as text, earliest part "
    "first. Name the {noun}.",
    "Read this signal from left to right as a hand in motion. Exactly one {noun} was drawn: tell "
    "which one.",
    "Someone wrote one {noun} with a motion sensor in hand. Recover the {noun} from the recorded "
    "signal, which is written out here step by step.",
    "The text below stands for the measurements of a motion sensor during the writing of a single "
    "{noun}. Work out which {noun} fits them.",
    "Match the recorded hand movement, given as text in time order, to the one {noun} whose "
    "strokes it follows.",
    "Your input is a movement signal in text form; your output is the one {noun} that the writer "
    "had in mind.",
)

_WRITING_POINTS = (
    "Key points\n"
    "- The order matters: neighbouring entries are neighbouring moments, and their change is the "
    "movement.\n"
    "- The signal is a movement, not a list of scores: sums and averages of it answer nothing.\n"
    "- Measured acceleration contains gravity, about 9.8 m/s², which tells how the sensor was "
    "held and not what was written.\n"
    "- A stroke speeds up and then slows down; a sharp turn or a new stroke starts slowly.\n"
    "- Between strokes the hand moves on without writing; that movement is in the signal as well.\n"
    "- Think of the usual way to write each {noun}: where it starts, the order and the direction "
    "of its strokes.\n"
    "- People differ in size, slant and speed; shape and order differ less."
)


def _writing(noun: str) -> Wording:
    return Wording(
        noun=noun,
        role=f"You are an expert who reads handwriting from motion sensors and names the {noun}.",
        tasks=tuple(task.format(noun=noun) for task in _WRITING_TASKS),
        key_points=_WRITING_POINTS.format(noun=noun),
        learn=(
            "Labelled signals come first. Note for each what its movement has to do with the way "
            f"the {noun} is written, then use that."
        ),
        query=f"Which {noun} does this signal show?",
        brief=f"Name the written {noun}.",
    )


_ACTIVITY = Wording(
    noun="activity",
    role="You are an expert who recognises human activities from motion sensors.",
    tasks=(
        "You get the motion-sensor signal of one activity as text, from the first moment to the "
        "last. Decide which single activity the person did.",
        "Below, the readings of a body-worn motion sensor are given as text in the order of time. "
        "Which activity do they show?",
        "A person wore a motion sensor during one activity. Its signal follows as text, earliest "
        "part first. Name the activity.",
        "Read this signal from left to right as a body in motion. Exactly one activity took "
        "place: tell which one.",
        "Recover from the recorded signal, which is written out here step by step, what its "
        "wearer was doing.",
        "The text below stands for the measurements of a motion sensor during a single activity. "
        "Work out which activity fits them.",
        "Match the recorded movement, given as text in time order, to the one activity that "
        "causes it.",
        "Your input is a movement signal in text form; your output is the one activity of the "
        "person who wore the sensor.",
    ),
    key_points=(
        "Key points\n"
        "- The order matters: neighbouring entries are neighbouring moments, and their change is "
        "the movement.\n"
        "- The signal is a movement, not a list of scores: sums and averages of it answer "
        "nothing.\n"
        "- Measured acceleration contains gravity, about 9.8 m/s²; the axis that carries it tells "
        "the posture.\n"
        "- Walking and running repeat once a step; a change of posture happens once.\n"
        "- A fall ends in a short, strong impact; at rest only gravity is left.\n"
        "- People differ in pace and strength; the pattern differs less."
    ),
    learn=(
        "Labelled signals come first. Note for each what its pattern has to do with the activity, "
        "then use that."
    ),
    query="Which activity does this signal show?",
    brief="Name the activity.",
)

WORDINGS = {"letter": _writing("letter"), "character": _writing("character"), "activity": _ACTIVITY}
