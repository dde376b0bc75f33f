"""The words in which recordings are described.

A phrase may play several roles ("peak" is a statistic and can be counted); the longest phrase of
the table wins, and what is not in the table is skipped.
"""

from __future__ import annotations

Roles = dict[str, str]

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_MOVES = "strokes movements segments lines parts moves"
_LEXICON: dict[str, dict[str, str]] = {
    "axis": {
        "norm": "magnitude|norm|resultant|total acceleration|overall acceleration|vector sum",
        "up": "vertical axis|vertical acceleration|vertical component|vertically|vertical",
        "all": "all axes|all three axes|each axis|every axis|any axis|no axis|all the axes",
        "other": "horizontal|horizontally|lateral|sideways|other axes|the others|both axes|"
        "the other two",
    },
    "sensor": {
        "acc": "acceleration|accelerations|accelerometer|acc|accelerometer reading",
        "gyro": "gyroscope|gyro|rotation|rotations|angular velocity|angular rate|rotates|rotated|"
        "rotating|rotational|turn rate|rotation rate|gyroscope reading|angular speed",
        "linear": "linear acceleration|dynamic acceleration|deviates|deviate|from its mean|"
        "from the mean|around its mean|gravity removed|without gravity|from its median",
        "speed": "top speed|highest speed|maximum speed|top velocity|speed|speeds|velocity|"
        "velocities",
        "derived": "jerk|energy|variance|kurtosis|skewness|correlation|slope|gradient|entropy|"
        "zero crossings|percentile|quantile|score|scores|angle|power",
    },
    "stat": {
        "max": "top speed|highest speed|maximum speed|top velocity|maximum|max|maximal|maxima|"
        "highest|largest value|highest value|maximum value",
        "peak": "fastest|quickest|peak|peaks|peaking|peaked|spike|spikes|spiking|crest|crests|"
        "burst|bursts|pulse|"
        "pulses|impact",
        "min": "minimum|min|minimal|minima|lowest|lowest value|minimum value",
        "valley": "trough|troughs|valley|valleys|dip|dips|dipping",
        "mean": "mean|average|averages|averaged|averaging|on average|mean value|average value",
        "median": "median",
        "std": "standard deviation|standard deviations|std|sd|std dev",
        "span": "peak-to-peak|peak to peak|p2p|total range|overall range|peak-to-peak amplitude|"
        "peak-to-peak range",
        "amplitude": "amplitude|amplitudes",
        "rms": "rms|root mean square|root-mean-square",
        "reach": "reaches|reaching|reached|hits|hitting|attains|rises to|rising to|rise to|"
        "drops to|"
        "dropping to|drop to|falls to|falling to|fall to|climbs to|climbing to|up to|down to|"
        "increases to|decreases to|goes to|surges to|shoots to|reach|goes up to|swings to|"
        "increase to|decrease to|increasing to|decreasing to|plunges to|plunge to|shoot up to|"
        "shoots up to|spikes to|jumps to|bottoms out at|tops out at|topping out at",
        "stay": "stays|staying|stay|remains|remaining|remain|constant|steady|hovers|hovering|hover|"
        "constantly|stable|keeps|stayed|remained|hovered|holds|stays at|lies|sits",
        "range": "ranges|ranging|range|varies|varying|vary|oscillates|oscillating|oscillate|swings|"
        "swinging|fluctuates|fluctuating|fluctuate|spans|spanning|values|lies between",
        "trend": "rises|rising|rise|increases|increasing|increase|decreases|decreasing|decrease|"
        "falls|falling|drops|dropping|climbs|climbing|declines|declining|grows|goes",
    },
    "compare": {
        "over": "at least|no less than|more than|above|exceeds|exceeding|exceed|greater than|"
        "larger than|higher than|beyond|exceeded|surpasses|goes above|goes beyond|rises above|"
        "in excess of|faster than|stronger than|bigger than|≥|>",
        "floor": "not below|never below|does not fall below|never falls below|never drops below|"
        "does not drop below|never goes below|does not go below|not fall below|not drop below",
        "under": "at most|no more than|not more than|below|less than|lower than|smaller than|"
        "under|slower than|weaker than|"
        "within|≤|<",
        "ceiling": "does not exceed|not exceed|never exceeds|never exceed|not exceeding|"
        "without exceeding|never goes beyond|does not go beyond|never goes above|not above|"
        "does not go above|doesn't exceed|do not exceed|don't exceed|never above|not beyond|"
        "never surpasses|does not surpass|did not exceed|never exceeded|never rises above|"
        "does not rise above|never beyond|does not reach|never reaches|cannot exceed|"
        "no larger than|no higher than|never more than|not go beyond|not go above|no greater than|"
        "didn't exceed|doesn't go beyond|doesn't go above|doesn't reach|never goes over|"
        "never gets above|does not get above|without going beyond|never went above",
    },
    "hedge": {
        "": "about|around|approximately|approx|roughly|nearly|almost|circa|close to|near|some|ca|"
        "just over|just under|slightly above|slightly below|slightly over|slightly under|"
        "just above|"
        "just below|a little over|a little under|~|≈|or so"
    },
    "not": {
        "": "not|no|never|without|neither|nor|isn't|doesn't|don't|aren't|wasn't|lacks|lack|absence|"
        "rather than|instead of|unlike|nothing|none|hardly|barely|cannot|can't|didn't|weren't|"
        "absent|fails to|rarely|scarcely|little|no axis"
    },
    "maybe": {
        "": "if|would|could|might|may|should|expected|expect|expects|typical|typically|usual|"
        "usually|"
        "normally|generally|ideally|imagine|suppose|for example|unless|whether|threshold|tolerance|"
        "assume|assuming|perhaps|possibly|maybe|probably|likely|unlikely|often|sometimes|"
        "can be expected|"
        "commonly|ought|compared to|compared with|than that of|seems|seem|appears to|resembles|"
        "similar to|"
        "like a|as in|respectively|alternatively|were it|were the|because letters|other letters|"
        "other recordings|characteristic of|known"
    },
    "sign": {"+": "positive|positively", "-": "negative|negatively"},
    "dir": {
        "up": "up|upward|upwards|ascends|ascent|ascending|upstroke|rises upward",
        "down": "down|downward|downwards|descends|descent|descending|downstroke",
        "left": "left|leftward|leftwards",
        "right": "right|rightward|rightwards",
        "away": "away from the writer|away from the body",
        "near": "towards the writer|toward the writer|towards the body|toward the body",
        "up-right": "up-right|upper-right|upper right|right-up|up right|up and right|"
        "up and to the right|right and up|upward right|top right|upward and to the right",
        "up-left": "up-left|upper-left|upper left|left-up|up left|up and left|up and to the left|"
        "left and up|top left|upward and to the left",
        "down-right": "down-right|lower-right|lower right|right-down|down right|down and right|"
        "down and to the right|right and down|bottom right|downward and to the right",
        "down-left": "down-left|lower-left|lower left|left-down|down left|down and left|"
        "down and to the left|left and down|bottom left|downward and to the left",
    },
    "upis": {"": "up is|up axis is|upward axis is|up points along"},
    "gravity": {"": "gravity|gravitational|gravitational pull|gravitational acceleration"},
    "move": {
        "": f"{_MOVES.replace(' ', '|')}|stroke|movement|segment|line|move|moved|moving|hand|pen|"
        "goes|"
        "going|motion|heads|heading|travels|draws|drawn|returns|sweeps|sweep|path|writes|traces|"
        "shifts|stylus|then|runs|sweeping|writing|slides|pulls|pushes|diagonal|starts|ends"
    },
    "rest": {
        "": "at rest|rest|rests|resting|rested|stationary|motionless|no movement|no motion|"
        "not moving|does not move|doesn't move|no significant movement|no significant motion|pause|"
        "pauses|paused|pausing|stands still|standing still|holds still|held still|lies still|"
        "lying still|stays still|remains still|kept still|keeps still|comes to rest|is still|"
        "without movement|without moving|stops moving|immobile|idle|is at rest|stopped"
    },
    "active": {
        "": "in motion|is moving|keeps moving|never rests|never at rest|no rest|no pause|no pauses|"
        "without pause|without pauses|without a pause|without rest|never pauses|does not rest|"
        "never stops|without stopping|not at rest|not still|never still|moves throughout"
    },
    "begin": {
        "": "at the start|at the beginning|initially|at first|starts|begins|initial|start|"
        "beginning|"
        "starting|in the beginning|from the start|first|at the outset|opens|start of|started|began"
    },
    "finish": {
        "": "at the end|finally|ends|eventually|final|last|end|ending|in the end|concludes|"
        "finishes|"
        "towards the end|toward the end|lastly|closes|end of|ended"
    },
    "all": {
        "always": "throughout|always|entire|whole|the whole time|all the time|entirely|"
        "at all times|every sample|consistently|completely|all samples|all values|"
        "the whole recording|the entire recording|whole recording|entire recording",
        "mostly": "mostly|mainly|predominantly|largely|primarily|most of the time|"
        "for the most part|overall",
    },
    "then": {
        "": "then|followed by|next|afterwards|after that|subsequently|thereafter|and then|before|"
        "later|→|->|finally|after which|and finally",
        "and": "and",
    },
    "back": {"": "after|preceded by|following|previously|earlier|once"},
    "most": {
        "most": "fastest|quickest|largest|strongest|greatest|biggest|dominant|dominates|"
        "dominating|main|mainly|"
        "primary|primarily|most pronounced|highest|widest|most active|most|mostly|predominantly|"
        "most significant|largest part|most of|nearly all|almost all|almost only",
        "least": "smallest|weakest|least|lowest|least active",
    },
    "much": {
        "": "variation|variations|variability|activity|changes|change|fluctuations|fluctuation|"
        "dynamics|excursion|excursions|oscillations|spread|motion|movement|amplitude|amplitudes|"
        "rotation|acceleration|dominates|variance|axis|happens|moves|signal|range|peak|peaks|"
        "strongest|"
        "dominant|varies|vary"
    },
    "noun": {
        "turn": "turning points|turning point|turns|corners|corner|direction changes|reversals|"
        "changes of direction|changes in direction|direction change|change of direction|reversal|"
        "turning-points",
        "peak": "peaks|peak|spikes|spike|maxima|bursts|burst|crests|pulses",
        "valley": "valleys|valley|troughs|trough|minima|dips",
        "move": f"{_MOVES.replace(' ', '|')}|stroke|movement|segment|straight lines",
        "phase": "phases|phase|stages|stage",
        "rest": "pauses|pause|rests|stops|rest phases|resting phases",
        "sample": "samples|data points|time steps|readings|points|measurements",
    },
    "few": {str(n): word for n, word in enumerate(_NUMBERS.split())}
    | {"1": "one|single|exactly one|only one|just one|a single"},
    "lasts": {
        "": "lasts|lasting|lasted|duration|takes|long|took|total time|total duration|time span|"
        "in total|continues|length of the recording|spans"
    },
    "self": {"": "recording|signal|gesture|sequence|it|letter|whole|total|data|sample|trace"},
    "sampling": {
        "": "sampled|sampling|sampling rate|sampling frequency|recorded at|sample rate|samples at"
    },
    "dominant": {
        "": "dominant frequency|main frequency|frequency|rhythm|cadence|periodicity|periodic|"
        "step rate|oscillation frequency|oscillates|repeats"
    },
    "at": {"": "at|near|time|t|at time|by|occurs|occurring|occurs at|at about|at around|around"},
    "from": {"": "from|between|during"},
    "to": {"": "to|and|until|till|through|–|-|−|—"},
    "dash": {"": "–|-|−|—|to|through|until"},
    "until": {"": "until|till|up until|before"},
    "since": {"": "from|after|since|starting at|onwards"},
    "first": {"": "first|the first|initial"},
    "last": {"": "last|the last|final"},
    "index": {
        "": "sample|samples|index|indices|data point|data points|step|time step|steps|time steps|"
        "point|points|sample number|sample index"
    },
    "size": {"wide": "wide|width|across", "tall": "tall|height|high", "path": "path length"},
    "half": {"": "half|third|quarter"},
    "name": {"": "letter|capital|character|uppercase|conclusion|answer|label|digit|an|a"},
    "comma": {"": ",|:|(|)"},
    "skip": {
        "": "right after|right before|right away|right side|right hand|right-handed|"
        "left hand|left-handed|left side|is left|left over|left out|upright|right angle|speeds up|"
        "speeding up|speed up|slows down|slowing down|slow down|makes up|make up|made up|ends up|"
        "end up|set up|picks up|pick up|break down|broken down|settles down|settling down|"
        "comes down to|sums up|sum up|sped up|slowed down|rest of|the rest|all right|face up|"
        "face down|facing up|facing down|upside down|points up|pointing up|break up|breaks up|"
        "leading up to|in general|moving average|at the same time|follow up|bottom up|top down|"
        "point of view|points to|points out|turns out|turn out|in turn|stands up|standing up|"
        "stand up|sits down|sitting down|sit down|lies down|lying down|gets up|still be|"
        "one of|one another|on the one hand|on the other hand|first of all|at first glance|"
        "right wrist|"
        "left wrist|right foot|left foot|up and down|left and right|back and forth|z-shape|"
        "as expected|at least one|sample of|zero-mean|near zero|close to zero|the letter|"
        "position of|no longer"
    },
}


