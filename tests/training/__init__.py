"""Tests of what is trained, and how."""

from lib.patching import replaced


def undrawn():
    """Have weights begin as zeros for a while, where no value of them matters."""
    from keras import initializers

    return replaced(initializers.VarianceScaling, __call__=initializers.Zeros.__call__)
