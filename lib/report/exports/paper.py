"""Text for a paper: methods and threats to validity, as Markdown and LaTeX, with references.

Each sentence is computed from the study. Each threat names the figure that it moves, and by how
much as far as that is known.
"""

import pandas as pd

import lib
from lib import program, text
from lib.analysis import audit
from lib.analysis.results import Analysis
from lib.report import latex, sentences
from lib.report.page import Prose

_REFERENCES = """@article{xu2023energy,
  author = {Xu, Yinlena and Mart{\\'i}nez-Fern{\\'a}ndez, Silverio and Martinez, Matias and Franch, Xavier},
  title = {Energy Efficiency of Training Neural Network Architectures: An Empirical Study},
  journal = {arXiv:2302.00967},
  year = {2023}
}
@misc{codecarbon,
  author = {{CodeCarbon contributors}},
  title = {CodeCarbon: estimate and track carbon emissions from machine learning computing},
  howpublished = {https://codecarbon.io}
}
@techreport{jcgm101,
  author = {{Joint Committee for Guides in Metrology}},
  title = {Evaluation of measurement data: propagation of distributions using a Monte Carlo method},
  number = {JCGM 101:2008},
  year = {2008}
}
"""  # noqa: E501

Sections = dict[str, list[str]]


def files(study: Analysis) -> dict[str, str]:
    """`methods.md`, `methods.tex` and `references.bib`."""
    sections = {
        "Methods": methods(study).sentences,
        **{f"Threats to {kind} validity": said for kind, said in by_kind(study).items() if said},
    }
    markdown = "\n".join(
        f"## {head}\n\n" + "\n\n".join(paragraphs) + "\n" for head, paragraphs in sections.items()
    )
    tex = "\n".join(
        f"\\section{{{head}}}\n" + "\n\n".join(map(latex.escaped, paragraphs)) + "\n"
        for head, paragraphs in sections.items()
    )
    return {"methods.md": markdown, "methods.tex": tex, "references.bib": _REFERENCES}


def methods(study: Analysis) -> Prose:
    """Design, protocol, instruments, statistics, software, machines and cost."""
    said = (
        " ".join(sentences.design(study).sentences),
        " ".join(filter(None, [_protocol(study), _instruments(study)])),
        "Levels are compared by ratios of geometric means with simultaneous 95 % intervals "
        "for the scatter of the repetitions and the errors of the instruments; two are called "
        "different only if both allow it.",
        _software(study),
        _cost(study),
    )
    return Prose(tuple(filter(None, said)))


def threats(study: Analysis) -> Prose:
    """The threats to validity, an item a kind."""
    said = {kind: " ".join(said) for kind, said in by_kind(study).items() if said}
    return Prose(tuple(f"{kind.title()} validity: {words}" for kind, words in said.items()), "ul")


def by_kind(study: Analysis) -> Sections:
    """The threats by kind of validity: construct, internal, external, conclusion."""
    if study.completed.empty:
        return {}
    return {
        "construct": list(_construct(study)),
        "internal": [
            f"{finding.what} {finding.why}"
            for finding in study.findings
            if finding.severity in (audit.FAULT, audit.DOUBT)
        ],
        "external": [_external(study)],
        "conclusion": list(_conclusion(study)),
    }


def _protocol(study: Analysis) -> str:
    means = {
        phase: pd.to_numeric(study.completed[f"{phase}_duration"]).mean()
        for phase in ("checks", "idle", "warmup", "training", "cooldown")
        if f"{phase}_duration" in study.completed
    }
    parts = [f"{name} {text.duration(s)}" for name, s in means.items() if s >= 0.1]
    return f"Mean duration of each part of a run: {text.listed(parts)}." if parts else ""


def _instruments(study: Analysis) -> str:
    parts = []
    for name in ("cpu", "gpu", "ram"):
        column = study.completed.get(f"{name}_method", pd.Series(dtype=str)).dropna()
        if found := [one for one in dict.fromkeys(column) if one != "none"]:
            parts.append(f"{name.upper()}: {text.listed(found)}")
    return f"How each part of the energy was obtained: {'; '.join(parts)}." if parts else ""


def _software(study: Analysis) -> str:
    found = []
    for column in study.completed:
        if column.startswith("version_") and "program" not in column:
            known = study.completed[column].dropna().unique()
            if len(known):
                found.append(f"{column.removeprefix('version_')} {text.listed(known)}")
    made = f"training-energy-study {lib.__version__} (program {program.digest()})"
    versions = f" with {text.listed(found)}" if found else ""
    columns = [name for name in ("cpu_model", "gpu_model") if name in study.completed]
    models = pd.concat([study.completed[name].dropna() for name in columns]) if columns else []
    machines = f", on {text.listed(dict.fromkeys(models))}" if len(models) else ""
    how = "analysed" if study.imported else "made and analysed"
    return f"The runs were {how} by {made}{versions}{machines}."


def _cost(study: Analysis) -> str:
    energy = study.cost["energy_consumed"].sum()
    whole = "" if study.imported else ", idle, warm-up and failed runs included,"
    return (
        f"The whole study{whole} used {text.energy(energy)} in "
        f"{text.duration(float(study.cost['duration'].sum()))}."
        if energy
        else ""
    )


def _construct(study: Analysis) -> list[str]:
    found = list(study.energy_limits.values())
    if not found:
        return []
    wide = max(found, key=lambda one: (one.high - one.low) / abs(one.value))
    low, high = (f"{100 * (end / wide.value - 1):+.0f}" for end in (wide.low, wide.high))
    said = [
        f"The energy of the least certain configuration may be off by {low.replace('-', '−')} to "
        f"{high} % (95 % limits)."
    ]
    if line := wide.largest:
        said.append(
            f"Alone, {line.source.name} moves it from {text.energy(line.low)} to "
            f"{text.energy(line.high)}: {line.source.basis}"
        )
    return said


def _external(study: Analysis) -> str:
    known = study.completed.get("machine", pd.Series(dtype=str))
    count = known.nunique()
    least = "at least " if known.isna().any() else ""
    machines = f"{least}{count} {'machine' if count == 1 else 'machines'}"
    machines = machines if count else "machines that were not named"
    return (
        f"All figures are from {machines}; sensors of others have other gains, which shift levels "
        "and, between machines, ratios."
    )


def _conclusion(study: Analysis) -> list[str]:
    runs, column = study.best_energy
    groups = runs.groupby(study.configuration, dropna=False)[column]
    spread = (100 * groups.std() / groups.mean()).max()
    least = int(groups.size().min())
    said = [f"The configuration with the fewest runs has {least}."]
    if not pd.isna(spread):
        said.append(
            f"The energy of repetitions has a coefficient of variation of up to {spread:.2g} %."
        )
    return said
