"""What a model is worth: predictions, statistics, memorisation, the report."""

from fer.evaluation.answers import read_answers
from fer.evaluation.comparison import Contender, compare
from fer.evaluation.judgement import Case, judge
from fer.evaluation.predicting import predict
from fer.evaluation.predictions import (
    Predictions,
    PredictionsError,
    read_predictions,
    write_predictions,
)
from fer.inference.model import Model

__all__ = [
    "Case",
    "Contender",
    "Model",
    "Predictions",
    "PredictionsError",
    "compare",
    "judge",
    "predict",
    "read_answers",
    "read_predictions",
    "write_predictions",
]
