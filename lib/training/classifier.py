"""What `notebooks/train.ipynb` trains: a network that classifies images, and how it learns them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lib.study.catalog import NO_DEPTH
from lib.training import architectures, cached_features, fit, frozen_base, input_pipeline, network

if TYPE_CHECKING:
    from lib.study.config import RunConfig
    from lib.training.datasets import Dataset
    from lib.training.fit import Epoch


class Training:
    """One network and its images, from random weights to what it learned.

    Raises:
        NoRoomError: Cached features would not fit into the memory.
    """

    def __init__(self, config: RunConfig, data: Dataset):
        self.config, self.data = config, data
        self.model = network.build(config, data)
        if config.features == "cached":
            cached_features.check_memory(config, data, self.model)
        self.network = network.count(config, data, self.model)
        self.history: list[Epoch] = []  # of every epoch, once it has learned
        self.base_held_as = frozen_base.held_as(config, data, self.model)
        if self.base_held_as == "constants":
            frozen_base.as_constants(self.model.layers[1])

    def rehearse(self) -> None:
        """Learn from a few batches of every size that there will be, then put all weights back."""
        short = self.config.model_copy(update={"epochs": 1})
        few = input_pipeline.subset(self.data, self.config, fit.WARM_UP_BATCHES)
        with fit.variables_put_back(self.model):
            fit.learn(short, self.model, few)

    def learn(self, run: fit.Listener) -> None:
        """Train as the configuration says, and tell `run` how it goes."""
        share = self.network.share_done_once(self.config, self.data)
        self.history = fit.learn(self.config, self.model, self.data, run, share)

    def predict(self) -> None:
        """Classify every validation image once."""
        self.model.predict(input_pipeline.images(self.data, self.config).validation, verbose=0)

    @property
    def results(self) -> dict[str, Any]:
        """What came out, as `Run.finish` takes it."""
        last, counted, data, config = self.history[-1], self.network, self.data, self.config
        diverged = not math.isfinite(last.val_loss)
        reasons = {"loss": "the training diverged: its loss is no number"} if diverged else {}
        if counted.reason:
            reasons["flops"] = reasons["flops_head"] = counted.reason
        if counted.depth is None:
            reasons["depth"] = NO_DEPTH
        doubts = [*architectures.doubts(config.architecture, config.preprocessing)]
        if config.weights == "none" and config.trainable == "head":
            doubts.append(
                "the frozen base has random weights: time and energy are those of the "
                "architecture, the accuracy is not"
            )
        return {
            "accuracy": last.val_accuracy,
            "loss": None if diverged else last.val_loss,
            "flops": counted.flops,
            "flops_head": counted.flops_head,
            "flops_training": counted.flops_training(len(self.history)),
            "parameters": counted.parameters,
            "trainable_parameters": counted.trainable_parameters,
            "depth": counted.depth,
            "facts": {"computed_in": counted.precision, "base_held_as": self.base_held_as},
            "data": {
                "fingerprint": data.fingerprint,
                "source": data.source,
                "classes": data.classes,
                "train_images": len(data.y_train),
                "test_images": len(data.y_test),
            },
            "reasons": reasons,
            "doubts": [*doubts, *counted.doubts, *data.notes],
        }
