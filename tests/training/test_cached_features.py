import dataclasses
import tracemalloc

import numpy as np
import psutil
import pytest

from lib.study.config import RunConfig
from lib.training import (
    architectures,
    cached_features,
    classifier,
    datasets,
    fit,
    input_pipeline,
    network,
)
from tests.training import small_base
from tests.training.test_fit import Listener

COMMON = {
    "architecture": "VGG16",
    "dataset": "digits",
    "head": "linear",
    "preprocessing": "imagenet",
}
COMMON |= {"train_limit": 70, "test_limit": 40}

pytestmark = pytest.mark.usefixtures("few_layers")


@pytest.fixture(scope="module")
def data():
    return datasets.load(RunConfig(**COMMON))


def config(**fields):
    return RunConfig(**COMMON | {"features": "cached"} | fields)


def rows(feed):
    x, y = zip(*feed.as_numpy_iterator(), strict=True)
    return np.concatenate(x), np.concatenate(y)


def test_without_augmentation_it_is_the_training_of_the_whole_network(data):
    ends = {}
    for how in ("online", "cached"):
        run = config(features=how, augmentation="none", epochs=3)
        model = network.build(run, data)
        history = fit.learn(run, model, data)
        ends[how] = model.get_weights(), [dataclasses.astuple(epoch) for epoch in history]
    np.testing.assert_allclose(ends["online"][1], ends["cached"][1], rtol=1e-3)
    for online, cached in zip(ends["online"][0], ends["cached"][0], strict=True):
        np.testing.assert_allclose(online, cached, atol=1e-4)


@pytest.fixture(scope="module")
def three_views(few_layers, data):
    """A run, its base, and the features of three views that it caches."""
    run = config(views=3)
    model = network.build(run, data)
    return run, model.layers[1], cached_features.cache(model, data, run)


def test_each_epoch_draws_one_of_the_views_of_every_image(data, three_views):
    run, base, feeds = three_views
    views = [
        base.predict(
            input_pipeline.training_images(
                data, run, cached_features._seed(run, view), shuffle=False
            )
        )
        for view in range(3)
    ]
    drawn = []
    for _ in range(4):
        seen, labels = rows(feeds.train)
        assert sorted(labels) == sorted(data.y_train)
        for row in seen:
            distances = [abs(all_of_view - row).max(axis=(1, 2, 3)) for all_of_view in views]
            view, image = np.unravel_index(np.argmin(distances), np.shape(distances))
            assert distances[view][image] < 1e-4 * abs(row).max()
            drawn.append((image, view))
    images, chosen = np.transpose(drawn)
    assert (np.bincount(images) == 4).all(), "every image once an epoch"
    assert (np.bincount(chosen, minlength=3) > 60).all(), "every view, of 280 draws"


def test_features_for_validation_are_never_augmented_or_shuffled(data, three_views):
    run, base, feeds = three_views
    seen, labels = rows(feeds.validation)
    pixels = input_pipeline.preprocess(
        data.x_test.astype(np.float32), run.architecture, run.preprocessing
    )
    np.testing.assert_allclose(seen, base(pixels), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(labels, data.y_test)


TWO_VIEWS = config(views=2, epochs=2)


@pytest.fixture(scope="module")
def learned(few_layers, data):
    """What a training tells, and what it came to."""
    told = Listener()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "SECONDS_BETWEEN_STEPS", 0)
        model = network.build(TWO_VIEWS, data)
        return told, fit.learn(TWO_VIEWS, model, data, told, features_share=0.5)


def test_progress_counts_features_and_epochs(learned):
    told, _ = learned
    fractions = [fraction for fraction, *_ in told.steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    of_features = [fraction for fraction, epoch, _ in told.steps if epoch == 0]
    assert len(of_features) == 2 * 3 + 2, "batches of both views, and of the validation"
    assert of_features[-1] == 0.5


def test_the_warm_up_of_cached_features_leaves_no_trace(data, learned):
    model = network.build(TWO_VIEWS, data)
    with fit.variables_put_back(model):
        fit.learn(TWO_VIEWS, model, input_pipeline.subset(data, TWO_VIEWS, 1))
    assert fit.learn(TWO_VIEWS, model, data) == learned[1]


def test_neighbouring_seeds_share_no_views():
    seeds = {
        cached_features._seed(config(seed=seed), view) for seed in range(50) for view in range(20)
    }
    assert len(seeds) == 50 * 20


def test_the_flops_of_a_cached_training(data):
    real = {"architecture": "VGG19"}  # whose base is as large as a base is
    runs = config(features="online", **real), config(views=3, **real)
    with architectures.undrawn():
        model = network.build(runs[0], data)
    online, cached = (network.count(run, data, model) for run in runs)
    assert cached.flops == online.flops
    assert online.flops_once == 0
    assert cached.flops_epoch < 1e-3 * online.flops_epoch
    # What the frozen base does in one epoch and its validation, for three views of 70 images.
    base = online.flops_epoch - cached.flops_epoch
    assert cached.flops_once == pytest.approx(base * (3 * 70 + 40) / (70 + 40), rel=1e-6)


def test_features_are_computed_into_the_only_array_that_holds_them(data, monkeypatch):
    monkeypatch.setattr(small_base, "CHANNELS", 64)  # a view is several times as large as an image
    run = config(views=4, image_size=96)
    few = datasets.load(run)
    many = {"x_train": np.repeat(few.x_train, 4, axis=0), "y_train": np.repeat(few.y_train, 4)}
    large = dataclasses.replace(few, **many)
    model = network.build(run, large)
    shape = model.layers[1].output_shape[1:]
    size = 4 * 4 * 70 * np.prod(shape) * 4
    # What is computed is none of this test's business, and would take long.
    monkeypatch.setattr(input_pipeline, "_transform", lambda *_, **__: lambda images, draws: images)
    base = model.layers[1]
    monkeypatch.setattr(base, "predict_on_batch", lambda x: np.zeros((len(x), *shape), "f4"))
    tracemalloc.start()
    cached_features.cache(model, large, run)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < peak < 1.5 * size, peak / size


def test_features_that_do_not_fit_are_refused_before_anything_is_computed(data, monkeypatch):
    run = config(views=3)
    model = network.build(run, data)
    needed = (3 * 70 + 40) * np.prod(model.layers[1].output_shape[1:]) * 4
    memory = type(psutil.virtual_memory())
    fields = dict.fromkeys(memory._fields, 0)
    for available, fits in ((needed, True), (needed - 1, False)):
        found = memory(**fields | {"available": available})
        monkeypatch.setattr(psutil, "virtual_memory", lambda found=found: found)
        if fits:
            cached_features.check_memory(run, data, model)
            continue
        with pytest.raises(
            cached_features.NoRoomError, match=f"{run.run_id} need .* GB.*fewer views"
        ):
            classifier.Training(run, data)
