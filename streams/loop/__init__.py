"""The runner: every stage of ours turns in this loop."""

from streams.loop.runner import Runner
from streams.loop.stage import Ending, Limits, Stage, Work

__all__ = ["Ending", "Limits", "Runner", "Stage", "Work"]
