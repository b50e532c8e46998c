"""Optimisers and learning rate schedules."""

from fer.learning.optim.muon import Muon
from fer.learning.optim.schedules import Constant, Cosine, OneCycle

__all__ = ["Constant", "Cosine", "Muon", "OneCycle"]
