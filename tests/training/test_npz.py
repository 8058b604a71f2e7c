from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.training import npz

rng = np.random.default_rng(0)
GOOD = {
    "x_train": rng.integers(0, 256, (12, 10, 10), dtype=np.uint8),
    "y_train": np.tile(np.arange(3), 4),
    "x_test": rng.integers(0, 256, (6, 10, 10), dtype=np.uint8),
    "y_test": np.tile(np.arange(3), 2),
}


@pytest.fixture
def save(tmp_path):
    def write(**changes):
        path = tmp_path / "tiles.npz"
        arrays = {key: value for key, value in (GOOD | changes).items() if value is not None}
        np.savez(path, **arrays)
        return path

    return write


def test_a_good_file_comes_back_as_it_is(save):
    arrays = npz.read(save())
    for key in npz.KEYS:
        np.testing.assert_array_equal(getattr(arrays, key), GOOD[key])
    assert arrays.x_train.dtype == np.uint8
    assert arrays.y_train.dtype == np.int32
    assert arrays.class_names == ("0", "1", "2")
    assert arrays.source == "data_dir/tiles.npz"
    assert arrays.notes == ()


def test_a_single_channel_and_labels_in_a_column_are_flattened(save):
    arrays = npz.read(
        save(
            x_train=GOOD["x_train"][..., None],
            x_test=GOOD["x_test"][..., None],
            y_train=GOOD["y_train"][:, None],
            y_test=GOOD["y_test"][:, None].astype(np.uint8),
        )
    )
    assert arrays.x_train.shape == (12, 10, 10)
    assert arrays.y_test.tolist() == GOOD["y_test"].tolist()


def test_colour_keeps_its_channels(save):
    colour = np.repeat(GOOD["x_train"][..., None], 3, axis=-1)
    arrays = npz.read(save(x_train=colour, x_test=colour[:6]))
    np.testing.assert_array_equal(arrays.x_train, colour)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_pixels_from_0_to_1_are_scaled_and_said_so(save, dtype):
    scaled = {key: (GOOD[key] / 255).astype(dtype) for key in ("x_train", "x_test")}
    arrays = npz.read(save(**scaled))
    tolerance = 0 if dtype != "float16" else 1
    assert abs(arrays.x_train.astype(int) - GOOD["x_train"]).max() <= tolerance
    assert arrays.notes == ("Pixels from 0 to 1 were scaled to 0 to 255 and rounded.",)


def test_both_splits_are_scaled_alike(save):
    """A dark test image must not be taken for one from 0 to 1 where the others are not."""
    dark = np.ones((6, 10, 10), np.uint8)
    assert npz.read(save(x_test=dark)).x_test.max() == 1


def test_whole_floats_are_taken_silently_and_fractions_are_said_to_be_rounded(save):
    assert npz.read(save(x_train=GOOD["x_train"].astype(float))).notes == ()
    arrays = npz.read(save(x_train=np.minimum(GOOD["x_train"] + 0.25, 255)))
    assert arrays.notes == ("Pixels were rounded to whole numbers from 0 to 255.",)
    np.testing.assert_array_equal(arrays.x_train, GOOD["x_train"])


def test_labels_with_gaps_are_numbered_anew(save):
    arrays = npz.read(save(y_train=GOOD["y_train"] * 10 + 5, y_test=GOOD["y_test"] * 10 + 5))
    np.testing.assert_array_equal(arrays.y_train, GOOD["y_train"])
    assert arrays.class_names == ("5", "15", "25")
    assert arrays.notes == ("Labels 5 to 25 were numbered 0 to 2.",)


def test_known_classes_are_kept_where_some_have_no_image(save):
    arrays = npz.read(save(), class_names=("cat", "dog", "hen", "cow"))
    assert arrays.class_names == ("cat", "dog", "hen", "cow")
    np.testing.assert_array_equal(arrays.y_train, GOOD["y_train"])


