"""How often what a report claims is wrong: whole studies, simulated, and what is said of them.

Each simulated study is a table of results. Most figures count what the tests, intervals and
verdicts say of hundreds or thousands of them; `sentences` puts some to the whole path of a report
and reads what it prints.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py     # everything; about half an hour
    python benchmarks/calibration.py --only power --studies 200
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from lib.analysis import questions, savings
from lib.analysis.variants import COLUMN, REFERENCE
from lib.report import verdicts
from lib.stats import ALPHA, agreement, permutation, score
from lib.stats.model import LogModel
from lib.stats.observations import Observations
from lib.study.study import Study

ARCHITECTURES = ("VGG16", "VGG19", "ResNet50")
DATASETS = ("mnist", "cifar10")
REPETITIONS = (2, 3, 5, 10, 30)
CV = 0.05
ALIKE_ALL = dict.fromkeys(ARCHITECTURES, 1.0)
APART = dict(zip(ARCHITECTURES, (1.0, 1.1, 1.25), strict=True))

Noise = Callable[[np.random.Generator, np.ndarray], np.ndarray]
"""Noise of the logs of runs whose architectures have these numbers; its mean is 0."""


def normal(rng: np.random.Generator, architecture: np.ndarray) -> np.ndarray:
    """Log-normal energies."""
    return CV * rng.normal(size=len(architecture))


def skewed(rng: np.random.Generator, architecture: np.ndarray) -> np.ndarray:
    """Exponential: never far below the mean, sometimes far above."""
    return CV * (rng.exponential(size=len(architecture)) - 1)


def heavy_tailed(rng: np.random.Generator, architecture: np.ndarray) -> np.ndarray:
    """Student's t with three degrees of freedom."""
    return CV * rng.standard_t(3, len(architecture)) / np.sqrt(3)


def unequal(rng: np.random.Generator, architecture: np.ndarray) -> np.ndarray:
    """One architecture scatters five times as much as the others."""
    return normal(rng, architecture) * np.array([0.5, 0.5, 2.5])[architecture]


def outliers(rng: np.random.Generator, architecture: np.ndarray) -> np.ndarray:
    """One run of twenty takes half as much again."""
    hit = rng.random(len(architecture)) < 0.05
    return normal(rng, architecture) + np.log(1.5) * (hit - 0.05)


NOISES: dict[str, Noise] = {
    "normal": normal,
    "skewed": skewed,
    "heavy tails": heavy_tailed,
    "spreads 1 : 1 : 5": unequal,
    "5 % outliers": outliers,
}


def study(
    rng: np.random.Generator,
    repetitions: int,
    *,
    ratios: dict[str, float] = ALIKE_ALL,
    datasets: int = 2,
    noise: Noise = normal,
    machines: int = 1,
    blocks: float = 0.0,
) -> pd.DataFrame:
    """Completed runs, as a results table has them.

    Args:
        rng: Of the noise.
        repetitions: Of each configuration on each machine; where there are several machines, a
            tenth of the runs is missing.
        ratios: Energies by architecture.
        datasets: One or two, the second takes twice the energy.
        noise: Of the logs.
        machines: One or two, the second takes three times the energy.
        blocks: Standard deviation of the logs between repetitions of everything.
    """
    cells = pd.MultiIndex.from_product(
        [range(machines), range(repetitions), range(datasets), range(len(ARCHITECTURES))],
        names=["machine", "repetition", "dataset", "architecture"],
    ).to_frame(index=False)
    shifts = rng.normal(0, blocks, (machines, repetitions))
    logs = noise(rng, cells["architecture"].to_numpy())
    logs += np.log([ratios[name] for name in ARCHITECTURES])[cells["architecture"]]
    logs += np.log(2) * cells["dataset"] + np.log(3) * cells["machine"]
    logs += shifts[cells["machine"], cells["repetition"]]
    minutes = pd.to_timedelta(np.arange(len(cells)), "min")
    runs = pd.DataFrame(
        {
            "run_id": [f"run-{number}" for number in range(len(cells))],
            "status": "completed",
            "architecture": np.array(ARCHITECTURES)[cells["architecture"]],
            "dataset": np.array(DATASETS)[cells["dataset"]],
            "machine": [f"machine-{number}" for number in cells["machine"]],
            "repetition": cells["repetition"] + 1,
            "started_at": (pd.Timestamp("2026-01-01", tz="UTC") + minutes).astype(str),
            "energy_consumed": 0.01 * np.exp(logs),
        }
    )
    if machines > 1:
        runs = runs[rng.random(len(runs)) > 0.1].reset_index(drop=True)
    return runs


