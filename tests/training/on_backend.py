"""What one backend computes, as JSON: run by test_backends.py in a process for each backend.

`python -m tests.training.on_backend BACKEND FOLDER`; FOLDER holds `base.weights.h5`, `head.npz`
and images in `tiles.npz`: scikit-learn's digits take a second to import.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from lib.patching import hidden
from lib.study.config import RunConfig
from lib.training import augmentation, backends, datasets, fit, input_pipeline, network
from lib.training import batches as feeding
from lib.training.architectures import undrawn
from tests.training import small_base

STARTED = "started"


def main() -> None:
    backend, folder = sys.argv[1], Path(sys.argv[2])
    backends.use(backend)
    print(STARTED, file=sys.stderr, flush=True)
    import keras
    from keras import ops

    numbers = np.random.default_rng(0)
    pixels = numbers.uniform(0, 255, (6, 32, 32, 3)).astype("float32")
    draws = numbers.uniform(-1, 1, (augmentation.DRAWS, 6)).astype("float32")
    augment = feeding.compiled(augmentation.augment)
    warped = augment(ops.convert_to_tensor(pixels), ops.convert_to_tensor(draws))

    config = RunConfig(
        architecture="VGG16",
        head="linear",
        dataset="tiles",
        data_dir=str(folder),
        backend=backend,
        optimizer="sgd",
        train_limit=50,
        test_limit=20,
        epochs=2,
        batch_size=20,
        weights=str(folder / "base.weights.h5"),
    )
    data = datasets.load(config)
    # What one network learns from is read, and FLOPs of the other depend on shapes alone.
    with undrawn():
        large = network.build(config.model_copy(update={"weights": "none"}), data)
        with small_base.in_place():
            model = network.build(config, data)
    beside = {"tensorflow"} - {backend}
    with hidden(*beside):  # as if it were not installed
        counted = network.count(config, data, large)
    feed = input_pipeline.images(data, config).train
    passes = [_passed(feed) for _ in range(2)]
    again = _passed(input_pipeline.images(data, config).train)

    _, made_online = _warmed_up(config.model_copy(update={"epochs": 1}), model, data)
    cached = config.model_copy(update={"features": "cached", "views": 1})
    history, made_cached = _warmed_up(cached, model, data)

    # One batch, as each shuffles in its own way; of a size that there was, or JAX compiles more.
    with np.load(folder / "head.npz") as head:
        model.get_layer("head").set_weights([head[name] for name in sorted(head)])
    plain = {"augmentation": "none", "train_limit": config.batch_size, "epochs": 1}
    single = config.model_copy(update=plain)
    (epoch,) = fit.learn(single, model, datasets.load(single))
    learned = [weight.tolist() for weight in model.get_layer("head").get_weights()]

    json.dump(
        {
            "backend": keras.backend.backend(),
            "loaded_beside": [*beside & {*sys.modules}],
            "warped": ops.convert_to_numpy(warped).tolist(),
            "loss": epoch.loss,
            "val_loss": epoch.val_loss,
            "head": learned,
            "flops": counted.flops,
            "flops_epoch": counted.flops_epoch,
            "reason": counted.reason,
            "labels": sorted(data.y_train.tolist()),
            "passes": [labels for _, labels in passes],
            "passes_differ": bool(abs(passes[0][0].mean(0) - passes[1][0].mean(0)).max() > 1e-4),
            "again": again[1] == passes[0][1] and bool(np.array_equal(again[0], passes[0][0])),
            "made_anew": [*made_online, *made_cached],
            "cached_losses": [epoch.loss for epoch in history],
        },
        sys.stdout,
    )


def _warmed_up(config, model, data) -> tuple[list[fit.Epoch], list[str]]:
    """The history of a training after its warm-up, and what the framework made anew in it."""
    with fit.variables_put_back(model):
        fit.learn(config, model, input_pipeline.subset(data, config, 1))
    with _noting() as made:
        return fit.learn(config, model, data), made


@contextmanager
def _noting() -> Iterator[list[str]]:
    """Note what JAX compiles, and layers that are called: on TensorFlow, as they are traced."""
    import keras

    made = []
    call = keras.layers.Layer.__call__

    def noted(layer, *arguments, **named):
        made.append(layer.name)
        return call(layer, *arguments, **named)

    def compiled(event, seconds, **about):
        if "backend_compile" in event:
            made.append(about.get("fun_name", event))

    if keras.backend.backend() == "torch":  # which makes nothing, and calls layers at every step
        yield made
        return
    if keras.backend.backend() == "jax":
        from jax import monitoring

        monitoring.register_event_duration_secs_listener(compiled)
    with mock.patch.object(keras.layers.Layer, "__call__", noted):
        yield made
    if keras.backend.backend() == "jax":
        monitoring.unregister_event_duration_listener(compiled)


def _passed(feed) -> tuple[np.ndarray, list[int]]:
    """One pass over a feed, as `fit` makes it."""
    from keras import ops

    batches = list(feeding.batches(feed))
    if hasattr(feed, "on_epoch_end"):
        feed.on_epoch_end()
    images = np.concatenate([ops.convert_to_numpy(images) for images, _ in batches])
    return images, [int(label) for _, labels in batches for label in labels]


if __name__ == "__main__":
    main()
