"""Chaos Toolkit controls: restore what a run changed, stop it on a failure, show plans and results.

Each is a module that an experiment declares by its name.
"""
