"""Faces in time: sources of frames, tracking, smoothing, and what becomes of it."""

from fer.live.films import FilmWriter, check_film_name, film_file
from fer.live.following import Follower, TrackedFace
from fer.live.session import Session, Step
from fer.live.smoothing import Smoother
from fer.live.sources import Film, Frame, Source, SourceError, open_source
from fer.live.streams import LiveSource
from fer.live.tracking import Tracker
from fer.live.tracks import TrackFile, check_tracks_name, track_file

__all__ = [
    "Film",
    "FilmWriter",
    "Follower",
    "Frame",
    "LiveSource",
    "Session",
    "Smoother",
    "Source",
    "SourceError",
    "Step",
    "TrackFile",
    "TrackedFace",
    "Tracker",
    "check_film_name",
    "check_tracks_name",
    "film_file",
    "open_source",
    "track_file",
]
