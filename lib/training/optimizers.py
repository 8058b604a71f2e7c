"""Keras' optimizers, with the update of Adam as one operation where TensorFlow computes.

Keras writes Adam as a dozen operations, each of which reads and writes all weights: 19 to 50
million in the paper's head. TensorFlow's own kernel computes the same formula in one pass.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from lib.training import backends

if TYPE_CHECKING:
    import keras


def make(name: str, learning_rate: float | None = None) -> keras.optimizers.Optimizer:
    """An optimizer by its name in `keras.optimizers`; without a rate, with its default."""
    import keras

    fused = name == "adam" and backends.current() == "tensorflow"
    optimizer = _fused_adam()() if fused else keras.optimizers.get(name)
    if learning_rate is not None:
        optimizer.learning_rate = learning_rate
    return optimizer


@functools.cache
def _fused_adam() -> type[keras.optimizers.Adam]:
    import keras
    import tensorflow as tf

    class Adam(keras.optimizers.Adam):
        """`keras.optimizers.Adam` through `tf.raw_ops.ResourceApplyAdam`.

        Kingma and Ba 2015, "Adam", the variant before section 2.1 (doi:10.48550/arXiv.1412.6980):
        both compute `w -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)`.
        """

        def update_step(
            self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
        ) -> None:
            place = self._get_variable_index(variable)
            kind = variable.dtype
            step = tf.cast(self.iterations + 1, kind)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[place].value.handle,
                v=self._velocities[place].value.handle,
                beta1_power=tf.pow(tf.cast(self.beta_1, kind), step),
                beta2_power=tf.pow(tf.cast(self.beta_2, kind), step),
                lr=tf.cast(learning_rate, kind),
                beta1=tf.cast(self.beta_1, kind),
                beta2=tf.cast(self.beta_2, kind),
                epsilon=tf.cast(self.epsilon, kind),
                grad=tf.cast(gradient, kind),
            )

    return Adam
