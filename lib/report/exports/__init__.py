"""What a study found in the formats of others: `--export boamps|model-card|sci|paper`.

A module a format, which maps a study to the texts of its files, by name.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from lib.analysis.results import Analysis
from lib.files import write_atomically
from lib.report.exports import boamps, model_card, paper, sci
from lib.study.folder import StudyFolder

FORMATS: Mapping[str, Callable[[Analysis], dict[str, str]]] = {
    "boamps": boamps.files,
    "model-card": model_card.files,
    "sci": sci.files,
    "paper": paper.files,
}


def write(study: Analysis, name: str) -> list[Path]:
    """Write a study in one of `FORMATS` to its folder `exports/`; the files."""
    folder = StudyFolder(study.folder).exports
    paths = []
    for file, content in FORMATS[name](study).items():
        write_atomically(folder / file, content)
        paths.append(folder / file)
    return paths
