"""How fast a network learns: the authors' pipeline, this one, and the limit of the arithmetic.

    python benchmarks/training_throughput.py [--backend tensorflow] [--rounds 7] [--batches 10]

For every architecture of the paper on either dataset (its images if `--data-dir` holds them, else
digits enlarged to their size), in one process, taking turns, so that whatever else the machine
does meets all alike:

- *authors*: `ImageDataGenerator` and `fit` with Keras' own Adam, as in the authors' notebook,
- *authors, our Adam*: the same images, the optimizer of `lib.training.optimizers`,
- *ours*: what a run of this study does that lasts (see `lib.training.frozen_base`),
- *limit*: ours, fed one batch in memory again and again,
- *limit, N steps*: the same with N steps per call of the compiled function (TensorFlow and JAX).

Prints for each the median of images per second, of processor milliseconds per image and, where a
counter measures energy, of joules per image; their ratios, of pairs in the same round; and what the
limit is made of: the frozen base, the head without it, and the rest.

Aim: ours at least 1.25 times the images per second of the authors', and 0.95 of the limit.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.instruments import machine, measuring
from lib.instruments.carbon import locate
from lib.instruments.codecarbon import CodeCarbon
from lib.study.catalog import BACKENDS
from lib.study.config import RunConfig
from lib.training import (
    architectures,
    backends,
    datasets,
    frozen_base,
    input_pipeline,
    network,
    optimizers,
)
from lib.training.datasets import Dataset
from lib.units import JOULES_PER_KWH

ARCHITECTURES = ("VGG16", "VGG19", "ResNet50")
SIDES = {"mnist": 48, "cifar10": 32}
STEPS = 8
"""Per call of the compiled function, in the last way."""


@dataclass(frozen=True)
class Pace:
    """Of one round, each per image: seconds, seconds of all processors, joules if measured; and
    the seconds that `fit` took to return when all was learned.
    """

    seconds: float
    processor: float
    joules: float | None
    after: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, default="tensorflow")
    parser.add_argument("--architectures", nargs="+", default=list(ARCHITECTURES))
    parser.add_argument("--datasets", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--precision", choices=("float32", "mixed"), default="float32")
    parser.add_argument("--data-dir", default="../shared/data")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=10, help="of 32 images in a round")
    options = parser.parse_args()
    backends.use(options.backend)
    versions = machine.versions()
    print(
        f"{machine.hardware()['cpu_model']}, {os.cpu_count()} threads, GPU: {backends.has_gpu()}, "
        f"load {os.getloadavg()[0]:.1f}; keras {versions['keras']} on {options.backend} "
        f"{versions[options.backend]}; {options.precision}, batch 32, "
        f"{options.rounds} rounds of {options.batches} batches"
    )
    for dataset, architecture in itertools.product(options.datasets, options.architectures):
        config = RunConfig(
            architecture=architecture,
            dataset=dataset,
            backend=options.backend,
            precision=options.precision,
            data_dir=options.data_dir,
            train_limit=32 * options.batches,
            test_limit=32,
        )
        compare(config, options.rounds)


def compare(config: RunConfig, rounds: int) -> None:
    """Print how the ways of feeding and training one network compare."""
    data = load(config)
    side = data.image_size
    print(f"\n{config.architecture}, {config.dataset}, {side} pixels, {data.source}", flush=True)
    paces: dict[str, list[Pace]] = {}
    taking_turns = ways(config, data)
    for number in range(rounds + 1):
        for name, work in taking_turns.items():
            pace = measured(work, len(data.y_train))
            if number:  # the first compiles
                paces.setdefault(name, []).append(pace)
    for name, each in paces.items():
        joules = [pace.joules for pace in each if pace.joules is not None]
        print(
            f"  {name:22} {1 / middle(pace.seconds for pace in each):8.1f} images/s "
            f"{1e3 * middle(pace.processor for pace in each):8.2f} processor ms/image  "
            + (f"{middle(joules):.3f} J/image" if joules else "J/image: no counter here")
            + f"  {middle(pace.after for pace in each):.2f} s after the training"
        )
    for name, of in (("ours", "authors"), ("ours", "authors, our Adam"), ("ours", "limit")):
        speed = pairs(paces[of], paces[name], lambda pace: pace.seconds)
        work = pairs(paces[name], paces[of], lambda pace: pace.processor)
        print(f"  {name} / {of}: {speed} of the images per second, {work} of the processor time")
    several = next((name for name in paces if name.endswith("steps")), None)
    if several:
        speed = pairs(paces["limit"], paces[several], lambda pace: pace.seconds)
        print(f"  {several} / limit: {speed} of the images per second")
    whole = middle(pace.seconds for pace in paces["limit"])
    base, head = (
        middle(pace.seconds for pace in paces[name]) / whole
        for name in ("base alone", "head alone")
    )
    print(
        f"  the limit is made of: frozen base {base:.0%}, head (forward, backward, update) "
        f"{head:.0%}, the rest {1 - base - head:.0%}"
    )


def load(config: RunConfig) -> Dataset:
    """Images of the dataset; where there is no file of it, digits enlarged to their size."""
    if not Path(config.data_dir, f"{config.dataset}.npz").is_file():
        instead = {"dataset": "digits", "image_size": SIDES[config.dataset]}
        config = config.model_copy(update=instead)
    return datasets.load(config)


def ways(config: RunConfig, data: Dataset) -> dict[str, Callable[[], float]]:
    """Each way to go once through all training images, by its name; it tells when it ended."""
    plain, fused, ours = (network.build(config, data) for _ in range(3))
    architectures.compile_classifier(plain, own_adam())
    hold(ours)
    feed = input_pipeline.images(data, config).train
    images, labels = next(iter(feed)) if hasattr(feed, "element_spec") else feed[0]
    steps = -(-len(data.y_train) // config.batch_size)
    one = same_batch(images, labels, steps, config.backend)
    authors = authors_images(data, config.batch_size)

    base, head = ours.layers[1], network.build(config, data).get_layer("head")
    architectures.compile_classifier(head, optimizers.make("adam"))
    features = base.predict(np.asarray(images), verbose=0)

    found: dict[str, Callable[[], float]] = {
        "authors": lambda: fit(plain, authors),
        "authors, our Adam": lambda: fit(fused, authors),
        "ours": lambda: fit(ours, feed),
        "limit": lambda: fit(ours, one),
    }
    if config.backend != "torch":
        several = network.build(config, data)
        architectures.compile_classifier(several, optimizers.make("adam"))
        hold(several)
        several.steps_per_execution = STEPS
        found[f"limit, {STEPS} steps"] = lambda: fit(several, one)
    only = same_batch(images, None, steps, config.backend)
    found["base alone"] = lambda: predict(base, only)
    learned = same_batch(features, labels, steps, config.backend)
    found["head alone"] = lambda: fit(head, learned)
    return found


def fit(model: Any, feed: Any) -> float:
    """One epoch; the time at which all was learned."""
    import keras

    ended: list[float] = []
    watch = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: ended.append(time.perf_counter())
    )
    model.fit(feed, epochs=1, shuffle=False, verbose=0, callbacks=[watch])
    return ended[0]


def predict(model: Any, feed: Any) -> float:
    """One pass; the time at which it ended."""
    model.predict(feed, verbose=0)
    return time.perf_counter()


def hold(model: Any) -> None:
    """Hold the base as a training that lasts would."""
    if backends.current() == "tensorflow" and not backends.has_gpu():
        frozen_base.as_constants(model.layers[1])


def own_adam() -> Any:
    """As Keras makes it."""
    import keras

    return keras.optimizers.Adam()


def authors_images(data: Dataset, batch_size: int) -> Any:
    """Batches as the authors made them."""
    # The public name is TensorFlow's (tf.keras.preprocessing), which other backends don't have.
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(
        rotation_range=15, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True
    )
    pixels = data.x_train.astype(np.float32) / 255
    return generator.flow(pixels, data.y_train, batch_size=batch_size)


def same_batch(images: Any, labels: Any, steps: int, backend: str) -> Any:
    """One batch in memory, `steps` times."""
    batch = (images,) if labels is None else (images, labels)
    if backend == "tensorflow":
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = False  # as in lib.training.batches
        return tf.data.Dataset.from_tensors(batch).repeat(steps).prefetch(2).with_options(options)
    import keras

    class Same(keras.utils.PyDataset):
        def __len__(self) -> int:
            return steps

        def __getitem__(self, place: int) -> tuple:
            return batch

    return Same()


def measured(work: Callable[[], float], images: int) -> Pace:
    """How long some work takes, and the energy of what has a counter."""
    with measuring([CodeCarbon(locate("FRA"))]) as readings:
        began, used = time.perf_counter(), time.process_time()
        ended = work()
        after, processor = time.perf_counter() - ended, time.process_time() - used
    (reading,) = readings
    counted = [
        part.energy
        for part in reading.components.values()
        if part.energy is not None and "counter" in part.method
    ]
    joules = sum(counted) * JOULES_PER_KWH / images if counted else None
    return Pace((ended - began) / images, processor / images, joules, after)


def middle(values: Any) -> float:
    """The median."""
    return float(np.median(list(values)))


def pairs(over: list[Pace], under: list[Pace], what: Callable[[Pace], float]) -> str:
    """The median of the ratios within each round, and how far they spread."""
    ratios = [what(a) / what(b) for a, b in zip(over, under, strict=True)]
    return f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
