import json
import re

import nbformat
import pytest
from slugify import slugify

from lib.execution.kaggle import kernels
from lib.instruments import machine
from lib.study.config import RunConfig
from lib.study.errors import StudyError
from lib.study.sections import KaggleKernel
from lib.study.study import check_presence, load_study
from tests.conftest import ROOT


def build(study_dir, runs=None, settings=KaggleKernel()):  # noqa: B008 (frozen)
    runs = runs or [RunConfig(repetition=n, output_dir=str(study_dir)) for n in (1, 2)]
    return kernels.build(runs, study_dir, settings)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def notebooks(study_dir, manifest):
    folders = [kernels.folder_of(study_dir, kernel.run_id) for kernel in manifest.kernels]
    return [nbformat.read(folder / "train.ipynb", as_version=4) for folder in folders]


def test_building_twice_gives_the_same_bytes(tmp_path, monkeypatch):
    # Other work in the checkout may change its commit between the two.
    monkeypatch.setattr(machine, "commit", lambda: "0123abc")
    build(tmp_path / "a" / "study")
    build(tmp_path / "b" / "study")
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert first == second
    assert len(first) == 5


def test_a_build_leaves_no_earlier_one(tmp_path):
    build(tmp_path / "study")
    (one,) = build(tmp_path / "study", [RunConfig(epochs=3)]).kernels
    assert [path.name for path in (tmp_path / "study/kaggle/kernels").iterdir()] == [one.run_id]


def test_the_notebook_has_the_program_and_the_parameters(tmp_path):
    config = RunConfig(epochs=7, learning_rate=0.5, location="FRA", output_dir=str(tmp_path))
    manifest = build(tmp_path / "study", [config])
    (node,) = notebooks(tmp_path / "study", manifest)
    nbformat.validate(node)
    assert [cell.id for cell in node.cells if cell.cell_type == "code"][:4] == [
        *("program", "parameters", "injected-parameters", "config"),
    ]
    assert node.metadata.kernelspec.name == "python3"
    assert "papermill" not in node.metadata
    values = {}
    exec(next(c.source for c in node.cells if c.id == "injected-parameters"), values)
    values.pop("__builtins__")
    assert values == config.model_dump(mode="json") | {"output_dir": "outputs/study"}
    assert RunConfig(**values).run_id == config.run_id
    assert str(tmp_path) not in json.dumps(node)


def test_the_notebook_says_what_kaggles_editor_says(tmp_path):
    settings = KaggleKernel(gpu=False, internet=False)
    (node, _) = notebooks(tmp_path / "s", build(tmp_path / "s", settings=settings))
    assert node.metadata.kaggle == {
        "accelerator": "none",
        "isGpuEnabled": False,
        "isInternetEnabled": False,
        "language": "python",
        "sourceType": "notebook",
    }


def test_a_notebook_is_small_beside_what_kaggle_may_take(tmp_path):
    manifest = build(tmp_path / "study")
    folder = kernels.folder_of(tmp_path / "study", manifest.kernels[0].run_id)
    assert (folder / "train.ipynb").stat().st_size < 800_000


@pytest.mark.parametrize("study", ["quick", "p", "a-very-long-name_of.a study " * 3, "é"])
def test_names_are_what_kaggle_accepts(tmp_path, study):
    manifest = build(tmp_path / study)
    for kernel in manifest.kernels:
        folder = kernels.folder_of(tmp_path / study, kernel.run_id)
        metadata = json.loads((folder / "kernel-metadata.json").read_text())
        slug = metadata["id"].partition("/")[2]
        assert slug == kernel.slug == slugify(metadata["title"])
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{3,48}[a-z0-9]", slug)
        assert metadata["is_private"] is True
    assert len({kernel.slug for kernel in manifest.kernels}) == 2


def test_a_name_stands_for_run_program_and_settings_but_not_the_commit(tmp_path, monkeypatch):
    def name(config=RunConfig(), settings=KaggleKernel()):  # noqa: B008 (frozen)
        return build(tmp_path / "study", [config], settings).kernels[0].slug

    before = name()
    monkeypatch.setattr(machine, "commit", lambda: "0123abc")
    assert name() == before
    assert name(settings=KaggleKernel(owner="somebody")) == before
    assert name(RunConfig(epochs=9)) != before
    assert name(settings=KaggleKernel(gpu=False)) != before
    changed = tmp_path / "train.ipynb"
    changed.write_text(
        RunConfig.notebook.read_text().replace("What one training run costs", "Costs")
    )
    monkeypatch.setattr(RunConfig, "notebook", changed)
    assert name() != before


def test_the_studys_settings_go_into_the_metadata(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "title: t\nkaggle: {internet: false, machine_shape: NvidiaTeslaT4, owner: me,\n"
        "  dataset_sources: [someone/images]}\n"
    )
    study = load_study(path)
    manifest = kernels.build(study.runs("study", tmp_path), tmp_path / "study", study.kaggle)
    folder = kernels.folder_of(tmp_path / "study", manifest.kernels[0].run_id)
    metadata = json.loads((folder / "kernel-metadata.json").read_text())
    assert metadata["id"] == f"me/{manifest.kernels[0].slug}"
    assert metadata["enable_internet"] is False
    assert metadata["enable_gpu"] is True
    assert metadata["machine_shape"] == "NvidiaTeslaT4"
    assert metadata["dataset_sources"] == ["someone/images"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("{gpus: 2}", "kaggle.gpus: unknown field; allowed are dataset_sources, gpu, internet"),
        ("{gpu: false, machine_shape: NvidiaTeslaT4}", "set gpu to true"),
        ("{machine_shape: NvidiaTeslaP100}", "no P100 any more"),
        ("{dataset_sources: [images]}", "kaggle.dataset_sources.0: 'images'"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, settings, sentence):
    path = tmp_path / "study.yaml"
    path.write_text(f"title: t\nkaggle: {settings}\n")
    with pytest.raises(StudyError) as error:
        load_study(path)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("fields", "settings", "sentence"),
    [
        ({"data_dir": "data", "dataset": "mnist"}, {}, "that holds mnist.npz"),
        ({"weights": "my/vgg16.h5"}, {}, "that holds vgg16.h5"),
        ({"dataset": "cifar10"}, {"internet": False}, "that holds cifar10.npz"),
        ({"weights": "imagenet"}, {"internet": False}, "ImageNet weights are downloaded"),
        ({"meter": "meter.yaml"}, {}, "can't reach a wattmeter"),
    ],
)
def test_what_a_run_would_miss_on_kaggle_is_said_at_once(tmp_path, fields, settings, sentence):
    with pytest.raises(StudyError) as error:
        build(tmp_path / "study", [RunConfig(**fields)], KaggleKernel(**settings))
    assert sentence in str(error.value)
    assert not (tmp_path / "study").exists()


def test_every_requirement_has_the_projects_version():
    requirements = kernels._requirements("tensorflow")
    project = (ROOT / "pyproject.toml").read_text()
    assert "codecarbon==3.3.2" in requirements
    for text in requirements[:-1]:
        assert f'"{text}"' in project
    assert set(kernels._requirements("jax")) == {*requirements, "jax"}


def test_data_of_another_machine_need_not_be_here(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("title: t\ndefaults: {dataset: mnist, data_dir: /kaggle/input}\n")
    study = load_study(path)
    runs = study.runs("study", tmp_path)
    with pytest.raises(StudyError, match="no folder '/kaggle/input'"):
        check_presence(runs)
