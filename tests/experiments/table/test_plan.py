"""The rows of a table are planned, and mistakes in them told, before anything is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from fer.config.compose import compose
from fer.config.issues import ConfigError
from fer.config.validate import check_training
from fer.experiments.runs import Job
from fer.experiments.table.plan import TablePlan

SYNTHETIC = ("data=synthetic", "seeds=[0,1]")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FER_DATA_ROOT", raising=False)


def planned(*overrides: str) -> TablePlan:
    planner = TablePlan()
    compose("table", overrides, check=planner.check)
    return planner


def refused(*overrides: str) -> str:
    """Return where a plan is wrong, and what is wrong there, a line each."""
    with pytest.raises(ConfigError) as caught:
        planned(*overrides)
    return "\n".join(f"{one.key}: {one.message}" for one in caught.value.issues)


def make(job: Job, *changes: str, ended: bool = True) -> None:
    """Leave what a training leaves."""
    job.folder.mkdir(parents=True)
    config = compose("train", [*job.overrides, *changes])
    own = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    text = yaml.safe_dump(OmegaConf.to_container(own, resolve=True))
    (job.folder / "config.yaml").write_text(text, encoding="utf-8")
    if ended:
        (job.folder / "metrics.json").write_text(json.dumps({}), encoding="utf-8")


def test_a_row_is_a_training_and_an_evaluation_for_each_seed() -> None:
    planner = planned(*SYNTHETIC, "only=[cnn]", "data.source.seed=3", "data.batch_size=8")
    (row,) = planner.rows
    assert [run.folder for run in row.runs] == [
        Path(f"runs/table/synthetic/cnn/seed{seed}") for seed in (0, 1)
    ]
    training, evaluation = row.runs[1].jobs
    assert (training.module, training.folder) == ("fer.train", row.runs[1].folder)
    config = compose("train", training.overrides)
    assert (config.seed, config.test) == (1, False), "one look at the test split, by the evaluation"
    assert (config.data.source.seed, config.data.batch_size) == (3, 8)
    assert config.data.source.train == 1050, "the budget of the built-in faces"
    assert config.model.lstm is None
    assert config.trainer.max_epochs == training.epochs == 4
    judged = compose("evaluate", evaluation.overrides)
    assert judged.ckpt == "runs/table/synthetic/cnn/seed1/checkpoints/best.ckpt"
    assert (judged.data.source.seed, judged.data.source.test) == (3, 350)
    assert not judged.report
    assert not judged.tta, "the table states single views"


@pytest.mark.slow
def test_the_pace_is_that_of_the_first_steps_of_the_last_training() -> None:
    cnn, tuned, svm = planned("data=synthetic", "only=[cnn,cnn_lstm_finetuned,hog_svm]").rows
    assert svm.pace is None
    for row in (cnn, tuned):
        assert row.pace is not None
        (job,) = row.pace.jobs
        assert (job.folder, job.test) == (Path(f"runs/table/synthetic/{row.name}/pace"), False)
        config = compose("train", job.overrides)
        assert (config.trainer.max_epochs, config.trainer.limit_train_batches) == (1, 300)
        assert not config.test
    assert "callbacks=[default,progressive]" in tuned.pace.jobs[0].overrides
    # That of another seed is found again.
    make(cnn.pace.jobs[0])
    (again,) = planned("data=synthetic", "only=[cnn]", "seeds=[5]").rows
    assert again.pace is not None
    assert not again.pace.stale
    # What was timed is of another budget: it counts no more, and is timed anew where that is asked.
    more = ("data=synthetic", "only=[cnn]", 'overrides=["data.batch_size=4"]')
    assert planned(*more).rows[0].pace is None
    assert refused(*more, "pace=true").startswith("row cnn: pace: ")
    (anew,) = planned(*more, "pace=true", "fresh=true").rows
    assert anew.pace is not None
    assert anew.pace.stale


def test_screening_leaves_the_test_split_alone_and_conventional_methods_run_once() -> None:
    line = ("data=synthetic", "only=[cnn,hog_svm]", "seeds=[4,5]", "robustness=true")
    cnn, svm = planned(*line, "test=false").rows
    for run in (*cnn.runs, *svm.runs):
        (job,) = run.jobs
        assert not job.test
        assert not compose(job.module.removeprefix("fer."), job.overrides).test
    (run,) = planned(*line).rows[1].runs
    (job,) = run.jobs
    config = compose("baseline", job.overrides)
    assert (config.method, config.seed, config.test, config.robustness) == (
        "linear_svm", 4, True, True,
    )  # fmt: skip
    assert run.judgement == job.folder == Path("runs/table/synthetic/hog_svm/seed4")


@pytest.mark.slow
def test_ablations_depart_from_a_row_that_is_there_too() -> None:
    planner = planned(*SYNTHETIC, "only=[cnn_lstm,depth_1]", "test=false")
    base, other = (compose("train", row.runs[0].jobs[0].overrides) for row in planner.rows)
    assert [row.kind for row in planner.rows] == ["families", "ablations"]
    assert (base.model.lstm.depth, other.model.lstm.depth) == (2, 1)
    other.model.lstm.depth = 2
    for group in ("model", "data", "augmentation", "optimizer", "scheduler", "trainer", "loss"):
        assert base[group] == other[group], group


@pytest.mark.slow
def test_rows_of_clips_read_clips() -> None:
    planner = planned("kind=clips", "data=synthetic_clips", "seeds=[0]", "data.source.seed=3")
    assert [row.name for row in planner.rows] == ["clip_frames", "clip_lstm", "convlstm"]
    for row in planner.rows:
        training, evaluation = row.runs[0].jobs
        assert training.folder == Path(f"runs/table/synthetic_clips/{row.name}/seed0")
        config = compose("train", training.overrides, check=check_training)
        assert config.model._target_.startswith("fer.models.C")
        assert (config.data.batch_size, config.trainer.max_epochs) == (16, 24)
        assert config.data.source.seed == 3
        assert compose("evaluate", evaluation.overrides).data.source.seed == 3


@pytest.mark.slow
def test_all_rows_together_have_their_own_data() -> None:
    """What is said of the table's data is not said of the clips."""
    line = ("kind=all", "only=[cnn,clip_lstm]", "seeds=[0]", "data.root=y")
    rows = {row.name: row for row in planned(*line).rows}
    cnn, clip = (compose("train", rows[n].runs[0].jobs[0].overrides) for n in ("cnn", "clip_lstm"))
    assert cnn.data.root == "y"
    assert "root" not in clip.data
    assert rows["cnn"].runs[0].folder == Path("runs/table/fer2013/cnn/seed0")
    # Where the table of clips alone has it.
    assert rows["clip_lstm"].runs[0].folder == Path("runs/table/synthetic_clips/clip_lstm/seed0")
    small = planned(*SYNTHETIC, "kind=all", "only=[cnn,clip_lstm]").rows[1]
    assert small.runs[0].folder == Path("runs/table/synthetic/clip_lstm/seed0"), (
        "a budget of its own"
    )


