"""Where faces come from: each source reads one kind of data set and checks it."""

from __future__ import annotations

from fer.data.sources.clips import ClipFolder
from fer.data.sources.fer2013 import Fer2013
from fer.data.sources.fer2013_votes import Fer2013WithVotes
from fer.data.sources.ferplus import FerPlus
from fer.data.sources.folder import ImageFolder
from fer.data.sources.table import FaceTable

__all__ = ["ClipFolder", "FaceTable", "Fer2013", "Fer2013WithVotes", "FerPlus", "ImageFolder"]
