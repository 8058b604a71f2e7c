"""What a study's answers are in words: the four that can be said, each with its figures."""

import math
from collections.abc import Iterator

from lib import quantities
from lib.analysis.questions import CANT_SHOW, Answer
from lib.quantities import number, word
from lib.stats import ALPHA
from lib.stats.pairs import ALIKE, DIFFERS, NOT_DECIDED, Pair
from lib.text import listed, p_value, sentence

MOST_PAIRS = 3  # of a context, that are told one by one
MOST_CONTEXTS = 6  # that are told one by one; of more, the table of pairs tells the rest

_WORDS = {
    DIFFERS: ("differs", "differ"),
    ALIKE: ("is alike within the margin", "are alike within the margin"),
    NOT_DECIDED: ("is not decided", "are not decided"),
}
"""Of one pair, and of several."""

_OPEN = ", which is not decided"

TARGET = 0.05  # the precision that what is still missing is told for, where a study names no margin


def in_words(found: Answer, most: int = MOST_PAIRS) -> tuple[str, ...]:
    """What the runs say to the questions, in sentences, and first what stands in the way.

    At `most` so many pairs of a context are told one by one.
    """
    if not found.design.compared:
        return (_spread(found),)
    if not found.pairs:
        return (f"Nothing can be compared: {found.effect.reason}.",)
    how = "By the wattmeter" if found.response == "wattmeter_energy" else ""
    said = [sentence(", ".join(filter(None, [how, part]))) for part in _contexts(found, most)]
    if most == 1:  # of each context its extremes only, which is one answer
        said = [" ".join(said)]
    ways = " ".join(found.confounded)
    confounded = f"This comparison is confounded: {ways}" if ways else None
    return tuple(filter(None, [confounded, _overall(found), *said, _interaction(found)]))


def _overall(found: Answer) -> str | None:
    """What is said of all pairs at once, where it isn't that some differ."""
    compared = listed(map(word, found.design.compared))
    if not found.is_final:
        return "Runs are missing, so nothing is tested yet; ratios may still change."
    if found.effect.verdict == CANT_SHOW:
        least = found.effect.smallest_p
        why = found.effect.reason or f"the smallest p that it could give is {least:.2g}"
        return f"This design can't show a difference between levels of {compared}: {why}."
    if found.effect.verdict == NOT_DECIDED and not any(
        found.verdict(pair) == ALIKE for pair in found.pairs
    ):
        p = p_value(found.effect.p_holm)
        return (
            f"Whether the energy depends on the {compared} is not decided ({p}, permutation test)."
        )
    return None


def _contexts(found: Answer, most: int) -> Iterator[str]:
    """What can be said within each context: of a few pairs of each, of many of the extremes."""
    contexts: dict[tuple[str, ...], list[Pair]] = {}
    for pair in found.pairs:
        contexts.setdefault(pair.context, []).append(pair)
    for place, (context, pairs) in enumerate(contexts.items()):
        if place == MOST_CONTEXTS:
            yield f"the table of pairs has {len(contexts) - place:,} more contexts"
            return
        where = within(found.design.context, context)
        if len(pairs) <= most:
            yield where + "; ".join(_pair(found, pair) for pair in pairs)
            continue
        counts = {
            verdict: sum(found.verdict(pair) == verdict for pair in pairs)
            for verdict in (DIFFERS, ALIKE, NOT_DECIDED)
        }
        known = [pair for pair in pairs if not math.isnan(pair.ratio)]
        widest = max(known, key=lambda pair: pair.ratio, default=None)
        same = [verdict for verdict, count in counts.items() if count == len(pairs)]
        text = f"of {len(pairs)} pairs " + listed(
            f"{count} {_WORDS[verdict][count > 1]}" for verdict, count in counts.items() if count
        )
        if same:
            text = f"all {len(pairs)} pairs {_WORDS[same[0]][1]}"
        if not found.is_final or found.effect.verdict == CANT_SHOW:
            text = f"{len(pairs)} pairs were measured"
        apart = "" if widest is None else _pair(found, widest)
        if same == [NOT_DECIDED] and apart and found.is_final:  # which is said once
            text = f"the furthest apart of {len(pairs)} pairs, none of which is decided: "
            text += apart.replace(_OPEN, "")
        elif apart:
            text += f"; furthest apart: {apart}"
        yield where + text


