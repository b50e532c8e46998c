"""A model of clips through every command: trained, taken up, judged, exported, shown a film."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.faces_in_frames import RedSquares, scene
from tests.support.films import write_film
from tests.support.train_command import PROMISED, Train, files_in
from tests.test_matrix import CLIPS, SMALL_CNN

pytestmark = [
    pytest.mark.slow,
    # A resumed run writes to the folder that it began in.
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    pytest.mark.filterwarnings("ignore:Experiment logs directory .* exists and is not empty"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
]

RUN = (
    "model=clip_lstm", *CLIPS, *SMALL_CNN, "data.size=16", "data.batch_size=4", "trainer=cpu",
    "model.time.units=4", "model.head.hidden=[8]", "trainer.enable_progress_bar=false",
    "hydra.run.dir=run", "test=true",
)  # fmt: skip
DATA = [text for text in CLIPS if not text.startswith("data.size")]


def command(main: Any, module: str, *arguments: str) -> int:
    sys.argv = [module, *arguments]
    try:
        return int(main() or 0)
    except SystemExit as end:
        return int(end.code or 0)


def test_a_model_of_clips_takes_every_command(
    train: Train, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from fer.cli import main as cli
    from fer.evaluate import main as evaluate

    monkeypatch.setattr(sys, "argv", sys.argv)
    answer = train(*RUN, "trainer.max_epochs=1")
    assert answer.code == 0, answer
    assert files_in(elsewhere / "run") >= PROMISED
    answer = train(*RUN, "trainer.max_epochs=2", "resume=auto")
    assert answer.code == 0, answer
    assert "going on with" in answer.err
    metrics = json.loads((elsewhere / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert 0 <= metrics["test/acc"] <= 1

    best = str(Path("run", "checkpoints", "best.ckpt"))
    code = command(
        evaluate, "fer.evaluate", f"ckpt={best}", *DATA, "robustness=true", "hydra.run.dir=judged"
    )
    assert code == 0, capsys.readouterr()
    judged = json.loads(Path("judged", "metrics.json").read_text(encoding="utf-8"))
    assert judged["official"]["n"] == 9
    assert judged["tta"] is not None
    assert len(judged["robustness"]["kinds"]) == 14
    page = Path("judged", "report.html").read_text(encoding="utf-8")
    assert "this one reads whole clips" in page
    assert "frames, row" in page
    if kept := os.environ.get("FER_TEST_PAGE"):
        Path(kept).write_text(page, encoding="utf-8")
    assert command(evaluate, "fer.evaluate", f"ckpt={best}", "data=synthetic") == 2
    assert "the model reads clips, and this data are single faces" in capsys.readouterr().err

    assert command(cli, "fer", "export", best, "--to", "clips.onnx") == 0
    assert "clips of up to 1, 8, 11, 5 frames" in capsys.readouterr().out
    assert command(evaluate, "fer.evaluate", "ckpt=clips.onnx", *DATA, "report=false",
                   "hydra.run.dir=again") == 0, capsys.readouterr()  # fmt: skip
    again = json.loads(Path("again", "metrics.json").read_text(encoding="utf-8"))
    assert again["official"]["accuracy"] == pytest.approx(judged["official"]["accuracy"])

    monkeypatch.setattr("fer.inference.loading.make_detector", lambda *_, **__: RedSquares())
    frames = [scene((8 + n, 10, 40), size=(160, 90)) for n in range(12)]
    write_film("a.avi", frames)
    for model in (best, "clips.onnx"):
        line = ("video", "a.avi", "--model", model, "--tracks", "t.csv", "--threads", "1")
        assert command(cli, "fer", *line) == 0, capsys.readouterr()
        with Path("t.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 12
        assert len({row["track"] for row in rows}) == 1
        assert sum(float(rows[-1][f"p_{n}"]) for n in ("happy", "sad")) < 1
    picture = scene((8, 10, 40), size=(160, 90))
    assert picture.dtype == np.uint8
    from tests.support.picture_folders import write_picture

    write_picture(Path("one.png"), picture)
    assert command(cli, "fer", "predict", "one.png", "--model", "clips.onnx") == 2
    assert "reads clips, not single pictures: fer video uses it" in capsys.readouterr().err
