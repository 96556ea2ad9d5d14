"""What chaosvm costs, beside what could be used instead and what cannot be avoided.

All ways to do a thing take turns in one run, each in a process of its own, so
that only the ratios between them matter. docs/performance.md tells more.
"""
