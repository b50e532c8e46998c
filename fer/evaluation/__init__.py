"""What a model is worth: predictions, statistics, memorisation, the report."""

from fer.evaluation.comparison import ModelRuns, compare
from fer.evaluation.evaluate import EvaluationInput, evaluate_predictions
from fer.evaluation.external_predictions import read_external_predictions
from fer.evaluation.model_predictions import predict
from fer.evaluation.predictions import (
    Predictions,
    PredictionsError,
    read_predictions,
    write_predictions,
)
from fer.inference.model import Model

__all__ = [
    "EvaluationInput",
    "Model",
    "ModelRuns",
    "Predictions",
    "PredictionsError",
    "compare",
    "evaluate_predictions",
    "predict",
    "read_external_predictions",
    "read_predictions",
    "write_predictions",
]
