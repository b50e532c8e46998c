"""From a split to batches: order, seeds, loader processes, faces on the device."""
