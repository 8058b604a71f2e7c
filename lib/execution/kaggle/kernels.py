"""Runs as Kaggle kernels: one upload-ready folder each, and a manifest of them.

A kernel's name ends with a hash of the run, the program and what it is to run on: the same run of
the same program is the same kernel, so that it can't be started twice.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lib.execution import bundle
from lib.execution.kaggle import KaggleError, bootstrap
from lib.files import as_json, write_atomically
from lib.instruments import machine
from lib.patching import import_nbformat
from lib.program import ROOT, digest_of
from lib.study.config import RunConfig, RunFields, Strict
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.sections import KaggleKernel

if TYPE_CHECKING:
    from nbformat import NotebookNode

METADATA = "kernel-metadata.json"
NOTEBOOK = "train.ipynb"
OWNER = "INSERT_USERNAME_HERE"
"""Stands for the owner where the study names none; `push` puts the client's user there."""

LONGEST_TITLE = 50
"""Characters. Kaggle makes the slug of the title, so here they are the same."""

REQUIRED = (
    *("codecarbon", "keras", "keras-flops", "numpy", "pandas", "pillow", "plotly", "psutil"),
    *("pydantic", "pyyaml", "rich", "scikit-learn", "tensorflow"),
)
"""What a run needs of the project's dependencies; the others are for studies and reports."""


class Kernel(Strict):
    """One run as a kernel."""

    run_id: str
    slug: str  # the kernel's name, without its owner
    parameters: dict[str, Any]  # what was injected into the notebook
    notebook_sha256: str  # of the notebook's bytes


class Manifest(Strict):
    """What was built."""

    program: str  # digest of the program that the notebooks contain
    commit: str | None  # the program's commit, as records have it; None outside a checkout
    kernels: tuple[Kernel, ...]  # one a run, in the order of the plan


def build(runs: Sequence[RunFields], study_dir: Path, settings: KaggleKernel) -> Manifest:
    """Write `kaggle/<run id>/{train.ipynb, kernel-metadata.json}` and `kaggle/manifest.json`.

    The same study and program give the same bytes.

    Raises:
        StudyError: If a run needs what would not be there on Kaggle.
    """
    if problems := _missing_there(runs, settings):
        raise StudyError(problems)
    files = bundle.program_files(runs)
    program = digest_of(files)  # whichever commit it is of
    archive = bundle.pack_program(runs)
    shutil.rmtree(StudyFolder(study_dir).kaggle / "kernels", ignore_errors=True)
    kernels = []
    for config in runs:
        # Relative: it is a folder of another machine.
        there = config.going_to(StudyFolder(Path("outputs", study_dir.name)))
        first_cell = _bootstrap_cell(archive, getattr(config, "backend", None))
        text = as_json(_notebook(there, first_cell, settings), sort_keys=True)
        slug = _slug(study_dir.name, config, program, settings)
        folder = folder_of(study_dir, config.run_id)
        write_atomically(folder / NOTEBOOK, text)
        write_atomically(folder / METADATA, as_json(_metadata(slug, settings), sort_keys=True))
        kernel = Kernel(
            run_id=config.run_id,
            slug=slug,
            parameters=there.model_dump(mode="json"),
            notebook_sha256=hashlib.sha256(text.encode()).hexdigest(),
        )
        kernels.append(kernel)
    manifest = Manifest(program=program, commit=machine.commit(), kernels=tuple(kernels))
    write_atomically(_manifest_path(study_dir), manifest.model_dump_json(indent=1) + "\n")
    return manifest


def read_manifest(study_dir: Path) -> Manifest:
    """What `build` built.

    Raises:
        KaggleError: If nothing was built, or the manifest is damaged.
    """
    path = _manifest_path(study_dir)
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise KaggleError(f"{study_dir}: no kernels were built; call --kaggle build") from None
    except ValidationError as error:
        raise KaggleError(f"{path} is damaged ({error.errors()[0]['msg']}); build again") from None


def folder_of(study_dir: Path, run_id: str) -> Path:
    """The upload-ready folder of a run."""
    return StudyFolder(study_dir).kaggle / "kernels" / run_id


def _manifest_path(study_dir: Path) -> Path:
    return StudyFolder(study_dir).kaggle / "manifest.json"


