"""Networks, images, batches and the fit."""