def observed(runs: pd.DataFrame) -> Observations:
    """The design that the program reads off such a table."""
    return Observations.of(
        runs,
        "energy_consumed",
        "architecture",
        context=["dataset"],
        place=["machine"],
        block="repetition",
    )


def seen(
    rng: np.random.Generator,
    studies: int,
    repetitions: int,
    *,
    ratios: dict[str, float] = ALIKE_ALL,
    noise: Noise = normal,
    blocks: float = 0.0,
    margin: float | None = None,
    **how: int,
) -> dict[str, float]:
    """What would be said of many studies of one design: shares of truths and errors."""
    design = observed(study(rng, repetitions, **how))
    names = [name for (name,) in design.compared.levels]
    architecture = np.array([ARCHITECTURES.index(name) for name in names])[design.compared.codes]
    logs = noise(rng, np.tile(architecture, studies)).reshape(studies, -1)
    logs += rng.normal(0, blocks, (studies, len(design.block)))[:, design.block.codes]
    logs += np.log([ratios[names[code]] for code in design.compared.codes])
    model = LogModel(design)
    # As in an answer: of the permutation's p and the model's the larger.
    modelled = model.effect_p(logs)
    effect = {
        alpha: _permuted(design, logs, alpha) & (modelled < alpha) for alpha in (ALPHA, ALPHA / 2)
    }
    depends = np.ones(studies) if model.interaction.reason else model.interaction_p(logs)
    if model.interaction.reason:
        claimed, claimed_interaction = effect[ALPHA], np.zeros(studies, bool)
    else:  # Holm over the two
        claimed = effect[ALPHA / 2] | (effect[ALPHA] & (depends < ALPHA / 2))
        claimed_interaction = (depends < ALPHA / 2) | ((depends < ALPHA) & effect[ALPHA / 2])
    values, errors, dfs, firsts, seconds = _contrasts(model, logs)
    m = len(firsts)
    truth = np.log([ratios[a] / ratios[b] for a, b in zip(firsts, seconds, strict=True)])
    held = np.abs(values - truth) <= stats.t.isf(ALPHA / m / 2, dfs) * errors
    differs = _holm(2 * stats.t.sf(np.abs(values) / errors, dfs)) < ALPHA
    alike = np.zeros_like(differs)
    if margin is not None:
        reach = np.log1p(margin)
        inside = (stats.t.sf((reach + side * values) / errors, dfs) for side in (1, -1))
        alike = _holm(np.maximum(*inside)) < ALPHA
    # As in a report: what is alike is not said to differ; no pair differs where none was shown to.
    differs &= ~alike & claimed[:, None]
    wrong = (differs & (truth == 0)) | (alike & (np.abs(truth) >= np.log1p(margin or 0) - 1e-9))
    nothing = len(set(ratios.values())) == 1
    largest = np.abs(values).argmax(axis=1)
    return {
        "effect": effect[ALPHA].mean(),
        "interaction": np.nan if model.interaction.reason else (depends < ALPHA).mean(),
        "effect_claimed": claimed.mean(),
        "any_wrong": (wrong.any(axis=1) | (claimed & nothing) | claimed_interaction).mean(),
        "all_held": held.all(axis=1).mean(),
        "each_held": (np.abs(values - truth) <= stats.t.isf(ALPHA / 2, dfs) * errors).mean(),
        "best_held": held[np.arange(studies), largest].mean(),
        "shown": differs[:, truth != 0].mean() if (truth != 0).any() else np.nan,
        "alike": alike.mean(),
    }


def _permuted(design: Observations, logs: np.ndarray, alpha: float) -> np.ndarray:
    """Of which studies the permutation test has a p of at most alpha."""
    sums, parts = 0, []
    for stratum in np.unique(design.strata):
        mine = np.flatnonzero(design.strata == stratum)
        counts = np.bincount(design.compared.codes[mine], minlength=len(design.compared))
        parts.append(counts)
        in_order = mine[np.argsort(design.compared.codes[mine], kind="stable")]
        sums = sums + permutation.sums_of_h(logs[:, in_order], counts)
    return sums >= permutation.critical_sum(parts, alpha) - 1e-9