def _notebook(config: RunFields, first_cell: str, settings: KaggleKernel) -> NotebookNode:
    nbformat = import_nbformat()
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    node = load_notebook_node(str(config.notebook))
    node = parameterize_notebook(
        node, config.model_dump(mode="json"), kernel_name="python3", language="python"
    )
    (injected,) = (c for c in node.cells if "injected-parameters" in c.metadata.get("tags", ()))
    injected.id = "injected-parameters"  # papermill makes a new one every time
    hidden = {"_kg_hide-input": True, "cellView": "form", "jupyter": {"source_hidden": True}}
    cell = nbformat.v4.new_code_cell(first_cell, id="program", metadata=hidden)
    node.cells.insert(0, cell)
    del node.metadata["papermill"]
    for each in node.cells:
        each.metadata.pop("papermill", None)
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    node.metadata["kernelspec"] = spec
    # What Kaggle's editor writes itself: the settings hold for a notebook imported by hand, too.
    node.metadata["kaggle"] = {
        "accelerator": (settings.machine_shape or "gpu") if settings.gpu else "none",
        "isGpuEnabled": settings.gpu,
        "isInternetEnabled": settings.internet,
        "language": "python",
        "sourceType": "notebook",
    }
    return node


def _bootstrap_cell(archive: bytes, backend: str | None) -> str:
    encoded = "\n".join(re.findall(".{1,100}", base64.b64encode(archive).decode()))
    requirements = json.dumps(_requirements(backend))
    source = inspect.getsource(bootstrap).rstrip()
    return f'{source}\n\n\nset_up({requirements}, archive="""\n{encoded}\n""")'


def _requirements(backend: str | None) -> list[str]:
    """`REQUIRED` with the versions that the project asks for, what pandas' tables need, and the
    backend.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {re.split(r"[^\w-]", text)[0]: text for text in project["project"]["dependencies"]}
    return [*(asked[name] for name in REQUIRED), "jinja2", *({backend} - {None, *REQUIRED})]


def _slug(study: str, config: RunFields, program: str, settings: KaggleKernel) -> str:
    """A name that Kaggle accepts: at most 50 lower-case letters, digits and hyphens."""
    made_of = [config.run_id, program, settings.model_dump(exclude={"owner"})]
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:8]
    words = f"{study}-{config.run_id.rpartition('-')[0]}".lower()
    plain = re.sub(r"[^a-z0-9]+", "-", words)[: LONGEST_TITLE - 9].strip("-")
    return f"{plain}-{digest}"


def _metadata(slug: str, settings: KaggleKernel) -> dict[str, Any]:
    shape = settings.machine_shape
    return {
        "id": f"{settings.owner or OWNER}/{slug}",
        "title": slug,
        "code_file": NOTEBOOK,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": settings.gpu,
        "enable_tpu": False,
        "enable_internet": settings.internet,
        "dataset_sources": list(settings.dataset_sources),
        **{f"{kind}_sources": [] for kind in ("competition", "kernel", "model")},
        "keywords": [],
        **({"machine_shape": shape} if shape else {}),
    }


def _missing_there(runs: Sequence[RunFields], settings: KaggleKernel) -> list[str]:
    """What runs would look for on Kaggle in vain, one sentence each."""
    problems = []
    for config in runs:
        if config.meter is not None:
            problems.append("meter: Kaggle can't reach a wattmeter; add --set meter=null")
        if not isinstance(config, RunConfig):
            continue
        files = [] if config.data_dir is None else [f"{config.dataset}.npz"]
        if config.weights not in ("imagenet", "none"):
            files.append(Path(config.weights).name)
        if not settings.internet and config.data_dir is None and config.dataset != "digits":
            files.append(f"{config.dataset}.npz")
        if not settings.dataset_sources:
            problems += [
                f"kaggle.dataset_sources: name the Kaggle dataset (owner/name) that holds {file}"
                for file in files
            ]
        if not settings.internet and config.weights == "imagenet":
            problems.append(
                "kaggle.internet: ImageNet weights are downloaded; turn it on, or set weights to "
                "a file in one of kaggle.dataset_sources"
            )
    return list(dict.fromkeys(problems))
