"""A base of few layers in place of one of `keras.applications`, whose layers take long to compile.

For what does not depend on the architecture. It has batch normalization, and drops paths. Where it
does depend, but not on how often an architecture repeats its blocks, there are `few_blocks`.
"""

from contextlib import contextmanager

from lib.patching import replaced

ARCHITECTURES = ("VGG16", "MobileNetV2")
"""That it can stand in for: one whose depth is stated, and one whose is not."""
CHANNELS = 16


def build(include_top=False, weights=None, input_shape=(32, 32, 3)):
    """A side of 32 becomes one of 4."""
    import keras
    from keras import layers

    inputs = keras.Input(input_shape)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D(4)(x)
    x = layers.Conv2D(CHANNELS, 3, strides=2)(layers.ZeroPadding2D()(x))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    path = layers.DepthwiseConv2D(3, padding="same")(x)
    path = layers.Dropout(0.5, noise_shape=(None, 1, 1, 1))(path)
    return keras.Model(inputs, layers.Add()([x, path]))


def in_place():
    """Have `ARCHITECTURES` be this one in this process for a while."""
    import keras

    return replaced(keras.applications, **dict.fromkeys(ARCHITECTURES, build))


@contextmanager
def few_blocks():
    """Have Keras build ResNets, EfficientNets and a ConvNeXtTiny from the first of their blocks."""
    from keras.src.applications import convnext, efficientnet, efficientnet_v2, resnet

    many = resnet.stack_residual_blocks_v1

    def two(x, filters, blocks, **more):
        return many(x, filters, 2, **more)

    tiny = convnext.MODEL_CONFIGS["tiny"] | {"depths": [2, 1, 1, 1]}
    v2 = {name: blocks[:4] for name, blocks in efficientnet_v2.DEFAULT_BLOCKS_ARGS.items()}
    with (
        replaced(resnet, stack_residual_blocks_v1=two),
        replaced(convnext, MODEL_CONFIGS=convnext.MODEL_CONFIGS | {"tiny": tiny}),
        replaced(efficientnet, DEFAULT_BLOCKS_ARGS=efficientnet.DEFAULT_BLOCKS_ARGS[:3]),
        replaced(efficientnet_v2, DEFAULT_BLOCKS_ARGS=v2),
    ):
        yield
