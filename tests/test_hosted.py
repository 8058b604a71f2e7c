import numpy as np
import pytest

from lib import hosted
from lib.instruments import machine
from lib.study.config import RunConfig
from lib.training import architectures, datasets


@pytest.fixture
def on_kaggle(tmp_path, monkeypatch):
    """As in a session of Kaggle, with an empty folder of attached data."""
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    monkeypatch.setattr(hosted, "ATTACHED", tmp_path / "input")
    return tmp_path / "input"


def test_this_is_no_service():
    assert hosted.service() is None
    found = machine.hardware()
    assert (found["service"], found["machine_shape"]) == (None, None)
    assert hosted.attached("mnist.npz") is None


def test_the_record_says_which_service_and_shape(on_kaggle):
    hardware = {"gpu_model": "2 x Tesla T4", "cpu_count": 4, "ram_total_size": 31.35}
    assert hosted.machine_shape(hardware) == "2 x Tesla T4, 4 CPUs, 31 GB"
    found = machine.hardware()
    assert found["service"] == "Kaggle"
    assert f"{found['cpu_count']} CPUs" in found["machine_shape"]
    assert found["machine"] is None


def test_colab_is_known(monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260514")
    assert hosted.service() == "Colab"


@pytest.mark.parametrize("place", ["images", "datasets/someone/images/versions/3"])
@pytest.mark.parametrize("data_dir", [None, "~/images"])
def test_attached_images_are_found_wherever_they_lie(on_kaggle, place, data_dir):
    folder = on_kaggle / place
    folder.mkdir(parents=True)
    arrays = {"x_train": np.zeros((20, 28, 28), np.uint8), "y_train": np.arange(20) % 10}
    np.savez(
        folder / "mnist.npz", **arrays, x_test=arrays["x_train"][:10], y_test=arrays["y_train"][:10]
    )
    data = datasets.load(RunConfig(dataset="mnist", data_dir=data_dir))
    assert len(data.y_train) == 20
    assert data.source == "data_dir/mnist.npz"


def test_attached_weights_are_found(on_kaggle):
    on_kaggle.mkdir()
    (on_kaggle / "mine.h5").write_bytes(b"no weights")

    def build(file):
        return architectures.build_model(RunConfig(weights=file), 32, 10)

    with pytest.raises(architectures.WeightsError, match="does not hold weights of VGG16"):
        build("elsewhere/mine.h5")
    with pytest.raises(architectures.WeightsError, match=r"no file 'elsewhere/other\.h5'"):
        build("elsewhere/other.h5")


def test_two_attached_files_of_one_name_are_refused(on_kaggle):
    for name in ("a", "b"):
        (on_kaggle / name).mkdir(parents=True)
        (on_kaggle / name / "mnist.npz").touch()
    with pytest.raises(ValueError, match=r"mnist.npz is attached 2 times: .*detach all but one"):
        hosted.attached("mnist.npz")