def test_rows_of_single_faces_are_left_out_of_clips() -> None:
    planner = planned("data=synthetic_clips", "only=[cnn,hog_svm,clip_lstm]", "seeds=[0]")
    assert [row.name for row in planner.rows] == ["clip_lstm"]
    assert planner.left_out == ["cnn", "hog_svm"]
    assert refused("data=synthetic_clips", "only=[cnn]").startswith("data: ")


@pytest.mark.slow
def test_finished_runs_count_and_those_of_another_configuration_are_refused_or_replaced() -> None:
    line = (*SYNTHETIC, "only=[cnn]")
    (row,) = planned(*line).rows
    make(row.runs[0].jobs[0], "trainer.log_every_n_steps=5", "paths.cache=elsewhere")
    make(row.runs[1].jobs[0], "trainer.max_epochs=3", "seed=7", ended=False)
    message = refused(*line)
    assert message.startswith("row cnn: seed1: ")
    assert "(seed was 7, is 1; trainer.max_epochs was 3, is 4)" in message
    (again,) = planned(*line, "fresh=true").rows
    assert [run.stale for run in again.runs] == [False, True]
    assert again.runs[0].next_job() == again.runs[0].jobs[1]


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (("only=[cnnn]",), "only"),
        (("only=cnn", "seeds=[]"), "only"),
        (("jobs=0", "kind=some"), "kind"),
        (("seeds=[0,0]", "only=[cnn]"), "seeds"),
        (("data.protocol=resplit", "only=[cnn]"), "data.protocol"),
        (("robustness=test", "only=[cnn]"), "robustness"),
        (("only=[cnn]", 'overrides=["optimizer.lrr=1"]'), "row cnn: optimizer.lrr=1"),
        (("only=[cnn]", 'families.cnn.train=["model=cnm"]'), "row cnn: model=cnm"),
        (("only=[cnn]", "model=cnn"), "model=cnn"),
    ],
)
def test_mistakes_are_reported_before_anything_is_run(
    overrides: tuple[str, ...], where: str
) -> None:
    assert f"{where}: " in refused("data=synthetic", *overrides)
    assert not Path("runs").exists()
