"""Faces in time: sources of frames, tracking, smoothing, and what may be shown of a group."""

from fer.live.pipeline import FacePipeline, TrackedFace
from fer.live.session import Session, Step
from fer.live.smoothing import Smoother
from fer.live.sources import (
    Frame,
    LiveSource,
    Source,
    SourceError,
    VideoFile,
    open_source,
    source_title,
)
from fer.live.track_writer import TrackWriter, check_tracks_path, open_track_writer
from fer.live.tracking import Tracker
from fer.live.video_writer import VideoWriter, check_video_path, open_video_writer

__all__ = [
    "FacePipeline",
    "Frame",
    "LiveSource",
    "Session",
    "Smoother",
    "Source",
    "SourceError",
    "Step",
    "TrackWriter",
    "TrackedFace",
    "Tracker",
    "VideoFile",
    "VideoWriter",
    "check_tracks_path",
    "check_video_path",
    "open_source",
    "open_track_writer",
    "open_video_writer",
    "source_title",
]
