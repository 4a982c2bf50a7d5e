"""A small web server on 127.0.0.1 for recordings, with byte ranges, as the demo and the tests harvest them."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar


class _Handler(SimpleHTTPRequestHandler):
    """Files of one folder; answers a `Range` of bytes, which a download needs to go on where it broke off."""

    extensions_map: ClassVar = {**SimpleHTTPRequestHandler.extensions_map, ".m4a": "audio/mp4", ".webm": "video/webm"}
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Say nothing: a progress display is written to the same terminal."""

    def send_head(self) -> Any:
        """A whole file as ever; for a byte range, just that."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.is_file():
            return super().send_head()
        size = path.stat().st_size
        first, last = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
        if not first <= last < size:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return None
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if self.command != "HEAD":
            with path.open("rb") as stream:
                stream.seek(first)
                self.wfile.write(stream.read(last - first + 1))
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up early is no error: yt-dlp reads the first bytes and leaves."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve `folder` while the block runs, on a free port unless one is given; the server's URL."""
    server = _Server(("127.0.0.1", port), partial(_Handler, directory=str(folder)))
    # A short poll: the server ends as soon as the block does.
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
