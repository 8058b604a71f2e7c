import subprocess

import keras
import pytest
import tensorflow as tf

from lib.study.config import RunConfig
from lib.training import backends, datasets, network

SMALL = {"architecture": "MobileNetV2", "head": "linear", "train_limit": 20, "test_limit": 10}

pytestmark = pytest.mark.usefixtures("few_layers")


@pytest.mark.parametrize(("gpu", "computed_in"), [(False, "bfloat16"), (True, "float16")])
def test_mixed_precision_computes_in_16_bits_and_keeps_weights_and_output_in_32(
    monkeypatch, gpu, computed_in
):
    monkeypatch.setattr(backends, "has_gpu", lambda: gpu)
    config = RunConfig(**SMALL, precision="mixed")
    data = datasets.load(config)
    model = network.build(config, data)
    base, head = model.layers[1], model.get_layer("head")
    *hidden, output = [*base.layers[1:], *head.layers]
    assert {layer.compute_dtype for layer in hidden} == {computed_in}
    assert output.compute_dtype == "float32"
    assert model.output.dtype == "float32"
    # Counters, as that of a random generator, are whole numbers.
    kinds = {weight.dtype for weight in model.weights}
    assert kinds == {"float32"}
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == gpu, "gradients of float16 would vanish without"
    assert network.count(config, data, model).precision == f"mixed_{computed_in}"
    assert keras.config.dtype_policy().name == "float32", "as it was before"


def test_a_count_that_fails_on_tensorflow_says_why(monkeypatch):
    config = RunConfig(**SMALL, backend="jax")
    data = datasets.load(config)
    model = network.build(config, data)
    monkeypatch.setattr(backends, "current", lambda: "jax")
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="Traceback\nMemoryError: none\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    counted = network.count(config, data, model)
    assert counted.reason == "TensorFlow failed to count: MemoryError: none"
    assert counted.flops_epoch > 0, "counted from the shapes of layers all the same"


@pytest.mark.parametrize(
    ("gpu", "allowed", "computed_in"),
    [(False, True, "float32"), (True, False, "float32"), (True, True, "float32 (TF32 allowed)")],
)
def test_a_gpu_that_may_round_is_told_from_one_that_may_not(monkeypatch, gpu, allowed, computed_in):
    monkeypatch.setattr(backends, "has_gpu", lambda: gpu)
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(allowed)
    try:
        config = RunConfig(**SMALL)
        data = datasets.load(config)
        assert network.count(config, data, network.build(config, data)).precision == computed_in
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
