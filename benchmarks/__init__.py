"""Benchmarks: chaosvm, its alternatives, and the floor that no client can beat.

All implementations of a task take turns in one run, each in its own process, so that
their ratios are meaningful. See docs/performance.md.
"""
