import zipfile

import numpy as np
import pytest

from lib.execution import inputs
from lib.study.config import RunConfig
from lib.study.errors import StudyError

GOOD = {
    "x_train": np.arange(128, dtype=np.uint8).reshape(2, 8, 8),
    "y_train": np.array([0, 1]),
    "x_test": np.arange(128, dtype=np.uint8).reshape(2, 8, 8),
    "y_test": np.array([1, 0]),
}


def run(folder, **fields):
    return RunConfig(**{"dataset": "mine", "data_dir": str(folder), "weights": "none"} | fields)


def test_good_files_are_taken(tmp_path):
    np.savez(tmp_path / "mine.npz", **GOOD)
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n...")
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    for weights in ("a.h5", "b.keras"):
        inputs.check([run(tmp_path, weights=str(tmp_path / weights))])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.zeros((2, 8), np.uint8)}, "x_train has the shape"),
        ({"x_test": np.full((2, 8, 8), "a")}, "x_test is of type"),
        ({"y_train": np.array([0.5, 1.5])}, "labels are whole numbers"),
        ({"y_test": np.array([0, 7])}, "y_test"),
    ],
)
def test_images_are_opened_before_the_first_run(tmp_path, changes, message):
    np.savez(tmp_path / "mine.npz", **GOOD | changes)
    with pytest.raises(StudyError, match=f"dataset: data_dir/mine.npz: .*{message}"):
        inputs.check([run(tmp_path), run(tmp_path, repetition=2)])


def test_what_describes_a_meter_is_opened_before_the_first_run(tmp_path):
    np.savez(tmp_path / "mine.npz", **GOOD)
    (tmp_path / "meter.yaml").write_text("hello: 1")
    with pytest.raises(StudyError, match=r"meter: meter\.yaml: needs a line `meter:`"):
        inputs.check([run(tmp_path, meter=str(tmp_path / "meter.yaml"))])
    (tmp_path / "meter.yaml").write_text("meter: shelly\nurl: http://nowhere.invalid")
    inputs.check([run(tmp_path, meter=str(tmp_path / "meter.yaml"))])


def test_weights_are_opened_before_the_first_run(tmp_path):
    np.savez(tmp_path / "mine.npz", **GOOD)
    (tmp_path / "w.h5").write_text("<html>404 Not Found")
    for name in ("w.h5", "mine.npz"):
        with pytest.raises(StudyError, match="is no file of weights"):
            inputs.check([run(tmp_path, weights=str(tmp_path / name))])
