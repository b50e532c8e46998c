"""What looks at faces: pure torch, no Lightning, no Hydra, no data."""

from fer.models.build import BuildError, build
from fer.models.fusion import Concat, Fusion
from fer.models.head import DenseHead
from fer.models.network import FusionNetwork
from fer.models.preprocessing import Preprocessing
from fer.models.sequence import SequenceBranch
from fer.models.views import Rows, View

__all__ = [
    "BuildError",
    "Concat",
    "DenseHead",
    "Fusion",
    "FusionNetwork",
    "Preprocessing",
    "Rows",
    "SequenceBranch",
    "View",
    "build",
]
