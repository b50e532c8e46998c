"""The source ferplus: votes joined to the right faces, and what becomes of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.core.labels import EMOTIONS
from fer.data.source import DataError, DataNotFoundError, Faces
from fer.data.sources.fer2013 import Fer2013
from fer.data.sources.ferplus import FerPlus
from fer.data.sources.manifest import COLUMNS, read_manifest, write_manifest
from tests.support.errors import raises
from tests.support.fer2013_csv import make_faces, row_text, write_fer2013, write_lines
from tests.support.picture_folders import write_fer2013_folders, write_picture
from tests.support.votes import HEADER, write_votes

#: Ten votes, in FER+'s order, and the seven-class majority that they come to.
CASES = (
    ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], "neutral"),
    ([0, 8, 2, 0, 0, 0, 0, 0, 0, 0], "happy"),
    ([3, 0, 4, 0, 0, 0, 3, 0, 0, 0], "surprise"),
    ([0, 0, 0, 5, 1, 1, 1, 1, 1, 0], "sad"),
    ([0, 0, 0, 0, 9, 0, 0, 0, 0, 1], "angry"),
    ([0, 0, 0, 0, 4, 6, 0, 0, 0, 0], "disgust"),
    ([0, 0, 3, 0, 0, 0, 7, 0, 0, 0], "fear"),
    ([2, 0, 0, 0, 0, 0, 0, 8, 0, 0], "contempt"),
    ([4, 0, 0, 4, 2, 0, 0, 0, 0, 0], "tie"),
    ([0, 3, 0, 0, 0, 0, 0, 0, 7, 0], "no face"),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], "no face"),
    ([0, 0, 0, 0, 0, 0, 0, 5, 5, 0], "contempt"),
)
VOTES = [CASES[i % len(CASES)][0] for i in range(60)]
MEANT = [CASES[i % len(CASES)][1] for i in range(60)]
UNNAMED = (1, 25)


@pytest.fixture
def root(root: Path) -> Path:
    images, labels, usages = make_faces()
    write_fer2013(root / "fer2013.csv", images, labels, usages)
    write_votes(root / "fer2013new.csv", usages, VOTES, UNNAMED)
    return root


@pytest.fixture
def source(root: Path, tmp_path: Path) -> Callable[..., FerPlus]:
    return lambda **more: FerPlus(str(root), cache=str(tmp_path / "cache"), **more)


def labels_by_row(faces: Faces) -> dict[int, str]:
    return {
        row: faces.classes[label]
        for split in faces.splits.values()
        for row, label in zip(split.rows.tolist(), split.labels.tolist(), strict=True)
    }


def test_the_majority_of_each_row(source: Callable[..., FerPlus]) -> None:
    faces = source().load()
    assert faces.classes == source().class_names() == EMOTIONS
    expected = {r: m for r, m in enumerate(MEANT) if m in EMOTIONS and r not in UNNAMED}
    assert labels_by_row(faces) == expected
    images, _, usages = make_faces()
    for name, usage in (("train", "Training"), ("val", "PublicTest"), ("test", "PrivateTest")):
        split = faces.splits[name]
        assert split.targets is None
        assert {usages[row] for row in split.rows} == {usage}
        np.testing.assert_array_equal(split.images, images[split.rows])


def test_what_is_left_out_is_counted(source: Callable[..., FerPlus]) -> None:
    findings = source().load().findings
    meant = ["unnamed" if r in UNNAMED else m for r, m in enumerate(MEANT)]
    assert {f.row: f.what for f in findings} == {
        r: m for r, m in enumerate(meant) if m not in EMOTIONS
    }
    assert {f.action for f in findings} == {"dropped"}


def test_contempt_is_the_eighth_class(source: Callable[..., FerPlus]) -> None:
    faces = source(classes=8).load()
    assert faces.classes == (*EMOTIONS, "contempt") == source(classes=8).class_names()
    labels = labels_by_row(faces)
    assert labels[7] == "contempt"
    # Contempt and unknown, five votes each: a tie now.
    assert 11 not in labels
    assert {f.what for f in faces.findings if f.row == 11} == {"tie"}


def test_the_distribution_of_the_votes(source: Callable[..., FerPlus]) -> None:
    faces, majority = source(target="distribution").load(), source().load()
    for name in ("val", "test"):
        np.testing.assert_array_equal(faces.splits[name].rows, majority.splits[name].rows)
        np.testing.assert_array_equal(faces.splits[name].labels, majority.splits[name].labels)
    train = faces.splits["train"]
    assert set(train.rows) - set(majority.splits["train"].rows) == {8}, "the tie"
    assert labels_by_row(faces)[8] == "sad", "the first of equals, in the order of classes"
    assert train.targets is not None
    assert train.targets.dtype == np.float32
    np.testing.assert_allclose(train.targets.sum(axis=1), 1, rtol=1e-6)
    by_row = dict(zip(train.rows.tolist(), train.targets, strict=True))
    np.testing.assert_allclose(by_row[2], [0, 0, 0.3, 0, 0, 0.4, 0.3])
    # Votes for contempt and unknown are for none of the seven.
    np.testing.assert_allclose(by_row[3], np.array([1, 1, 1, 0, 5, 0, 0]) / 8)
    ties = {(f.split, f.action) for f in faces.findings if f.what == "tie"}
    assert ties == {("train", "kept"), ("val", "dropped"), ("test", "dropped")}


def test_fingerprints_differ_with_the_labels(source: Callable[..., FerPlus]) -> None:
    sources = (source(), source(classes=8), source(target="distribution"))
    assert len({one.load().fingerprint for one in sources}) == 3
    assert source().load().fingerprint == source().load().fingerprint


def test_rows_stay_joined_where_broken_ones_are_dropped(
    root: Path, source: Callable[..., FerPlus]
) -> None:
    expected = labels_by_row(source().load())
    lines = ["emotion,pixels,Usage", *(row_text(*row) for row in zip(*make_faces(), strict=True))]
    lines[1 + 5] = "9" + lines[1 + 5][1:]
    write_lines(root / "fer2013.csv", lines)
    with raises("defective_rows", "fer2013.csv:7"):
        source().load()
    faces = source(defects="drop").load()
    del expected[5]
    assert labels_by_row(faces) == expected
    assert [f.row for f in faces.findings if f.what == "defect"] == [5]


# --- where the votes are -------------------------------------------------------------------------


def test_where_votes_are_looked_for(
    root: Path, tmp_path: Path, source: Callable[..., FerPlus]
) -> None:
    beside = f"{root / 'fer2013.csv'} with the votes of {root / 'fer2013new.csv'}"
    assert FerPlus(str(root / "fer2013.csv"), cache=str(tmp_path / "cache")).load().origin == beside
    # One folder up, where that of the faces is called fer2013.
    (root / "fer2013").mkdir()
    (root / "fer2013.csv").rename(root / "fer2013" / "fer2013.csv")
    assert source().load().splits
    (root / "fer2013new.csv").rename(tmp_path / "votes.csv")
    assert source(votes=str(tmp_path / "votes.csv")).load().splits
    with raises("data_not_found", "data.votes", DataNotFoundError):
        source().load()
    # Faces that are not there are asked for first.
    with raises("data_not_found", str(tmp_path / "empty"), DataNotFoundError):
        FerPlus(str(tmp_path / "empty"), cache=str(tmp_path / "cache")).load()


# --- votes that do not belong to the faces -------------------------------------------------------


def test_votes_of_other_faces(root: Path, source: Callable[..., FerPlus]) -> None:
    usages = make_faces()[2]
    write_votes(root / "fer2013new.csv", usages[:59], VOTES[:59])
    with raises("other_votes", "fer2013new.csv"):
        source().load()
    usages[22], usages[41] = usages[41], usages[22]
    write_votes(root / "fer2013new.csv", usages, VOTES)
    with pytest.raises(DataError, match=r"row 22 \(test here, val there\)") as error:
        source().load()
    assert error.value.code == "other_votes"


def test_a_manifest_of_more_rows_than_votes(pictures: Path, manifest: Path, tmp_path: Path) -> None:
    write_votes(pictures / "fer2013new.csv", make_faces()[2][:50], VOTES[:50])
    source = FerPlus(str(pictures), cache=str(tmp_path / "c"), manifest=str(manifest))
    with raises("other_votes", "fer2013new.csv"):
        source.load()


def test_blank_lines_and_the_index_of_pandas(root: Path, source: Callable[..., FerPlus]) -> None:
    expected = labels_by_row(source().load())
    path = root / "fer2013new.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n\n".join(f"{i or ''},{line}" for i, line in enumerate(lines)))
    assert labels_by_row(source().load()) == expected


@pytest.mark.parametrize(
    ("change", "code", "line"),
    [
        (lambda text: "", "wrong_header", 1),
        (lambda text: text.replace("contempt,unknown", "unknown,contempt"), "wrong_header", 1),
        (lambda text: text.replace("PublicTest", "Public", 1), "broken_votes", 22),
        (lambda text: text.replace(",10,", ",x,", 1), "broken_votes", 2),
        (lambda text: text.replace(",10,", ",-1,", 1), "broken_votes", 2),
        (lambda text: text.replace(",10,", ",,", 1), "broken_votes", 2),
        (lambda text: text.replace(",10,", f",{'9' * 30},", 1), "broken_votes", 2),
        (lambda text: text.replace(",10,", ",10,0,", 1), "wrong_fields", 2),
        (lambda text: text[:-8], "wrong_fields", 61),
        (lambda text: text + "\0" * (1 << 24), "not_votes", 0),
    ],
)
def test_broken_votes(
    root: Path,
    source: Callable[..., FerPlus],
    change: Callable[[str], str],
    code: str,
    line: int,
) -> None:
    path = root / "fer2013new.csv"
    path.write_text(change(path.read_text()))
    with raises(code, f"fer2013new.csv:{line}" if line else "fer2013new.csv"):
        source().load()


def test_unknown_choices(root: Path) -> None:
    with pytest.raises(ValueError, match="classes"):
        FerPlus(str(root), classes=9)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="target"):
        FerPlus(str(root), target="mean")  # type: ignore[arg-type]


# --- folders of pictures -------------------------------------------------------------------------


@pytest.fixture
def manifest(root: Path, tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv.gz"
    write_manifest(Fer2013(str(root), str(tmp_path / "cache")).load(), path)
    return path


@pytest.fixture
def pictures(root: Path, tmp_path: Path) -> Path:
    """The same faces as pictures, beside the votes."""
    folder = tmp_path / "pictures"
    write_fer2013_folders(folder, *make_faces())
    (folder / "fer2013new.csv").write_bytes((root / "fer2013new.csv").read_bytes())
    return folder


def test_pictures_are_joined_by_their_pixels(
    pictures: Path, manifest: Path, tmp_path: Path, source: Callable[..., FerPlus]
) -> None:
    faces = FerPlus(str(pictures), cache=str(tmp_path / "c"), manifest=str(manifest)).load()
    expected = source().load()
    for name, split in faces.splits.items():
        assert sorted((image.tobytes(), label) for image, label in zip(
            split.images, split.labels, strict=True)
        ) == sorted((image.tobytes(), label) for image, label in zip(
            expected.splits[name].images, expected.splits[name].labels, strict=True)
        )  # fmt: skip
    assert Counter(f.what for f in faces.findings) == Counter(f.what for f in expected.findings)


def test_pictures_without_a_manifest(pictures: Path, tmp_path: Path) -> None:
    with raises("no_manifest", "data.manifest"):
        FerPlus(str(pictures), cache=str(tmp_path / "c")).load()


def test_a_picture_that_the_manifest_does_not_know(
    pictures: Path, manifest: Path, tmp_path: Path
) -> None:
    path = next((pictures / "train" / "happy").iterdir())
    write_picture(path, np.zeros((48, 48), dtype=np.uint8))
    faces = FerPlus(str(pictures), cache=str(tmp_path / "c"), manifest=str(manifest)).load()
    (finding,) = [f for f in faces.findings if f.what == "not in manifest"]
    assert faces.names[finding.row] == f"train/happy/{path.name}"
    assert finding.action == "dropped"


def test_pictures_packed_with_losses(root: Path, manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lossy"
    write_fer2013_folders(folder, *make_faces(), suffix=".jpg")
    votes = str(root / "fer2013new.csv")
    source = FerPlus(str(folder), votes=votes, manifest=str(manifest), cache=str(tmp_path / "c"))
    with raises("unknown_pixels", manifest.name):
        source.load()


def test_copies_take_their_rows_in_turn(tmp_path: Path) -> None:
    images, labels, usages = make_faces()
    images[4] = images[3]
    labels[3] = labels[4] = 0
    write_fer2013(tmp_path / "csv" / "fer2013.csv", images, labels, usages)
    write_manifest(Fer2013(str(tmp_path / "csv"), str(tmp_path / "c")).load(), tmp_path / "rows")
    write_fer2013_folders(tmp_path / "png", images, labels, usages)
    votes = write_votes(tmp_path / "votes.csv", usages, VOTES)
    faces = FerPlus(
        str(tmp_path / "png"), votes=str(votes), manifest=str(tmp_path / "rows"),
        cache=str(tmp_path / "c"),
    ).load()  # fmt: skip
    train = faces.splits["train"]
    copies = (train.images == images[3]).all(axis=(1, 2))
    assert [faces.classes[label] for label in train.labels[copies]] == ["sad", "angry"]


def test_the_manifest_is_the_same_every_time(root: Path, manifest: Path, tmp_path: Path) -> None:
    faces = Fer2013(str(root), str(tmp_path / "cache")).load()
    write_manifest(faces, tmp_path / "again.csv.gz")
    assert (tmp_path / "again.csv.gz").read_bytes() == manifest.read_bytes()
    write_manifest(faces, tmp_path / "plain.csv")
    assert read_manifest(tmp_path / "plain.csv")[0] == read_manifest(manifest)[0]
    assert (tmp_path / "plain.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


def test_no_manifest_is_made_of_pictures(pictures: Path, tmp_path: Path) -> None:
    faces = Fer2013(str(pictures), str(tmp_path / "c")).load()
    with raises("no_rows", str(pictures)):
        write_manifest(faces, tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "wrong_header", 1),
        (HEADER, "wrong_header", 1),
        ("row,Usage,sha256\n0,Training,abc\n", "not_a_row", 2),
        ("row,Usage,sha256\n0,Training,00\n1,Train,00\n", "not_a_row", 3),
        ("row,Usage,sha256\nx,Training,00\n", "not_a_row", 2),
        ("row,Usage,sha256\n0,Training\n", "not_a_row", 2),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, text: str, code: str, line: int) -> None:
    with raises("data_not_found", "rows.csv", DataNotFoundError):
        read_manifest(tmp_path / "rows.csv")
    (tmp_path / "rows.csv").write_text(text)
    with raises(code, f"rows.csv:{line}"):
        read_manifest(tmp_path / "rows.csv")


# --- the real files ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def real(official: Faces, parsed: Path) -> tuple[Faces, Faces]:
    try:
        return official, FerPlus(os.environ["FER_DATA_ROOT"], cache=str(parsed)).load()
    except DataNotFoundError:
        pytest.skip("no FER2013 with FER+'s votes in FER_DATA_ROOT")


def test_official_counts(real: tuple[Faces, Faces]) -> None:
    _, ferplus = real
    assert [len(split) for split in ferplus.splits.values()] == [26778, 3372, 3350]
    counts = Counter(f.what for f in ferplus.findings)
    assert counts == {"tie": 1772, "no face": 226, "contempt": 216, "unnamed": 173}
    assert sum(counts.values()) + 26778 + 3372 + 3350 == 35887


def test_official_disagreement(real: tuple[Faces, Faces]) -> None:
    """The 1,153 test faces that the memorisation check is made of."""
    fer2013, ferplus = (faces.splits["test"] for faces in real)
    labels = dict(zip(fer2013.rows.tolist(), fer2013.labels.tolist(), strict=True))
    votes = zip(ferplus.rows.tolist(), ferplus.labels.tolist(), strict=True)
    assert sum(labels[row] != label for row, label in votes) == 1153