def _contrasts(model: LogModel, logs: np.ndarray):
    """`LogModel.contrast` of every pair in many studies, which is the same for each (checked)."""
    design = model.observations
    squares = model._squares(logs)
    variances = model._variances(squares)
    levels = len(design.compared)
    values, errors, dfs, firsts, seconds = [], [], [], [], []
    for context in range(len(design.context)):
        for a, b in combinations(range(levels), 2):
            weights = (model.cells == context * levels + a) * 1.0
            weights -= model.cells == context * levels + b
            shares = weights @ model._inverse[: len(weights)]
            form = (model._maker * model._of_residuals(shares**2)) @ model._maker
            spread = ((variances @ (form * form.T)) * variances).sum(axis=1)
            values.append(logs @ shares)
            errors.append(np.sqrt(squares @ shares**2))
            dfs.append((variances @ np.diag(form)) ** 2 / spread)
            firsts.append(design.compared.levels[a][0])
            seconds.append(design.compared.levels[b][0])
    one = LogModel(replace(design, response=np.exp(logs[0]))).contrast(weights)
    assert np.allclose([one.value, one.error, one.df], [x[-1][0] for x in (values, errors, dfs)])
    return *(np.array(x).T for x in (values, errors, dfs)), firsts, seconds


def _holm(p: np.ndarray) -> np.ndarray:
    """`multitest.holm` of each row."""
    order = p.argsort(axis=1)
    factors = np.arange(p.shape[1], 0, -1)
    adjusted = np.maximum.accumulate(np.take_along_axis(p, order, 1) * factors, axis=1)
    result = np.empty_like(p)
    np.put_along_axis(result, order, adjusted, 1)
    return result


