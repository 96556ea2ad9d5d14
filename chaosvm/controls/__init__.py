"""Chaos Toolkit controls, declared under ``controls`` in an experiment."""
