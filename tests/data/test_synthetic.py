"""Drawn faces: seeded, labelled by what they show, and as hard as shared units make them."""

from collections import Counter
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fer.core.labels import EMOTIONS
from fer.data.source import SPLITS, Faces, Source
from fer.data.synthetic import CONTEXTS, Camera, Identity, Light, Pose, SyntheticFaces, draw_face
from fer.data.synthetic.action_units import ACTION_UNITS, PROTOTYPES, check_units

#: Rows of a 48-pixel picture in which each region of a frontal face lies, and its units.
REGIONS = {
    (2, 22): (1, 2, 4),
    (13, 34): (5, 6, 7),
    (10, 38): (9,),
    (28, 46): (12, 15, 16, 20, 23, 24, 25),
    (28, 48): (17, 26),
}


def pixels(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    return image.astype(np.float64)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return SyntheticFaces(train=84, val=21, test=35).load()


@pytest.fixture(scope="module")
def clean() -> Faces:
    return SyntheticFaces(train=70, val=0, test=0, noise_free=True).load()


def test_it_is_a_source_of_checked_faces(faces: Faces) -> None:
    source: Source = SyntheticFaces()
    assert source.class_names() == faces.classes == EMOTIONS
    assert tuple(faces.splits) == SPLITS
    assert [len(faces.splits[s]) for s in SPLITS] == [84, 21, 35]
    for split in faces.splits.values():
        assert split.images.shape == (len(split), 48, 48)
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == split.rows.dtype == np.int64
        assert set(split.metadata) == {"age", "gender", "context"}
    rows = np.concatenate([s.rows for s in faces.splits.values()])
    assert rows.tolist() == list(range(140))
    images = np.concatenate([s.images for s in faces.splits.values()])
    assert len({image.tobytes() for image in images}) == 140, "no face is there twice"
    metadata = faces.splits["train"].metadata
    assert metadata["age"].dtype == np.float32
    assert 17 <= metadata["age"].min() < 35
    assert 50 < metadata["age"].max() <= 67
    assert set(metadata["gender"].tolist()) == {"female", "male"}
    assert set(metadata["context"].tolist()) == set(CONTEXTS)


def test_age_and_gender_say_nothing_about_the_label_and_context_a_little() -> None:
    source = SyntheticFaces()
    recipes = [source.recipe("train", index) for index in range(7 * 100)]
    people = {
        emotion: Counter(
            (r.identity.age, r.identity.gender) for r in recipes if r.emotion == emotion
        )
        for emotion in EMOTIONS
    }
    assert all(people[emotion] == people["neutral"] for emotion in EMOTIONS)
    exams = Counter(r.emotion for r in recipes if r.context == "exam")
    assert exams["fear"] > exams["happy"] > 0


def test_classes_are_balanced_and_in_no_fixed_order() -> None:
    source = SyntheticFaces()
    labels = [source.recipe("train", index).emotion for index in range(100)]
    assert set(Counter(labels).values()) <= {14, 15}
    assert len({tuple(labels[i : i + 7]) for i in range(0, 98, 7)}) > 10


def test_a_face_is_that_of_its_recipe_however_many_there_are(faces: Faces) -> None:
    source = SyntheticFaces(train=10, val=3, test=5)
    for name, split in source.load().splits.items():
        n = len(split)
        np.testing.assert_array_equal(split.images, faces.splits[name].images[:n])
        np.testing.assert_array_equal(split.labels, faces.splits[name].labels[:n])
        for column, values in split.metadata.items():
            np.testing.assert_array_equal(values, faces.splits[name].metadata[column][:n])
        for index in range(n):
            recipe = source.recipe(name, index)
            assert EMOTIONS[split.labels[index]] == recipe.emotion
            np.testing.assert_array_equal(split.images[index], recipe.draw())


def test_no_person_is_in_two_splits() -> None:
    source = SyntheticFaces()
    people = {
        split: {source.recipe(split, index).identity for index in range(70)} for split in SPLITS
    }
    assert all(len(group) == 10 for group in people.values())
    assert len(set().union(*people.values())) == 30


def test_fingerprint_knows_every_argument() -> None:
    plain: dict[str, Any] = {"train": 7, "val": 0, "test": 0}
    changes: list[dict[str, Any]] = [
        {}, {"train": 8}, {"val": 1}, {"test": 1}, {"size": 32}, {"seed": 1}, {"noise_free": True},
        {"min_intensity": 0.5}, {"max_intensity": 0.5},
    ]  # fmt: skip
    prints = [SyntheticFaces(**(plain | change)).load().fingerprint for change in changes]
    assert len(set(prints)) == len(prints)


def test_labels_follow_the_units() -> None:
    source = SyntheticFaces(min_intensity=0.3, max_intensity=0.9)
    short, joined = 0, 0
    grades: list[float] = []
    for index in range(700):
        recipe = source.recipe("train", index)
        shown, prototype = set(recipe.units), PROTOTYPES[recipe.emotion]
        assert shown <= prototype.units | prototype.optional
        assert len(prototype.units - shown) <= 1
        others = [p.units for name, p in PROTOTYPES.items() if name != recipe.emotion]
        assert shown not in others
        assert all(0.3 * 0.75 <= value <= 0.9 for value in recipe.units.values())
        short += bool(prototype.units - shown)
        joined += bool(shown & prototype.optional)
        grades += recipe.units.values()
    assert short > 20
    assert joined > 50
    assert np.quantile(grades, 0.05) < 0.45
    assert np.quantile(grades, 0.95) > 0.75


def test_noise_free_faces_show_complete_prototypes_and_nothing_else_varies() -> None:
    source = SyntheticFaces(noise_free=True, max_intensity=0.5)
    recipes = [source.recipe("train", index) for index in range(140)]
    for recipe in recipes:
        assert recipe.units == dict.fromkeys(PROTOTYPES[recipe.emotion].units, 1.0)
        plain = (recipe.pose, recipe.light, recipe.camera, recipe.asymmetry)
        assert plain == (Pose(), Light(), Camera(), 0.0)
        assert not recipe.identity.glasses
    assert len({recipe.identity for recipe in recipes}) == 20


def test_prototypes_are_those_of_emfacs() -> None:
    assert {name: sorted(prototype.units) for name, prototype in PROTOTYPES.items()} == {
        "angry": [4, 5, 7, 23], "disgust": [9, 15, 16], "fear": [1, 2, 4, 5, 7, 20, 26],
        "happy": [6, 12], "sad": [1, 4, 15], "surprise": [1, 2, 5, 26], "neutral": [],
    }  # fmt: skip
    assert set(PROTOTYPES) == set(EMOTIONS)
    used = [p.units | p.optional for p in PROTOTYPES.values()]
    assert set().union(*used) == set(ACTION_UNITS)
    check_units({1: 0.0, 26: 1.0})
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            check_units({1: value})


@pytest.mark.parametrize("rows", REGIONS)
def test_every_unit_shows_where_it_moves(rows: tuple[int, int]) -> None:
    for number in REGIONS[rows]:
        change = (pixels(draw_face({number: 1.0})) - pixels(draw_face({}))) ** 2
        assert change.sum() > 2000  # as much as 20 pixels that change by 10 grey levels
        assert change[slice(*rows)].sum() > 0.75 * change.sum()


def test_shared_units_make_faces_alike() -> None:
    prototype = {
        name: pixels(draw_face(dict.fromkeys(p.units, 1.0))) for name, p in PROTOTYPES.items()
    }

    def apart(first: str, second: str) -> float:
        return float(np.abs(prototype[first] - prototype[second]).mean())

    assert apart("fear", "surprise") < apart("disgust", "surprise")
    assert apart("sad", "disgust") < apart("surprise", "disgust")


def test_asymmetry_weakens_one_half() -> None:
    neutral = pixels(draw_face({}))
    for sign, weak in ((1.0, slice(0, 20)), (-1.0, slice(28, 48))):
        change = np.abs(pixels(draw_face({12: 1.0, 2: 1.0}, asymmetry=sign)) - neutral)
        strong = slice(28, 48) if sign > 0 else slice(0, 20)
        assert change[:, weak].sum() < 0.25 * change[:, strong].sum()


def test_light_comes_from_where_it_is_said_to() -> None:
    face = slice(12, 40), slice(8, 40)
    for azimuth in (-50.0, 50.0):
        lit = pixels(draw_face({}, light=Light(azimuth=azimuth)))[face]
        brighter = lit[:, 16:].mean() - lit[:, :16].mean()
        assert np.sign(brighter) == np.sign(azimuth)
        assert abs(brighter) > 10
    assert draw_face({}, light=Light(exposure=0.6)).mean() < draw_face({}).mean()
    assert draw_face({}, light=Light(gamma=1.4)).mean() < draw_face({}).mean()


def test_the_head_turns() -> None:
    def eyes(pose: Pose) -> tuple[float, float]:
        """Where the darkest pixels lie: irises and nostrils, on a face without hair."""
        bald = Identity(hair=185.0)
        image = draw_face({}, bald, pose, Light(ambient=1.0))
        rows, columns = np.nonzero(image < np.quantile(image, 0.03))
        return float(rows.mean()), float(columns.mean())

    row, column = eyes(Pose())
    assert eyes(Pose(yaw=15))[1] > column + 2 > column - 2 > eyes(Pose(yaw=-15))[1]
    assert eyes(Pose(pitch=12))[0] > row + 2 > row - 2 > eyes(Pose(pitch=-12))[0]
    upright, tilted = draw_face({}), draw_face({}, pose=Pose(roll=12))
    assert np.abs(pixels(upright) - pixels(tilted)).mean() > 3


def test_the_camera() -> None:
    clean = pixels(draw_face({}))
    moved = pixels(draw_face({}, camera=Camera(shift_x=2 / 48, shift_y=1 / 48)))
    # Relief is lit by its slope, which at the picture's edge is not known.
    np.testing.assert_allclose(moved[2:-1, 3:-1], clean[1:-2, 1:-3], atol=6)
    blurred = pixels(draw_face({}, camera=Camera(blur=1.0)))
    assert np.abs(np.diff(blurred)).mean() < 0.9 * np.abs(np.diff(clean)).mean()
    rng = np.random.default_rng(0)
    noise = pixels(draw_face({}, camera=Camera(noise=5.0), rng=rng)) - clean
    assert noise.std() == pytest.approx(5.0, rel=0.1)
    with pytest.raises(ValueError, match="pass rng="):
        draw_face({}, camera=Camera(noise=5.0))


def test_people_look_different() -> None:
    changes = {
        "skin": 120.0, "hair": 150.0, "face_width": 0.88, "jaw": 0.6, "chin": 1.15,
        "eye_distance": 0.45, "eye_width": 0.18, "eye_opening": 0.11, "brow_height": 0.36,
        "brow_thickness": 0.12, "brow_slant": 0.06, "nose_width": 0.21, "nose_length": 0.36,
        "mouth_width": 0.4, "mouth_height": 0.74, "mouth_curve": 0.05, "lip": 0.15,
        "hairline": 0.75, "hair_length": 1.0, "beard": 0.6, "wrinkles": 1.0, "glasses": True,
    }  # fmt: skip
    for name, value in changes.items():
        person = replace(Identity(), **{name: value})
        assert np.abs(pixels(draw_face({}, person)) - pixels(draw_face({}))).max() > 15, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": -1}, "numbers of faces"),
        ({"train": 0, "val": 0, "test": 0}, "not all zero"),
        ({"size": 15}, "at least 16 pixels, got 15"),
        ({"seed": -1}, "seed must be >= 0"),
        ({"min_intensity": 0.0}, "min_intensity=0.0"),
        ({"max_intensity": 1.5}, "max_intensity=1.5"),
        ({"min_intensity": 0.8, "max_intensity": 0.5}, "min_intensity=0.8"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticFaces(**arguments)


def test_bad_arguments_of_a_recipe_and_of_a_face() -> None:
    with pytest.raises(ValueError, match="unknown split 'dev'"):
        SyntheticFaces().recipe("dev", 0)
    with pytest.raises(ValueError, match="index must be >= 0"):
        SyntheticFaces().recipe("train", -1)
    with pytest.raises(ValueError, match=r"unknown action units \[99\]"):
        draw_face({99: 1.0})
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        draw_face({12: 1.5})
    with pytest.raises(ValueError, match="asymmetry"):
        draw_face({}, asymmetry=2.0)
    with pytest.raises(ValueError, match="at least 16 pixels"):
        draw_face({}, size=8)


@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_a_face_is_the_same_at_every_size(size: int) -> None:
    large = draw_face({6: 1.0, 12: 1.0}, size=size)
    assert large.shape == (size, size)
    small = cv2.resize(large, (48, 48), interpolation=cv2.INTER_AREA).astype(np.float64)
    assert np.abs(small - pixels(draw_face({6: 1.0, 12: 1.0}))).mean() < 4