def many(repetitions: int, studies: int, **how) -> dict[str, float]:
    """What would be said of studies in parts of 500, each of which has its own missing runs."""
    rng = np.random.default_rng([repetitions, len(how), 20261127])
    parts = [seen(rng, 500, repetitions, **how) for _ in range(max(studies // 500, 1))]
    return pd.DataFrame(parts).mean().to_dict()


def percent(share: float) -> str:
    """A share in per cent, for a table."""
    return "" if np.isnan(share) else f"{100 * share:.1f}"


def table(header: list[str], rows: list[list[str]]) -> None:
    """Print a table in Markdown."""
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
    print(flush=True)


def errors(studies: int) -> None:
    """Size of the questions, false claims and coverage where nothing differs."""
    settings = {name: {"noise": noise} for name, noise in NOISES.items()}
    settings["repetitions differ by 5 %"] = {"blocks": 0.05}
    settings["two machines, 10 % missing"] = {"machines": 2}
    for datasets in (1, 2):
        rows = []
        for name, how in settings.items():
            for repetitions in REPETITIONS:
                found = many(repetitions, studies, datasets=datasets, **how)
                keys = ("effect", "interaction", "any_wrong", "all_held", "each_held", "best_held")
                shares = [found[key] for key in keys]
                rows.append([name, str(repetitions), *map(percent, shares)])
        print(f"Three architectures on {datasets} dataset{'s' * (datasets > 1)}, in per cent:\n")
        table(
            ["noise", "repetitions", "p < 0.05: effect", "p < 0.05: interaction", "any false claim",
             "all intervals hold", "a single pair's 95 % would", "the largest's holds"],
            rows,
        )  # fmt: skip


def power(studies: int) -> None:
    """How often 1 : 1.1 : 1.25 is found at a CV of 5 %."""
    rows = []
    for datasets in (1, 2):
        for repetitions in REPETITIONS[:4]:
            found = many(repetitions, studies, ratios=APART, datasets=datasets)
            shares = [found[key] for key in ("effect", "effect_claimed", "shown", "any_wrong")]
            rows.append([str(datasets), str(repetitions), *map(percent, shares)])
    table(
        ["datasets", "repetitions", "effect p < 0.05", "effect claimed", "pairs shown to differ",
         "any false claim"],
        rows,
    )  # fmt: skip


def margin(studies: int) -> None:
    """Alike within 5 % at a CV of 2 %: claimed of the alike, and of what is just 5 % apart."""
    rows = []

    def quiet(rng: np.random.Generator, architecture: np.ndarray) -> np.ndarray:
        return 0.4 * normal(rng, architecture)

    edge = {"VGG16": 1.0, "VGG19": 1.05, "ResNet50": 1.05**2}
    for repetitions in REPETITIONS[:4]:
        how = {"datasets": 1, "noise": quiet, "margin": 0.05}
        alike = many(repetitions, studies, **how)
        wrong = many(repetitions, studies, ratios=edge, **how)
        shares = [alike["alike"], alike["any_wrong"], wrong["any_wrong"]]
        rows.append([str(repetitions), *map(percent, shares)])
    table(
        [
            "repetitions",
            "pairs called alike",
            "any false claim",
            "any false claim, pairs 5 % apart",
        ],
        rows,
    )


def adaptive(studies: int) -> None:
    """Whole blocks until every interval is within ± 5 %, at most 30."""
    rows = []
    for datasets in (1, 2):
        for noise in ("normal", "skewed", "heavy tails"):
            rng = np.random.default_rng([datasets, 5])
            runs = study(rng, 30, datasets=datasets)
            architecture = runs["architecture"].map(ARCHITECTURES.index).to_numpy()
            logs = NOISES[noise](rng, np.tile(architecture, studies)).reshape(studies, -1)
            held, needed = np.zeros(studies, bool), np.zeros(studies, int)
            for blocks in range(3, 31):
                part = (runs["repetition"] <= blocks).to_numpy()
                model = LogModel(observed(runs[part]))
                values, errors, dfs, *_ = _contrasts(model, logs[:, part])
                reach = stats.t.isf(ALPHA / values.shape[1] / 2, dfs) * errors
                narrow = (np.expm1(reach) <= 0.05).all(axis=1) | (blocks == 30)
                ends = narrow & (needed == 0)
                held[ends] = (np.abs(values) <= reach)[ends].all(axis=1)
                needed[ends] = blocks
            mean = np.mean(needed)
            shares = [np.mean(held), mean / 30]
            spread = f"{mean:.1f} ({np.min(needed)} to {np.max(needed)})"
            rows.append([str(datasets), noise, spread, *map(percent, shares)])
    table(
        ["datasets", "noise", "blocks taken (least to most)", "all intervals hold",
         "runs, of a fixed 30"],
        rows,
    )  # fmt: skip


def saved(studies: int) -> None:
    """Savings at equal accuracy: the interval of one, and of the best of three alike."""
    epochs = np.arange(1, 21)
    rows = []
    for repetitions in REPETITIONS:
        rng = np.random.default_rng([repetitions, 6])
        held, best_held, claimed = [], [], []
        for _ in range(studies // 2):
            runs, histories = [], {}
            for variant, share in {REFERENCE: 1.0, "one": 0.8, "two": 0.8, "three": 0.8}.items():
                for r in range(repetitions):
                    learned = 0.8 * (1 - np.exp(-epochs / 4)) + rng.normal(0, 0.02)
                    learned = learned + rng.normal(0, 0.01, 20)
                    energy = share * 1e-3 * epochs * rng.normal(1, CV)
                    run = f"{variant}-{r}"
                    histories[run] = pd.DataFrame(
                        {"val_accuracy": learned, "energy_consumed": energy}
                    )
                    runs.append((run, "VGG16", "cifar10", variant, learned[-1], energy[-1]))
            columns = ["run_id", "architecture", "dataset", COLUMN, "accuracy", "energy_consumed"]
            found = savings.savings(pd.DataFrame(runs, columns=columns), histories, "VGG16")
            found = found.dropna(subset=["saved_percent_low"])
            inside = found["saved_percent_low"].le(20) & found["saved_percent_high"].ge(20)
            held.append(inside.all())
            best_held.append(inside[found["saved_percent"].idxmax()])
            claimed.append((found["p_holm"] < ALPHA).mean())
        shares = [np.mean(held), np.mean(best_held), np.mean(claimed)]
        rows.append([str(repetitions), *map(percent, shares)])
    table(["runs of each", "all intervals hold", "the best's holds", "20 % shown"], rows)


def scores(studies: int) -> None:
    """The Score of the best of six that are all alike."""
    rows = []
    for repetitions in REPETITIONS:
        rng = np.random.default_rng([repetitions, 7])
        held, best_held, named = [], [], []
        for _ in range(studies // 2):
            n = 6 * repetitions
            runs = pd.DataFrame(
                {
                    "dataset": "mnist",
                    "architecture": np.tile(list("abcdef"), repetitions),
                    "accuracy": np.minimum(0.9 * rng.normal(1, 0.01, n), 1),
                    "energy_consumed": 0.1 * np.exp(rng.normal(0, CV, n) - CV**2 / 2),
                }
            )
            found = score.rank(runs)
            inside = found["score_ratio_of_means_low"].le(9) & found[
                "score_ratio_of_means_high"
            ].ge(9)
            held.append(inside.all())
            best_held.append(inside[0])
            named.append(found["among_best"].sum() < 6)
        rows.append([str(repetitions), *map(percent, map(np.mean, (held, best_held, named)))])
    table(["runs of each", "all intervals hold", "the best's holds", "one falsely beaten"], rows)


def offsets(studies: int) -> None:
    """Two instruments without an offset, one of which is noisy."""
    rows = []
    for groups in (4, 6, 12):
        for spread in (0.02, 0.05, 0.1, 0.3):
            for noise in (0.005, 0.03):
                rng = np.random.default_rng([groups, int(1000 * spread), int(1000 * noise)])
                stated, held = [], []
                for _ in range(studies // 4):
                    which = np.repeat(np.arange(groups), 3)
                    true = 200 * (1 + spread * rng.uniform(-1.7, 1.7, groups))[which]
                    true = true * rng.normal(1, 0.01, len(which))
                    x = true * rng.normal(1, noise, len(which))
                    y = 1.1 * true * rng.normal(1, 0.003, len(which))
                    found = agreement.line(x, y, which)
                    stated.append(found.reason is None)
                    if found.reason is None:
                        held.append(found.intercept_low <= 0 <= found.intercept_high)
                shares = [np.mean(stated), np.mean(held) if held else np.nan]
                rows.append([str(groups), percent(spread), percent(noise), *map(percent, shares)])
    table(
        ["configurations", "they differ by, %", "noise, %", "a line is drawn", "0 W is in it"],
        rows,
    )


def sentences(studies: int) -> None:
    """What a report prints, by the whole path from the table: sentences that are wrong."""
    rows = []
    for name, ratios in {"nothing differs": ALIKE_ALL, "1 : 1.1 : 1.25": APART}.items():
        for datasets in (1, 2):
            factors = {"architecture": list(ARCHITECTURES), "dataset": list(DATASETS[:datasets])}
            asked = Study(title="Calibration", factors=factors)
            for repetitions in (3, 5, 10):
                rng = np.random.default_rng([repetitions, len(set(ratios.values())), datasets, 8])
                said_wrong = []
                for _ in range(studies // 5):
                    runs = study(rng, repetitions, ratios=ratios, datasets=datasets)
                    said = " ".join(verdicts.in_words(questions.answer(runs, asked)))
                    stated = re.findall(r"(\w+) uses [\d.]+ times the energy of (\w+)", said)
                    pair = any(ratios[a] <= ratios[b] for a, b in stated)
                    depends = "(interaction p" in said
                    shown = len(stated) / (3 * datasets)
                    said_wrong.append((pair or depends, pair, depends, shown))
                shares = np.mean(said_wrong, axis=0)
                rows.append([name, str(datasets), str(repetitions), *map(percent, shares)])
    table(
        ["truth", "datasets", "repetitions", "a sentence is wrong", "of a pair",
         "of the interaction", "pairs said to differ"],
        rows,
    )  # fmt: skip


SECTIONS = {
    "errors": errors,
    "power": power,
    "margin": margin,
    "adaptive": adaptive,
    "savings": saved,
    "scores": scores,
    "offsets": offsets,
    "sentences": sentences,
}


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=SECTIONS, help="one part of it")
    parser.add_argument("--studies", type=int, default=2000, help="for each figure, at most")
    arguments = parser.parse_args()
    for name, section in SECTIONS.items():
        if arguments.only in (None, name):
            print(f"## {section.__doc__.splitlines()[0]}\n")
            section(arguments.studies)


if __name__ == "__main__":
    main()
