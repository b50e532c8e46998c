"""What a model is worth: predictions, statistics, memorisation, the report."""

from fer.evaluation.model import Model
from fer.evaluation.predictions import (
    Predictions,
    PredictionsError,
    read_predictions,
    write_predictions,
)

__all__ = ["Model", "Predictions", "PredictionsError", "read_predictions", "write_predictions"]
