"""The built-in data: faces and clips drawn from facial action units."""

from fer.data.synthetic.clips import SyntheticClips
from fer.data.synthetic.faces import (
    CONTEXTS,
    Camera,
    Identity,
    Light,
    Pose,
    Recipe,
    SyntheticFaces,
    draw_face,
)

__all__ = [
    "CONTEXTS",
    "Camera",
    "Identity",
    "Light",
    "Pose",
    "Recipe",
    "SyntheticClips",
    "SyntheticFaces",
    "draw_face",
]
