"""Where a backend may differ, and why. All else holds for each of them.

A test that is named here is expected to fail on the backend, and to fail is
what it must: one that begins to pass has to leave the list.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["EXCEPTIONS"]

# By the name of the test, and of the backend.
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("test_a_step_whose_answer_was_lost_goes_out_once", "lab engine"): (
        "libcurl by itself repeats a request when a connection that it had used before dies; "
        "what must not go out twice gets a new connection, and a stop may"
    ),
    ("test_a_stranger_has_no_session", "vcsim"): (
        "it refuses to tell, where the documentation says that currentSession is not set for "
        "who is not logged in, which scripts look at to log in again"
    ),
}
