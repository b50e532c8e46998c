"""Models of clips go with data of clips, and that is said before anything is read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fer.config.compose import compose
from fer.config.evaluating import check_form
from fer.config.problems import ConfigError
from fer.config.training import check_training
from tests.support.train_command import Train


def complaint(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        compose("train", overrides, check=check_training)
    return str(caught.value)


@pytest.mark.parametrize("model", ["clip_lstm", "clip_frames", "convlstm"])
def test_a_model_of_clips_brings_its_data(model: str) -> None:
    config: Any = compose("train", [f"model={model}"], check=check_training)
    assert config.data.source._target_.endswith("SyntheticClips")
    assert config.hydra.runtime.choices.data == "synthetic_clips"
    named: Any = compose("train", [f"model={model}", "data=clips"], check=check_training)
    assert named.data.source._target_.endswith("ClipFolder")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ("model=clip_lstm", "data=fer2013"),
            "ClipLSTM reads clips, and this data are single faces",
        ),
        (("model=convlstm", "data=synthetic"), "choose data=synthetic_clips or data=clips, or a"),
        (("model=cnn", "data=clips"), "FusionNetwork reads single faces, and this data are clips"),
        (("model=crnn", "data=synthetic_clips"), "choose model=clip_lstm, convlstm or clip_frames"),
        (("model=clip_lstm", "metadata=dense", "fusion=concat"), "nothing is read beside clips"),
        (("model=clip_lstm", "data.metadata=f.csv"), "nothing is read beside clips"),
        (("model=clip_lstm", "data.protocol=resplit"), "is made for single faces"),
        (("model=clip_lstm", "data.frames=0"), "a whole number from 1 to 1024"),
        (("model=clip_lstm", "model.time.pooling=first"), "one of last, mean, max, attention"),
        (("model=clip_frames", "model.vote=both"), "one of probabilities, logits"),
        (("model=convlstm", "model.kernel=2"), "an odd whole number"),
    ],
)
def test_misfits_are_told_at_once(overrides: tuple[str, ...], words: str) -> None:
    assert words in complaint(*overrides)


def test_a_misfit_ends_with_code_2(train: Train) -> None:
    answer = train("model=clip_lstm", "data=fer2013")
    assert answer.code == 2
    assert "1 problem in the configuration, nothing was run" in answer.err


@pytest.mark.parametrize(("frames", "data"), [(8, "fer2013"), (None, "synthetic_clips")])
def test_an_evaluation_reads_what_the_model_reads(frames: int | None, data: str) -> None:
    config = compose("evaluate", [f"data={data}", "ckpt=x"])
    with pytest.raises(ConfigError, match="choose data"):
        check_form(config, SimpleNamespace(frames=frames))
    check_form(config, SimpleNamespace(frames=None if frames else 8))
    check_form(config, SimpleNamespace()) if frames else None


def test_a_baseline_reads_single_faces() -> None:
    from fer.baseline import check_baseline

    with pytest.raises(ConfigError, match="a baseline reads single faces"):
        compose("baseline", ["data=synthetic_clips"], check=check_baseline)
