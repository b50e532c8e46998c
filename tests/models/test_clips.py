"""Networks of clips: padding changes nothing, in use and while training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fer.models import BuildError, ClipNetwork, build

SIZE = 16
BACKBONE = {
    "_target_": "fer.models.backbones.SmallCNN",
    "widths": [4, 6],
    "kernels": [[3, 5], [3]],
    "pools": ["max", "avg"],
}
ROWS = {
    "_target_": "fer.models.SequenceBranch", "view": {"_target_": "fer.models.Rows"}, "units": 4,
    "depth": 1,
}  # fmt: skip
COMMON: Mapping[str, Any] = {
    "preprocessing": {"_target_": "fer.models.Preprocessing", "mean": 0.5},
    "head": {"_target_": "fer.models.DenseHead", "hidden": [8], "dropout": 0.0},
    "backbone": BACKBONE,
}
FRAME = {"_target_": "fer.models.FusionNetwork"}


def time(**options: Any) -> dict[str, Any]:
    return {"_target_": "fer.models.TimeLSTM", "units": 5, **options}


def lstm(**options: Any) -> dict[str, Any]:
    chosen = {"_target_": "fer.models.ClipLSTM", **COMMON, "frame": FRAME, "time": time()}
    return {**chosen, **options}


NETWORKS: Mapping[str, Mapping[str, Any]] = {
    **{f"lstm, {p}": lstm(time=time(pooling=p)) for p in ("last", "mean", "max", "attention")},
    "lstm, both ways": lstm(time=time(bidirectional=True, depth=2)),
    "lstm, both ways, attention": lstm(time=time(bidirectional=True, pooling="attention")),
    "lstm on CNN and LSTM": lstm(lstm=ROWS, fusion={"_target_": "fer.models.Concat"}),
    "lstm on a CRNN": lstm(lstm=ROWS, frame={"_target_": "fer.models.CRNN"}),
    "frames": {"_target_": "fer.models.ClipFrames", **COMMON, "frame": FRAME},
    "frames, logits": {
        "_target_": "fer.models.ClipFrames", **COMMON, "frame": FRAME, "vote": "logits",
    },
    "convlstm": {"_target_": "fer.models.ConvLSTM", **COMMON, "widths": [5]},
    "convlstm, two layers": {
        "_target_": "fer.models.ConvLSTM", **COMMON, "widths": [5, 3], "kernel": 5,
    },
}  # fmt: skip


def make(spec: Mapping[str, Any]) -> ClipNetwork:
    torch.manual_seed(0)
    network = build(spec, expects=ClipNetwork, classes=3, size=SIZE)  # type: ignore[type-abstract]
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 2)
    return network


def some_clips(lengths: list[int], steps: int, garbage: float | None = None) -> Tensor:
    """Return clips of these lengths, the same whatever lies behind them."""
    clips = torch.zeros(len(lengths), 1, steps, SIZE, SIZE)
    for place, length in enumerate(lengths):
        draw = torch.Generator().manual_seed(place)
        shape = (length, SIZE, SIZE)
        clips[place, 0, :length] = torch.randint(0, 256, shape, generator=draw).float()
        if garbage is not None:
            clips[place, 0, length:] = garbage
    return clips


@pytest.mark.parametrize("spec", NETWORKS.values(), ids=NETWORKS)
@torch.no_grad()
def test_padding_changes_nothing(spec: Mapping[str, Any]) -> None:
    network, lengths = make(spec).eval(), [1, 4, 2, 7]
    given = torch.tensor(lengths)
    wanted = torch.cat(
        [network(some_clips(lengths, 7)[i : i + 1, :, :n]) for i, n in enumerate(lengths)]
    )
    assert wanted.std(dim=0).max() > 1e-5, "the answers depend on the clips"
    for steps, garbage in ((7, 0.0), (12, 255.0), (9, 1e30), (8, float("nan"))):
        found = network(some_clips(lengths, steps, garbage), given)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["lstm, last", "lstm, both ways", "frames", "convlstm"])
def test_padding_changes_nothing_while_training(name: str) -> None:
    """Neither the answers, nor the gradients, nor what batch normalisation has counted."""
    lengths = [2, 5, 1, 3]
    found = []
    for steps, garbage in ((5, 0.0), (9, 255.0)):
        network = make(NETWORKS[name]).train()
        answers = network(some_clips(lengths, steps, garbage), torch.tensor(lengths))
        answers.square().sum().backward()
        grads = {n: p.grad for n, p in network.named_parameters()}
        found.append((answers.detach(), grads, copy.deepcopy(network.state_dict())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_time_is_read_or_not(name: str) -> None:
    """The vote knows no order; everything else answers otherwise when a clip runs backwards."""
    network, clips = make(NETWORKS[name]).eval(), some_clips([6, 6], 6)
    same = torch.allclose(network(clips), network(clips.flip(2)), atol=1e-6)
    assert same == name.startswith("frames")


@torch.no_grad()
def test_votes_are_the_mean_over_real_frames() -> None:
    network = make(NETWORKS["frames"]).eval()
    clips, lengths = some_clips([2, 3], 4, 255.0), torch.tensor([2, 3])
    single = [network(clips[1:, :, t : t + 1]).softmax(dim=1) for t in range(3)]
    answers = network(clips, lengths)
    torch.testing.assert_close(answers[1].softmax(dim=0), torch.stack(single).mean(dim=0)[0])
    network.train()
    assert network(clips, lengths).shape == (5, 3), "an answer for each real frame"


def test_a_random_crop_is_the_same_for_all_frames_of_a_clip() -> None:
    spec = {**COMMON["preprocessing"], "crop": 12}
    part = build(spec, expects=nn.Module).train()
    still = some_clips([1, 1, 1, 1], 1).expand(-1, -1, 6, -1, -1).squeeze(1)
    cropped = part(still)
    assert cropped.shape == (4, 6, 12, 12)
    assert torch.equal(cropped, cropped[:, :1].expand_as(cropped))
    assert not torch.equal(part(still), cropped), "another draw, another place"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (lstm(time=time(pooling="first")), "unknown pooling 'first'"),
        (lstm(time=time(units=0)), "at least 1, not 0"),
        (lstm(metadata={"_target_": "fer.models.MetadataBranch"}), "choose metadata=none"),
        (lstm(backbone=None), "the model has no branch"),
        ({**NETWORKS["frames"], "vote": "majority"}, "unknown vote 'majority'"),
        ({**NETWORKS["convlstm"], "backbone": None}, "choose backbone=shallow"),
        ({**NETWORKS["convlstm"], "backbone": ROWS}, "keeps no feature map"),
        ({**NETWORKS["convlstm"], "lstm": ROWS}, "choose lstm=none"),
        ({**NETWORKS["convlstm"], "widths": []}, "at least one layer"),
        ({**NETWORKS["convlstm"], "kernel": 4}, "odd filters"),
    ],
)
def test_misfits_say_what_to_choose(spec: Mapping[str, Any], words: str) -> None:
    with pytest.raises(BuildError, match=words):
        make(spec)
