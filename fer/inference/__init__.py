"""A trained model in use."""

from fer.checkpoints import CheckpointError
from fer.inference.checkpoint import CheckpointModel, load_checkpoint
from fer.inference.description import Description, ModelFileError
from fer.inference.detection import Detection, Detector, DetectorError, make_detector
from fer.inference.loading import load, load_model
from fer.inference.model import Model
from fer.inference.onnx_model import OnnxModel
from fer.inference.prediction import UNCERTAIN, Face, Prediction
from fer.inference.recognizer import Recognizer

__all__ = [
    "UNCERTAIN",
    "CheckpointError",
    "CheckpointModel",
    "Description",
    "Detection",
    "Detector",
    "DetectorError",
    "Face",
    "Model",
    "ModelFileError",
    "OnnxModel",
    "Prediction",
    "Recognizer",
    "load",
    "load_checkpoint",
    "load_model",
    "make_detector",
]
