"""Chaos Toolkit controls: restore what a run changed, stop it on a failure, show a dry run's plans.

Each is a module that an experiment declares by its name.
"""
