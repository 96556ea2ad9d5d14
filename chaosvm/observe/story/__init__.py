"""What a run did, in plain words: its verdict, its activities, and a lane for each VM.

Pure functions of a timeline, from which the chart and the report are made.
"""

from __future__ import annotations

from chaosvm.observe.story.sentences import banners, three_sentences
from chaosvm.observe.story.story import Outage, Story

__all__ = ["Outage", "Story", "banners", "three_sentences"]
