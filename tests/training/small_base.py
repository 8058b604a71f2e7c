"""A base of few layers in place of one of `keras.applications`, whose layers take long to compile.

For what does not depend on the architecture. It has batch normalization, and drops paths. Where it
does depend, but not on how often an architecture repeats its blocks, there are `few_blocks`.
"""

from contextlib import contextmanager
from types import SimpleNamespace

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
    """Have Keras build networks of many alike blocks from the first of them, of every kind one.

    These are ResNets, MobileNets V2 and V3, EfficientNets and a ConvNeXtTiny. VGGs have all of
    their layers, with an eighth of the channels.
    """
    from keras.src import layers
    from keras.src.applications import (
        convnext,
        efficientnet,
        efficientnet_v2,
        mobilenet_v2,
        mobilenet_v3,
        resnet,
        vgg16,
        vgg19,
    )

    def narrow(filters, *arguments, **named):
        return layers.Conv2D(filters // 8, *arguments, **named)

    of_vgg = SimpleNamespace(**vars(layers) | {"Conv2D": narrow})
    many = resnet.stack_residual_blocks_v1

    def two(x, filters, blocks, **more):
        return many(x, filters, 2, **more) if filters < 256 else x

    v2, v3 = mobilenet_v2._inverted_res_block, mobilenet_v3._inverted_res_block

    def three(x, block_id, **more):
        return v2(x, block_id=block_id, **more) if block_id < 3 else x

    def five(x, *more):
        *_, block_id = more
        return v3(x, *more) if block_id < 5 else x

    tiny = convnext.MODEL_CONFIGS["tiny"] | {"depths": [2, 1, 0, 0]}
    fused = {name: blocks[:4] for name, blocks in efficientnet_v2.DEFAULT_BLOCKS_ARGS.items()}
    with (
        replaced(vgg16, layers=of_vgg),
        replaced(vgg19, layers=of_vgg),
        replaced(resnet, stack_residual_blocks_v1=two),
        replaced(mobilenet_v2, _inverted_res_block=three),
        replaced(mobilenet_v3, _inverted_res_block=five),
        replaced(convnext, MODEL_CONFIGS=convnext.MODEL_CONFIGS | {"tiny": tiny}),
        replaced(efficientnet, DEFAULT_BLOCKS_ARGS=efficientnet.DEFAULT_BLOCKS_ARGS[:2]),
        replaced(efficientnet_v2, DEFAULT_BLOCKS_ARGS=fused),
    ):
        yield
