"""Draw ``docs/drawn_faces.png``: built-in faces, found and labelled by the default model.

``python -m tools.readme_picture``. The faces are drawn, no person is in the picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

import fer
from fer.data.synthetic import draw_face
from fer.data.synthetic.scene import sample_identity, sample_units
from fer.inference.drawing import annotated

PICTURE: Final = Path(__file__).parents[1] / "docs" / "drawn_faces.png"
_EMOTIONS: Final = (("happy", "surprise", "angry"), ("sad", "neutral", "fear"))
_SIDE, _MARGIN, _GREY = 200, 30, 200


def main() -> None:
    """Write the picture."""
    rng = np.random.default_rng(11)
    rows = [
        np.concatenate(
            [
                draw_face(sample_units(rng, name, 0.9, 1.0), sample_identity(rng), size=_SIDE)
                for name in names
            ],
            axis=1,
        )
        for names in _EMOTIONS
    ]
    grey = np.pad(np.concatenate(rows), _MARGIN, constant_values=_GREY)
    picture = np.repeat(grey[..., None], 3, axis=2)
    shown = annotated(picture, fer.load().analyze(picture))
    cv2.imwrite(str(PICTURE), shown[..., ::-1])


if __name__ == "__main__":
    main()
