"""What plays the parts of architecture, dataset and accuracy in a study of other factors.

Analysis and report are about what is compared, within what, and what it is to reach. For
`train.ipynb` these are the columns `architecture`, `dataset` and `accuracy`; for a notebook of a
study's own, its factors and its quality take their places, and the words in front of people are the
study's.
"""

import pandas as pd

from lib import quantities
from lib.analysis import variants
from lib.study.study import Study

COMPARED, WITHIN, QUALITY = "architecture", "dataset", "accuracy"


def are_played(results: pd.DataFrame) -> bool:
    """Whether the runs are of a notebook, or a script, of the study's own."""
    return "notebook" in results and bool(results["notebook"].notna().any())


def played(results: pd.DataFrame, study: Study | None) -> pd.DataFrame:
    """Runs with their factors and quality in the columns of the parts that they play.

    A quality of which less is better is taken with a minus, so that more is better of all.
    """
    if not are_played(results) or study is None:
        return results
    varied = [name for name, levels in study.factors.items() if len(levels) > 1]
    compared = study.compared if study.compared in varied else next(iter(varied), None)
    context = [name for name in varied if name != compared]
    alone = pd.Series(study.title if compared is None else quantities.ALONE, index=results.index)
    parts = {
        COMPARED: alone if compared is None else _levels(results, [compared]),
        WITHIN: _levels(results, context) if context else quantities.ALONE,
        QUALITY: _signed(results.get(study.quality.name), study),
    }
    words = {COMPARED: _in_words(compared or "training")}
    words[WITHIN] = _in_words(" and ".join(context) or "data")
    if study.quality.name != QUALITY:
        named = study.quality.name.replace("_", " ")
        # `F1`, or `−bits per character` of which less is better.
        named = _in_words(named) if study.quality.better == "higher" else f"−{named}"
        words |= {QUALITY: named, f"mean_{QUALITY}": f"{named}, mean"}
        words |= {f"{QUALITY}_difference": f"{named}, difference", "threshold": f"{named}, target"}
        words |= {f"equal_{QUALITY}": f"{named}, equal"}
    quantities.call(words)
    others = [name for name in varied if name in results and name not in (COMPARED, WITHIN)]
    return results.drop(columns=others).assign(**parts)


def histories(told: dict[str, pd.DataFrame], study: Study | None) -> dict[str, pd.DataFrame]:
    """Histories with the quality in the column that the curves are drawn of."""
    if study is None or study.quality.name == QUALITY:
        return told
    column = f"val_{QUALITY}"
    return {
        run_id: history.assign(**{column: _signed(history[study.quality.name], study)})
        if study.quality.name in history
        else history
        for run_id, history in told.items()
    }


def _levels(results: pd.DataFrame, names: list[str]) -> pd.Series:
    """Levels in words: a text is its own name, a number has that of its factor before it."""

    def said(value: object, name: str) -> str:
        if isinstance(value, str):
            return value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return f"{name} {value:g}" if is_number else f"{name} {value}"

    columns = [results[name].map(lambda value, name=name: said(value, name)) for name in names]
    return variants.together(columns)


def _signed(values: pd.Series | None, study: Study) -> pd.Series | float:
    if values is None:
        return float("nan")
    numbers = pd.to_numeric(values)
    return numbers if study.quality.better == "higher" else -numbers


def _in_words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
