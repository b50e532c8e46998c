"""Classify faces and the faces in pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fer.core.clips import pad_clips
from fer.core.defaults import MIN_FACE
from fer.core.errors import UserError
from fer.core.metadata import encode
from fer.inference.crops import face_crops
from fer.inference.detection import Detection, Detector, make_detector
from fer.inference.model import Model, frames_of
from fer.inference.prediction import UNCERTAIN, Face, Numbers, Prediction, labels_of
from fer.inference.preprocess import Clip, Crops, FacesError, preprocess, preprocess_clips
from fer.inference.views import views
from fer.pixels import Image


class Recognizer:
    """Predicts the label that annotators would give a face, which is not what a person feels.

    Args:
        model: an exported model or a checkpoint.
        confidence: probability of the likeliest class below which a face is ``uncertain``.
        min_face: pixels of the shorter side of a found face below which it is ``uncertain``.
        detector: of faces in whole pictures, or a function that makes one for the first picture;
            None: the default one.
    """

    def __init__(
        self,
        model: Model,
        *,
        confidence: float = 0.0,
        min_face: int = MIN_FACE,
        detector: Detector | Callable[[], Detector] | None = None,
    ) -> None:
        if not 0 <= confidence <= 1:
            raise ValueError(f"confidence must be from 0 to 1, not {confidence}")
        if min_face < 0:
            raise ValueError(f"min_face must be at least 0 pixels, not {min_face}")
        self.model = model
        self.confidence = confidence
        self.min_face = min_face
        self._detector = detector

    @property
    def frames(self) -> int | None:
        """The most frames of a clip that it reads; None for a model of single faces."""
        return frames_of(self.model)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self.model.classes

    @cached_property
    def detector(self) -> Detector:
        """The detector of faces in whole pictures, loaded at first use."""
        made = self._detector
        if made is None:
            return make_detector()
        return made if hasattr(made, "detect") else made()

    def analyze(self, image: Image, *, tta: bool = False) -> list[Face]:
        """Find and classify the faces in a picture, sorted by descending detection score.

        Args:
            image: uint8 ``[H, W, 3]`` RGB, or ``[H, W]`` grey, upright.
            tta: average ten views of each face, see :meth:`classify`.

        Raises:
            FacesError: the array is no such picture.
            UserError: the detector can't be used.
        """
        picture = _whole_picture(image)
        return self.read(picture, self.detector.detect(picture), tta=tta)

    def read(self, image: Image, found: Sequence[Detection], *, tta: bool = False) -> list[Face]:
        """Classify the faces found in a picture, uint8 ``[H, W, 3]`` RGB, in one batch.

        The result is the mean of two squares (:func:`~fer.inference.crops.face_crops`).
        """
        if not found:
            return []
        squares = [square for one in found for square in face_crops(image, one.box)]
        answer = self.classify(squares, tta=tta)
        shape = len(found), -1, len(self.classes)
        probabilities = answer.probabilities.reshape(shape).mean(axis=1)
        logits = answer.logits.reshape(shape).mean(axis=1)
        return self._faces(found, self._prediction(probabilities, logits))

    def read_clips(self, found: Sequence[Detection], clips: Sequence[Clip]) -> list[Face]:
        """Classify the faces found in a frame by their crops so far, see :meth:`classify_clips`."""
        return self._faces(found, self.classify_clips(clips)) if found else []

    def _faces(self, found: Sequence[Detection], answer: Prediction) -> list[Face]:
        return [
            Face(
                box=one.box,
                score=one.score,
                label=label if min(one.box[2:]) >= self.min_face else UNCERTAIN,
                probabilities=probabilities,
            )
            for one, label, probabilities in zip(
                found, answer.labels, answer.probabilities, strict=True
            )
        ]

    def classify(
        self,
        faces: Crops,
        metadata: Mapping[str, Sequence[Any] | npt.NDArray[np.generic]] | None = None,
        *,
        tta: bool = False,
    ) -> Prediction:
        """Classify crops of faces.

        Args:
            faces: uint8 ``[N, H, W]`` grey or ``[N, H, W, 3]`` RGB of any size, or a list of
                pictures of different sizes.
            metadata: one sequence of N values a column; ignored by models that read none.
            tta: average ten views, mirrored and shifted: ten times the work, a little more
                accuracy.

        Raises:
            FacesError: the faces are no such array, or the model reads clips.
            UserError: the model answers with NaN.
            ValueError: the metadata don't fit the faces.
        """
        if self.frames is not None:
            raise FacesError(
                "this model reads clips, not single faces: recognizer.classify_clips(clips) and "
                "fer video use it",
                code="reads_clips",
            )
        small = preprocess(faces, self.model.size, self.model.fit)
        columns = self.model.columns
        beside = None
        if metadata is not None and columns is not None:
            beside = encode(metadata, columns, len(small))
        if tta:
            probabilities, logits = self._ten_views(small, beside)
        else:
            probabilities, logits = self.model.answer(small, beside)
        return self._prediction(probabilities, logits)

    def classify_clips(self, clips: Sequence[Clip]) -> Prediction:
        """Classify clips, one a face, with a model of clips.

        Args:
            clips: the frames of each face in order: uint8 ``[T, H, W]`` grey or ``[T, H, W, 3]``
                RGB of any size, or a list of pictures; T may differ. Of more than :attr:`frames`
                frames, that many evenly spaced ones are read.

        Raises:
            FacesError: they are no such clips, or the model reads single faces.
            UserError: the model answers with NaN.
        """
        if self.frames is None:
            raise FacesError(
                "this model reads single faces, not clips: recognizer.classify(faces) uses it",
                code="reads_single_faces",
            )
        small = preprocess_clips(clips, self.model.size, self.model.fit, self.frames)
        if not small:
            nothing = np.empty((0, len(self.classes)), dtype=np.float32)
            return Prediction(nothing, nothing.copy(), (), self.classes)
        images, lengths = pad_clips(small)
        probabilities, logits = self.model.answer(images, lengths)  # type: ignore[arg-type]
        return self._prediction(probabilities, logits)

    def _prediction(self, probabilities: Numbers, logits: Numbers) -> Prediction:
        if not np.isfinite(probabilities).all():
            # NaN would be reported as an uncertain face.
            raise UserError(
                "the model answers with NaN in place of probabilities: its weights are damaged, or "
                "its training failed. Use another model, or another checkpoint of that training",
                code="answers_nan",
            )
        labels = labels_of(probabilities, self.classes, self.confidence)
        return Prediction(probabilities, logits, labels, self.classes)

    def _ten_views(
        self, faces: npt.NDArray[np.uint8], metadata: Numbers | None
    ) -> tuple[Numbers, Numbers]:
        answers = [self.model.answer(np.ascontiguousarray(v), metadata) for v in views(faces)]
        probabilities: Numbers = np.mean(np.stack([one for one, _ in answers]), axis=0)
        logits: Numbers = np.mean(np.stack([one for _, one in answers]), axis=0)
        return probabilities, logits


def _whole_picture(image: Image) -> Image:
    if not isinstance(image, np.ndarray):
        raise FacesError(
            f"a picture must be a uint8 array, not {type(image).__name__}: "
            "fer.read_picture(PATH) reads a file",
            code="not_a_picture",
        )
    if image.dtype != np.uint8:
        raise FacesError(
            f"a picture must be uint8 from 0 to 255, not {image.dtype}", code="not_a_picture"
        )
    is_grey = image.ndim == 2
    if 0 in image.shape or not (is_grey or (image.ndim == 3 and image.shape[2] == 3)):
        hint = ": leave alpha out" if image.ndim == 3 and image.shape[2] == 4 else ""
        hint = hint or ": one picture at a time" * (image.ndim == 4)
        raise FacesError(
            f"a picture must be [H, W, 3] RGB, not {list(image.shape)}{hint}", code="not_a_picture"
        )
    return np.repeat(image[..., None], 3, axis=2) if is_grey else image
