"""The class paths of earlier versions, which run folders and users' own files still name."""

from __future__ import annotations

from typing import Any, Final

RENAMED: Final = {
    "fer.data.clip_folder.ClipFolder": "fer.data.sources.ClipFolder",
    "fer.data.fer2013.Fer2013": "fer.data.sources.Fer2013",
    "fer.data.fer2013_votes.Fer2013WithVotes": "fer.data.sources.Fer2013WithVotes",
    "fer.data.ferplus.FerPlus": "fer.data.sources.FerPlus",
    "fer.data.folder.ImageFolder": "fer.data.sources.ImageFolder",
    "fer.data.synthetic_clips.SyntheticClips": "fer.data.synthetic.SyntheticClips",
    "fer.data.table.FaceTable": "fer.data.sources.FaceTable",
}


def with_current_targets(node: Any) -> Any:
    """Return a configuration, in plain containers, whose ``_target_`` are those of this version.

    Example:
        >>> with_current_targets({"source": {"_target_": "fer.data.folder.ImageFolder"}})
        {'source': {'_target_': 'fer.data.sources.ImageFolder'}}
    """
    if isinstance(node, dict):
        return {
            key: RENAMED.get(value, value)
            if key == "_target_" and isinstance(value, str)
            else with_current_targets(value)
            for key, value in node.items()
        }
    return [with_current_targets(item) for item in node] if isinstance(node, list) else node
