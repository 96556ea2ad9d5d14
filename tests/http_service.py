"""A small HTTP service on a port of its own, for probes and clients to ask."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

__all__ = ["answering", "serving"]

# The status of a request, and a document to send as JSON.
Answer = Callable[[BaseHTTPRequestHandler], tuple[int, Any]]


def serving(statuses: Mapping[str, int] = {"/": 200}) -> AbstractContextManager[int]:  # not changed
    """Gives the port; a path that is not among the statuses is 404."""
    return answering(lambda request: (statuses.get(request.path, 404), None))


@contextmanager
def answering(answer: Answer) -> Iterator[int]:
    """Gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = answer(self)
            self.send_response(status)
            self.end_headers()
            if document is not None:
                self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
