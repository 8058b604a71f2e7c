"""The framework that Keras computes with: TensorFlow, JAX or PyTorch.

A kernel computes with one of them, chosen before Keras is imported; every run has its own kernel.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from lib.instruments.gpus import visible_gpus
from lib.patching import hidden, imported_to_stay
from lib.study.catalog import missing_backend
from lib.study.errors import UserError


class BackendError(UserError, RuntimeError):
    """The backend can't be used in this process."""


def use(name: str) -> None:
    """Start Keras with backend `name` in this process, without the notes that it starts with.

    Raises:
        BackendError: It isn't installed, or Keras is already loaded with another one.
    """
    if sentence := missing_backend(name):
        raise BackendError(sentence)
    if "keras" in sys.modules and current() != name:
        raise BackendError(
            f"backend: Keras already computes with {current()} here; to use {name}, "
            "restart the kernel and run the notebook from the top"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors still show
    os.environ["KERAS_BACKEND"] = name
    # What Keras and TensorFlow offer for these is a quarter of their start; nothing here uses it.
    unused = {"jax", "matplotlib", "sklearn"} - {name}
    with _notes_held_back() as notes, hidden(*unused), imported_to_stay():
        gpu = has_gpu()
    if not gpu and visible_gpus().selected:
        # There is a GPU which it does not find: why may be among them.
        print(*notes, file=sys.stderr)


@contextmanager
def _notes_held_back() -> Iterator[list[str]]:
    """Hold back what is written to standard error, from C++ too; show it if an error is raised.

    TensorFlow 2.21 says there that it has found no GPU, and why its sums may differ in the last
    digit, whatever TF_CPP_MIN_LOG_LEVEL says.
    """
    notes: list[str] = []
    failed = True
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield notes
            failed = False
        finally:
            os.dup2(shown, 2)
            os.close(shown)
            held.seek(0)
            notes.append(held.read().decode(errors="replace"))
            if failed:
                print(*notes, file=sys.stderr)


def current() -> str:
    """The backend that Keras computes with in this process."""
    import keras

    return keras.backend.backend()


def has_gpu() -> bool:
    """Whether the backend in use computes on a GPU."""
    match current():
        case "tensorflow":
            import tensorflow as tf

            return bool(tf.config.list_physical_devices("GPU"))
        case "jax":
            import jax

            return jax.default_backend() == "gpu"
        case _:
            import torch

            return torch.cuda.is_available()


def tf32() -> bool:
    """Whether a GPU of the Ampere generation or newer may round what it multiplies to 10 bits.

    By default TensorFlow and JAX let it, PyTorch only in convolutions. Older GPUs never do.

    Source:
        `tf.config.experimental.enable_tensor_float_32_execution`, `jax.default_matmul_precision`,
        PyTorch's notes on CUDA semantics.
    """
    if not has_gpu():
        return False
    match current():
        case "tensorflow":
            import tensorflow as tf

            return tf.config.experimental.tensor_float_32_execution_enabled()
        case "jax":
            import jax

            return jax.config.read("jax_default_matmul_precision") not in ("float32", "highest")
        case _:
            import torch

            return torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
