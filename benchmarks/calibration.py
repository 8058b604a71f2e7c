"""How often what a report claims is wrong: whole studies, simulated, put to the program's own path.

Each simulated study is a table of results; `lib.analysis.questions.answer` answers it as a report
does. What is counted is what a reader would believe: verdicts, intervals, the interval of the best.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py     # everything; about half an hour
    python benchmarks/calibration.py --only power --studies 200
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from lib.analysis import questions, savings
from lib.analysis.variants import COLUMN, REFERENCE
from lib.stats import ALPHA, agreement, score
from lib.stats.pairs import ALIKE, DIFFERS
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


def seen(runs: pd.DataFrame, ratios: dict[str, float], margin: float | None = None) -> dict:
    """What a report would say of a study, as truths and errors."""
    factors = {"architecture": list(ARCHITECTURES), "dataset": list(DATASETS)}
    asked = Study(title="Calibration", factors=factors, margin=margin)
    answer = questions.answer(runs, asked)
    pairs = [one for one in answer.pairs if one.reason is None]
    truth = [ratios[one.first] / ratios[one.second] for one in pairs]
    held = [one.low <= true <= one.high for one, true in zip(pairs, truth, strict=True)]
    wrong = [
        (verdict == DIFFERS and true == 1) or (verdict == ALIKE and abs(np.log(true)) > 0.0487)
        for verdict, true in zip(map(answer.verdict, pairs), truth, strict=True)
    ]
    best = max(range(len(pairs)), key=lambda place: pairs[place].ratio, default=None)
    different = [place for place, true in enumerate(truth) if true != 1]
    return {
        "effect": answer.effect.p < ALPHA,
        "interaction": answer.interaction.p < ALPHA,
        "effect_claimed": answer.effect.verdict == DIFFERS,
        "interaction_claimed": answer.interaction.verdict == DIFFERS,
        "any_wrong": any(wrong)
        or (answer.effect.verdict == DIFFERS and len(set(ratios.values())) == 1)
        or answer.interaction.verdict == DIFFERS,
        "all_held": all(held),
        "held": np.mean(held) if held else np.nan,
        "best_held": held[best] if best is not None else np.nan,
        "shown": np.mean([answer.verdict(pairs[place]) == DIFFERS for place in different])
        if different
        else np.nan,
        "alike": np.mean([answer.verdict(one) == ALIKE for one in pairs]),
    }


def averaged(outcomes: Iterator[dict]) -> dict[str, float]:
    """Means of what was seen in each study."""
    columns = defaultdict(list)
    for outcome in outcomes:
        for name, value in outcome.items():
            columns[name].append(value)
    return {name: pd.Series(values, dtype=float).mean() for name, values in columns.items()}


def many(repetitions: int, studies: int, ratios: dict, margin: float | None = None, **how) -> dict:
    """What was seen in many studies, on average; `how` is `study`'s."""
    rng = np.random.default_rng([repetitions, len(how), 20261127])
    return averaged(
        seen(study(rng, repetitions, ratios=ratios, **how), ratios, margin) for _ in range(studies)
    )


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
                number = studies if repetitions < 10 else studies // (2 if repetitions < 30 else 4)
                found = many(repetitions, number, ALIKE_ALL, datasets=datasets, **how)
                shares = [found["effect"], found["interaction"] if datasets > 1 else np.nan]
                shares += [found[key] for key in ("any_wrong", "all_held", "held", "best_held")]
                rows.append([name, str(repetitions), str(number), *map(percent, shares)])
        print(f"Three architectures on {datasets} dataset{'s' * (datasets > 1)}, in per cent:\n")
        table(
            ["noise", "repetitions", "studies", "p < 0.05: effect", "p < 0.05: interaction",
             "any false claim", "all intervals hold", "each interval holds", "the largest's holds"],
            rows,
        )  # fmt: skip


def power(studies: int) -> None:
    """How often 1 : 1.1 : 1.25 is found at a CV of 5 %."""
    rows = []
    for datasets in (1, 2):
        for repetitions in REPETITIONS[:4]:
            found = many(repetitions, studies // 2, APART, datasets=datasets)
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
        alike = many(repetitions, studies // 2, ALIKE_ALL, **how)
        wrong = many(repetitions, studies // 2, edge, **how)
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
            held, needed = [], []
            for _ in range(studies // 2 if noise == "normal" else studies // 4):
                runs = study(rng, 30, datasets=datasets, noise=NOISES[noise])
                for blocks in range(3, 31):
                    part = runs[runs["repetition"] <= blocks]
                    answer = questions.answer(part, None, is_final=False)
                    if answer.reach <= 0.05:
                        break
                held.append(all(one.low <= 1 <= one.high for one in answer.pairs))
                needed.append(blocks)
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


SECTIONS = {
    "errors": errors,
    "power": power,
    "margin": margin,
    "adaptive": adaptive,
    "savings": saved,
    "scores": scores,
    "offsets": offsets,
}


def main() -> None:
    """Print the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=SECTIONS, help="one part of it")
    parser.add_argument("--studies", type=int, default=1000, help="for each figure, at most")
    arguments = parser.parse_args()
    for name, section in SECTIONS.items():
        if arguments.only in (None, name):
            print(f"## {section.__doc__.splitlines()[0]}\n")
            section(arguments.studies)


if __name__ == "__main__":
    main()
