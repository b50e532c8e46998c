"""The choices of data: what their keys may be, and what is built of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer.config.building import build_parts
from fer.config.compose import compose
from fer.config.problems import ConfigError
from fer.core.labels import EMOTIONS
from fer.data.source import DataNotFoundError
from tests.support.fer2013_csv import make_faces, row_text, write_fer2013, write_lines
from tests.support.picture_folders import write_class_folders, write_picture
from tests.support.votes import write_votes

SMALL = ("trainer=cpu", "augmentation=none", "lstm=none", "fusion=none", "model=cnn",
         "model.backbone.widths=[4,4,4,4]", "data.size=16")  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["data.clean.blank=none"], "data.clean.blank: must be one of train, all, keep"),
        (["data.clean.duplicates=all"], "must be one of keep, within, across, both"),
        (["data.clean.conflicts=across"], "must be one of keep, drop, majority"),
        (["data.clean.defects=keep"], "data.clean.defects: must be one of fatal, drop"),
        (["data.clean.blanks=all"], "did you mean 'data.clean.blank'?"),
        (["data.clean=all"], "set data.clean.blank, data.clean.duplicates"),
        (["data.fit=cut"], "data.fit: must be one of pad, stretch"),
        (["data=ferplus", "data.target=mean"], "must be one of majority, distribution"),
        (["data=ferplus", "data.classes=10"], "must be one of 7, 8"),
        (
            ["data=fer2013_votes", "data.votes_weight=1.5"],
            "must be a number at least 0 and at most 1",
        ),
        (["data.votes_weight=0.5"], "there is no key 'data.votes_weight'"),
        (["data=folder", "data.val_share=1"], "must be a number at least 0 and below 1"),
        (["data=folder", "data.target=majority"], "there is no key 'data.target'"),
    ],
)
def test_a_wrong_value_is_refused(overrides: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose("train", overrides)
    assert complaint in "\n".join(f"{p.where}: {p.what}" for p in caught.value.problems)


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.clean={blank: all, duplicates: both, conflicts: majority, defects: drop}"],
        ["data=ferplus", "data.classes=8", "data.target=distribution", "data.manifest=rows.csv"],
        ["data=fer2013_votes", "data.votes_weight=0", "data.votes=v.csv", "data.manifest=rows.csv"],
        ["data=folder", "data.root=pictures", "data.size=64", "data.fit=stretch"],
        ["data=synthetic", "data.clean.duplicates=within"],
    ],
)
def test_what_is_fine_is_taken(overrides: list[str]) -> None:
    assert compose("train", overrides).data.clean.blank in ("train", "all")


def test_a_folder_needs_a_root() -> None:
    with pytest.raises(DataNotFoundError, match=r"data=folder needs data\.root=FOLDER"):
        build_parts(compose("train", ["data=folder", *SMALL]))


def test_a_folder_of_pictures_is_cleaned(tmp_path: Path) -> None:
    folders = {"train/cat": 9, "train/dog": 9, "val/cat": 2, "val/dog": 2}
    pictures = write_class_folders(tmp_path / "pictures", folders)
    write_picture(tmp_path / "pictures/train/cat/x.png", np.zeros((5, 5), dtype=np.uint8))
    write_picture(tmp_path / "pictures/train/cat/y.png", pictures["val/dog/001.png"])
    (tmp_path / "pictures/train/dog/z.png").write_bytes(b"broken")
    overrides = ["data=folder", f"data.root={tmp_path / 'pictures'}", f"paths.cache={tmp_path}"]
    overrides += ["data.clean.defects=drop", "data.clean.duplicates=across", "data.fit=stretch"]
    parts = build_parts(compose("train", [*overrides, *SMALL]))
    assert parts.module.classes == ("cat", "dog")
    faces = parts.data.faces
    assert {s: split.images.shape for s, split in faces.splits.items()} == {
        "train": (18, 16, 16), "val": (4, 16, 16),
    }  # fmt: skip
    dropped = [(f.what, faces.names[f.row]) for f in faces.findings if f.action == "dropped"]
    assert dropped == [
        ("defect", "train/dog/z.png"),
        ("blank", "train/cat/x.png"),
        ("spanning", "train/cat/y.png"),
        ("duplicate", "train/cat/y.png"),
    ]


def test_the_shape_of_pictures_is_the_data_modules_affair_too(tmp_path: Path) -> None:
    """Faces of another size are scaled as ``data.fit`` says, whatever their source."""
    for fit in ("pad", "stretch"):
        config = compose("train", ["data=synthetic", f"data.fit={fit}", *SMALL])
        assert build_parts(config).data.fit == fit


def test_ferplus_is_built_with_its_classes(tmp_path: Path) -> None:
    images, labels, usages = make_faces()
    write_fer2013(tmp_path / "fer2013.csv", images, labels, usages)
    write_votes(tmp_path / "votes.csv", usages, [[0, 0, 0, 0, 0, 0, 2, 8, 0, 0]] * 60)
    overrides = ["data=ferplus", f"data.root={tmp_path}", f"data.votes={tmp_path / 'votes.csv'}"]
    overrides += ["data.classes=8", "data.target=distribution", f"paths.cache={tmp_path / 'c'}"]
    parts = build_parts(compose("train", [*overrides, *SMALL]))
    assert parts.module.classes == (*EMOTIONS, "contempt")
    targets = parts.data.faces.splits["train"].targets
    np.testing.assert_allclose(targets, [[0, 0, 0.2, 0, 0, 0, 0, 0.8]] * 20)


def test_broken_rows_are_dropped_where_the_cleaning_says_so(tmp_path: Path) -> None:
    lines = ["emotion,pixels,Usage", *(row_text(*row) for row in zip(*make_faces(), strict=True))]
    write_lines(tmp_path / "fer2013.csv", [*lines, "7,1 2 3,Training"])
    overrides = [f"data.root={tmp_path}", f"paths.cache={tmp_path / 'c'}", *SMALL]
    config = compose("train", ["data=fer2013", "data.clean.defects=drop", *overrides])
    (finding,) = build_parts(config).data.faces.findings
    assert (finding.row, finding.what, finding.action) == (60, "defect", "dropped")
