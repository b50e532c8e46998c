"""What the configuration of a training must be beyond its types, readable without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from omegaconf import DictConfig, OmegaConf

from fer.config.problems import Problem

#: Sources that have labels alone, whatever their other keys.
_LABELS_ALONE: Final = (
    "fer.data.fer2013.Fer2013",
    "fer.data.folder.ImageFolder",
    "fer.data.synthetic.SyntheticFaces",
)
_FER_PLUS: Final = "fer.data.ferplus.FerPlus"
_SOFT: Final = "fer.learning.losses.SoftTargetLoss"


def check_training(config: DictConfig, _overrides: Sequence[str]) -> list[Problem]:
    """Return which choices of a training do not go together, before anything heavy is loaded.

    What would be asked for and read by nothing is refused: nobody would miss it.

    Args:
        config: the composed configuration.
    """
    problems = []
    source = OmegaConf.select(config, "data.source._target_")
    if config.data.get("metadata") is not None and config.model.get("metadata") is None:
        problems.append(
            Problem("data.metadata", "nothing reads it with metadata=none: choose metadata=dense")
        )
    if source == _LABELS_ALONE[0] and config.data.get("manifest") is not None:
        what = "FER2013's own labels need no rows: leave it out (data=ferplus and evaluate read it)"
        problems.append(Problem("data.manifest", what))
    votes = source == _FER_PLUS and config.data.get("target") == "distribution"
    known = source in (*_LABELS_ALONE, _FER_PLUS)
    if OmegaConf.select(config, "loss._target_") == _SOFT and known and not votes:
        what = "learns from distributions of votes: choose data=ferplus data.target=distribution"
        problems.append(Problem("loss=soft", f"SoftTargetLoss {what}, or another loss"))
    if config.get("before"):
        # Only here: it looks at the machinery of tables.
        from fer.config.before import check_before

        problems += check_before(config)
    return problems
