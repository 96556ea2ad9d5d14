"""The chart of a run as SVG: hypothesis, activities and VMs over time.

Pure functions of a story; few VMs have a lane each, many have areas and dense lanes.
"""

from __future__ import annotations

from chaosvm.observe.chart.chart import Chart, draw_chart, standalone

__all__ = ["Chart", "draw_chart", "standalone"]