with_nan = GOOD["x_train"].astype(float)
with_nan[3, 2, 1] = np.nan


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": None}, ["no key y_test", "x_train, y_train, x_test"]),
        ({"x_train": np.zeros((12, 10))}, ["x_train", "(12, 10)", "[N, height, width]"]),
        ({"x_test": np.zeros((6, 10, 10, 4), np.uint8)}, ["x_test", "(6, 10, 10, 4)"]),
        (
            {"x_train": np.zeros((0, 10, 10)), "y_train": np.zeros(0, int)},
            ["x_train", "(0, 10, 10)"],
        ),
        ({"x_test": np.zeros((6, 9, 10), np.uint8)}, ["x_test", "(9, 10)", "(10, 10)"]),
        ({"x_train": with_nan}, ["x_train", "NaN"]),
        ({"x_train": GOOD["x_train"] - 300.5}, ["x_train", "-300.5", "0 to 255"]),
        ({"x_train": GOOD["x_train"].astype("U3")}, ["x_train", "<U3"]),
        ({"x_train": GOOD["x_train"].astype(object)}, ["x_train", "can't be read", "pickle"]),
        ({"y_train": GOOD["y_train"].astype(object)}, ["y_train", "can't be read", "pickle"]),
        ({"y_train": np.arange(11)}, ["y_train", "(11,)", "12 images"]),
        ({"y_test": np.eye(3)[GOOD["y_test"]].astype(int)}, ["y_test", "(6, 3)"]),
        ({"y_train": GOOD["y_train"] + 0.5}, ["y_train", "float64", "whole numbers"]),
        ({"y_test": GOOD["y_test"] + 1}, ["y_test", "label 3", "y_train"]),
        ({"y_train": GOOD["y_train"] * 0}, ["y_train", "one class"]),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_key(save, changes, words):
    with pytest.raises(ValueError, match=r"^data_dir/tiles\.npz") as caught:
        npz.read(save(**changes))
    for word in words:
        assert word in str(caught.value)


def test_a_label_beyond_the_known_classes_is_refused(save):
    with pytest.raises(ValueError, match=r"y_train has the label 2, .* 2 classes 0 to 1"):
        npz.read(save(), class_names=("cat", "dog"))


def test_an_array_that_only_calls_itself_npz_is_refused(tmp_path):
    path = tmp_path / "tiles.npz"
    with path.open("wb") as file:
        np.save(file, GOOD["x_train"])
    with pytest.raises(ValueError, match=r"one array, not an \.npz archive"):
        npz.read(path)


def check(path):
    """Whatever a file holds, it is read into sound arrays or refused by name."""
    try:
        arrays = npz.read(path)
    except ValueError as error:
        if not str(error).startswith("data_dir/tiles.npz"):
            raise
    else:
        for x, y in ((arrays.x_train, arrays.y_train), (arrays.x_test, arrays.y_test)):
            assert x.dtype == np.uint8
            assert len(x) == len(y) > 0
            assert y.min() >= 0
            assert y.max() < len(arrays.class_names)


wild = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
buffer = io.BytesIO()
np.savez_compressed(buffer, **GOOD)


@wild
@given(content=st.binary(max_size=200))
def test_any_bytes(tmp_path, content):
    path = tmp_path / "tiles.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^data_dir/tiles\.npz"):
        npz.read(path)


@wild
@given(
    at=st.integers(0, len(buffer.getvalue()) - 1),
    put=st.binary(min_size=1, max_size=8),
    cut=st.integers(0, 40),
)
def test_a_damaged_file(tmp_path, at, put, cut):
    path = tmp_path / "tiles.npz"
    content = buffer.getvalue()
    path.write_bytes(content[:at] + put + content[at + cut :])
    check(path)


arrays_of_any_kind = hnp.arrays(
    dtype=hnp.scalar_dtypes(),
    shape=hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
)


@wild
@given(replaced=st.dictionaries(st.sampled_from(npz.KEYS), arrays_of_any_kind, min_size=1))
def test_any_arrays(tmp_path, replaced):
    path = tmp_path / "tiles.npz"
    np.savez(path, **(GOOD | replaced))
    check(path)


pixels = st.sampled_from(["u1", "i2", "u4", "f2", "f4", "f8", "?"])


@wild
@given(data=st.data(), dtype=pixels, labels=st.sampled_from(["u1", "i1", "i8", "u8"]))
def test_arrays_of_the_right_shape(tmp_path, data, dtype, labels):
    path = tmp_path / "tiles.npz"
    x = data.draw(hnp.arrays(dtype, (4, 2, 3)))
    y = data.draw(hnp.arrays(labels, (4,)))
    np.savez(path, x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    check(path)
