"""What looks at faces: pure torch, no Lightning, no Hydra, no data."""

from fer.models.branch import Branch, MapBranch
from fer.models.build import BuildError, allowing, build
from fer.models.clips import ClipFrames, ClipLSTM, ClipNetwork
from fer.models.convlstm import ConvLSTM
from fer.models.crnn import CRNN
from fer.models.fusion import Attention, Bilinear, Concat, Fusion, Gated, Sum
from fer.models.head import DenseHead
from fer.models.inputs import ModelInput
from fer.models.metadata import MetadataBranch
from fer.models.network import FusionNetwork
from fer.models.preprocessing import Preprocessing
from fer.models.rebuild import rebuild
from fer.models.sequence import SequenceBranch
from fer.models.time import TimeLSTM
from fer.models.views import Columns, Patches, Pixels, Rows, View

__all__ = [
    "CRNN",
    "Attention",
    "Bilinear",
    "Branch",
    "BuildError",
    "ClipFrames",
    "ClipLSTM",
    "ClipNetwork",
    "Columns",
    "Concat",
    "ConvLSTM",
    "DenseHead",
    "Fusion",
    "FusionNetwork",
    "Gated",
    "MapBranch",
    "MetadataBranch",
    "ModelInput",
    "Patches",
    "Pixels",
    "Preprocessing",
    "Rows",
    "SequenceBranch",
    "Sum",
    "TimeLSTM",
    "View",
    "allowing",
    "build",
    "rebuild",
]
