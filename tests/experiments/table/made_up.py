"""Finished runs of made-up models on made-up faces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fer.core.holdout_access import ACCESS_LOG, FER2013_TEST
from fer.evaluation import write_predictions
from fer.experiments.runs import Job, Run, metrics_in
from fer.experiments.table.plan import Row
from tests.support.answers import some_faces, some_predictions

FACES = some_faces(val=200, test=400)
KINDS = {"dark": "light", "bright": "light", "yaw": "head angle"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def some_row(
    root: Path,
    name: str,
    accuracies: Sequence[float],
    *,
    kind: str = "families",
    skill: float = 1.5,
    judged: bool = True,
    **origin: Any,
) -> Row:
    """Return a row whose runs are done, one for each validation accuracy."""
    runs = []
    for seed, accuracy in enumerate(accuracies):
        folder = root / name / f"seed{seed}"
        jobs = [Job("training", folder, ())]
        write(folder / "metrics.json", {"val/best_acc": accuracy, "train/faces_per_second": 100})
        (folder / "config.yaml").write_text(yaml.safe_dump({"model": name, "seed": seed}))
        about = {"seed": seed, "commit": COMMIT, "dirty": False, "command": "x"}
        data = {"faces": {"val": 200}, "data": {"fingerprint": "d"}}
        write(folder / "provenance.json", {**about, **data, **origin})
        if judged:
            jobs.append(Job("evaluation", folder / "evaluation", (), test=True))
            predictions = some_predictions(FACES, skill=skill, seed=len(name) * 100 + seed)
            write_predictions(folder / "evaluation" / "predictions.parquet", predictions)
            block = {"accuracy": right(predictions), "accuracy_ci95": [0.1, 0.9]}
            found = {"official": block, "deduplicated": None, "robustness": {"mean": 0.4}}
            write(folder / "evaluation" / "metrics.json", found)
            write(folder / ACCESS_LOG, {"split": "test" if kind == "clips" else FER2013_TEST})
        runs.append(Run(name, seed, folder, tuple(jobs)))
    return Row(name, f"the {name}", kind, tuple(runs))


def corrupted(row: Row, *, gain: float) -> Row:
    """Give each run of a row accuracies under corruptions."""
    for run in row.runs:
        means = {name: 0.3 + gain + 0.01 * run.seed + 0.1 * i for i, name in enumerate(KINDS)}
        kinds = {name: {"family": KINDS[name], "mean": mean} for name, mean in means.items()}
        metrics: Any = dict(metrics_in(run.judgement) or {})
        mean = float(np.mean(list(means.values())))
        metrics["robustness"] = {"clean": 0.6 + gain, "kinds": kinds, "mean": mean, "n": 50}
        write(run.judgement / "metrics.json", metrics)
    return row


def right(predictions: Any) -> float:
    return float(np.mean(predictions.test().correct))


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