def _table() -> dict[str, Roles]:
    table: dict[str, Roles] = {}
    for role, values in _LEXICON.items():
        for value, phrases in values.items():
            for phrase in phrases.split("|"):
                table.setdefault(phrase, {})[role] = value
    for a in "xyz":
        for form in ("{}", "{}-axis", "{} axis", "axis {}", "{}-direction", "{} direction"):
            table[form.format(a)] = {"axis": a}
        for form in ("{}-component", "{} component", "{} channel", "{} values", "{}-values"):
            table[form.format(a)] = {"axis": a}
        for form in ("acc_{}", "acc {}", "a_{}", "accel_{}", "a{}", "{}-acceleration"):
            table[form.format(a)] = {"axis": a, "sensor": "acc"}
        table[f"{a} acceleration"] = {"axis": a, "sensor": "acc"}
        for form in ("gyro_{}", "gyro {}", "g{}", "{}-rotation", "{} rotation", "{}-gyro"):
            table[form.format(a)] = {"axis": a, "sensor": "gyro"}
        table[f"lin_acc_{a}"] = {"axis": a, "sensor": "linear"}
    table["right at"] = {"at": ""}
    table["to the right at"] = {"dir": "right", "at": ""}
    # Being a name ends what "the letter" and such could mean beside it.
    for phrase in _LEXICON["skip"][""].split("|"):
        table[phrase] = {"name": ""} if phrase == "the letter" else {"skip": ""}
    return table


TABLE = _table()
"""Every phrase and what it may be."""
KNOWN = frozenset(word for phrase in TABLE for word in phrase.split(" "))
"""The words that occur in phrases."""
BEGUN = frozenset(
    " ".join(words[:n]) for words in (p.split(" ") for p in TABLE) for n in range(1, len(words))
)
"""What longer phrases begin with."""
