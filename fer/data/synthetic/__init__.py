"""The built-in data: faces and clips drawn from facial action units."""

from fer.data.synthetic.clips import SyntheticClips
from fer.data.synthetic.drawing import draw_face
from fer.data.synthetic.faces import Recipe, SyntheticFaces
from fer.data.synthetic.scene import CONTEXTS, Camera, Identity, Light, Pose

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