def within(columns: tuple[str, ...], levels: tuple[str, ...]) -> str:
    """`on cifar10 `, or `with precision mixed `; "" without a context."""
    words = [
        quantities.within(level).strip() if column == "dataset" else f"with {column} {level}"
        for column, level in zip(columns, levels, strict=True)
    ]
    return " ".join([*words, ""]) if words else ""


def _pair(found: Answer, pair: Pair) -> str:
    if math.isnan(pair.ratio):
        return f"{pair.first} and {pair.second} can't be compared ({pair.reason})"
    took = f"{pair.first} used {number(pair.ratio, 3)} times the energy of {pair.second}"
    if pair.reason:
        return f"{took} ({pair.reason}, so this may be chance)"
    limits = f"simultaneous 95 %: {number(pair.low, 3)} to {number(pair.high, 3)}"
    if not found.is_final:
        return took
    verdict = found.verdict(pair)
    if verdict == DIFFERS:
        took = took.replace(" used ", " uses ", 1)
        return f"{took} ({limits}; {p_value(pair.p_holm)})"
    if verdict == ALIKE:
        margin = f"{100 * (found.design.margin or 0.0):.3g} %"
        return f"{pair.first} and {pair.second} are alike within {margin} ({limits})"
    if verdict == CANT_SHOW:
        return f"{took} here, which these runs can't tell from chance"
    target = found.design.margin or TARGET
    percent = f"{100 * target:.3g} %"
    if pair.is_in_doubt:
        differ = pair.p_holm < ALPHA
        what = "either may use more" if differ else f"they may be further apart than {percent}"
        settled = f"; {pair.settled_by} would settle it" if pair.settled_by else ""
        return f"{took} ({limits}), but given the instruments' errors {what}{settled}"
    needed = _needed(found, target, pair.precision)
    more = f"; ± {percent} by the runs' scatter needs {needed:,} repetitions" if needed else ""
    return f"{took}{_OPEN} ({limits}{more})"


def _needed(found: Answer, target: float, reach: float) -> int | None:
    """Repetitions of each that a precision needs; None where it is reached, or they are there."""
    needed = found.repetitions_for(target)
    there = min(n for pair in found.pairs for n in pair.n)
    return needed if needed and needed > there and reach > target else None


def _interaction(found: Answer) -> str | None:
    asked = found.interaction
    if not found.design.context or asked.verdict != DIFFERS:
        return None
    compared, context = (
        listed(map(word, names)) for names in (found.design.compared, found.design.context)
    )
    p = p_value(asked.p_holm)
    return f"The effect of the {compared} depends on the {context} (interaction {p})."


def _spread(found: Answer) -> str:
    """What runs say where nothing is compared: how far they scatter."""
    if not found.df or not found.spread > 0:
        return "Nothing was varied, so there is nothing to compare."
    return (
        f"Nothing was varied: {found.n} runs of one configuration scatter by "
        f"{100 * found.spread:.2g} % (standard deviation)."
    )


def precision(found: Answer) -> str | None:
    """How well the ratios are known by the scatter, and what would make them known better."""
    if math.isnan(found.reach):
        return None
    needed = _needed(found, TARGET, found.reach)
    more = f"; ± {100 * TARGET:.0f} % would need {needed:,} repetitions" if needed else ""
    factor, percent = number(1 + found.reach, 2), number(100 * found.reach, 2)
    reach = f"within a factor of {factor}" if found.reach >= 1 else f"to ± {percent} %"
    return f"By the runs' scatter alone every ratio is known {reach} or better{more}."
