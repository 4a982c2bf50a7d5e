"""Where a harvest may connect to, and for how long: public addresses only, whatever an address on the web leads to.

Python reports every connect of this process, after name resolution and on each redirect, to an audit hook
(PEP 578). The hook sees the very address that the kernel is about to be given, so no redirect, DNS answer, playlist
or manifest gets around it. It guards only the thread that is inside guard().
"""

import contextlib
import ipaddress
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from include import settings

MAX_HELD_SOCKETS = 16


class Forbidden(PermissionError):
    """A connection to an address that no recording on the web has any business with."""


class OutOfTime(TimeoutError):
    """Not done within its wall clock."""


class Connections:
    """Handles of the newest connections, so that a deadline can end them while somebody waits for a byte.

    They may outlast one piece of guarded work: a client keeps a connection for its next request.
    """

    def __init__(self) -> None:
        self._sockets: deque[socket.socket] = deque()
        self._lock = threading.Lock()

    def hold(self, opened: socket.socket) -> None:
        """Keep a handle of a connection."""
        with self._lock:
            self._sockets.append(socket.socket(fileno=os.dup(opened.fileno())))
            if len(self._sockets) > MAX_HELD_SOCKETS:
                self._sockets.popleft().close()

    def end(self) -> None:
        """End all connections: whoever waits on one gets an error at once."""
        with self._lock:
            for opened in self._sockets:
                with contextlib.suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of all handles."""
        with self._lock:
            while self._sockets:
                self._sockets.popleft().close()


class Guard:
    """One piece of guarded work: its deadline, the bytes it has read, and its connections."""

    def __init__(self, timeout_s: float, max_bytes: int, connections: Connections) -> None:
        self.timeout_s = timeout_s
        self.max_bytes = max_bytes
        self.deadline = time.monotonic() + timeout_s
        self.n_bytes = 0
        self.forbidden: Forbidden | None = None
        self.connections = connections

    @property
    def out_of_time(self) -> OutOfTime:
        """What is raised once the deadline has passed."""
        return OutOfTime(f"not done within {self.timeout_s:g} s")

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.deadline

    def forbid(self, why: str) -> Forbidden:
        """What is raised, and kept: yt-dlp's download step passes on no cause of what it raises."""
        self.forbidden = Forbidden(why)
        return self.forbidden

    def count(self, n_bytes: int) -> None:
        """Note bytes that were read. Raises Forbidden over the limit, OutOfTime after the deadline."""
        self.n_bytes += n_bytes
        if self.n_bytes > self.max_bytes:
            raise self.forbid(f"over {self.max_bytes} bytes")
        if self.is_late:
            raise self.out_of_time


_here = threading.local()
_hook_lock = threading.Lock()
_is_hooked = False


@contextlib.contextmanager
def guard(timeout_s: float, max_bytes: int, connections: Connections | None = None) -> Iterator[Guard]:
    """Let this thread connect to public addresses only, for `timeout_s` seconds and `max_bytes` bytes.

    A connect to another address, or a byte more, raises Forbidden, and so does the block, whatever becomes of the
    first. After the deadline all connections are ended and the block raises OutOfTime. `connections`: those of a
    client that keeps them beyond the block; the caller closes them.
    """
    _hook()
    held = connections or Connections()
    current = Guard(timeout_s, max_bytes, held)
    timer = threading.Timer(timeout_s, held.end)
    timer.daemon = True
    before = getattr(_here, "guard", None)
    _here.guard = current
    timer.start()
    try:
        yield current
        if current.is_late:  # a connection that was ended may look like an answer's end
            raise current.out_of_time
    except Exception as error:
        if current.forbidden is not None:
            raise current.forbidden from error
        if current.is_late:
            raise current.out_of_time from error
        raise
    finally:
        _here.guard = before
        timer.cancel()
        if connections is None:
            held.close()


def _hook() -> None:
    """Add the audit hook, once a process: it can't be taken away again."""
    global _is_hooked
    with _hook_lock:
        if not _is_hooked:
            sys.addaudithook(_audit)
            _is_hooked = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto"):
        return
    current = getattr(_here, "guard", None)
    if current is None:
        return
    opened, address = arguments
    if current.is_late:
        raise current.out_of_time
    host = address[0] if isinstance(address, tuple) else address
    if not isinstance(address, tuple) or not may_connect(str(host), int(address[1])):
        raise current.forbid(f"{host} is no public address")
    current.connections.hold(opened)


def may_connect(host: str, port: int) -> bool:
    """Whether a harvest may connect to a numeric address: a public one, or one that the settings allow by name."""
    allowed = settings.current().egress_allowed_hosts
    return host in allowed or f"{host}:{port}" in allowed or is_public(host)


def is_public(host: str) -> bool:
    """Whether a numeric address is one of the public Internet, and so is what it carries inside.

    An IPv6 address may carry an IPv4 one: mapped (::ffff:…), 6to4, Teredo, or NAT64 (64:ff9b::/96, RFC 6052).
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False  # a name: connect() is given numbers by whoever resolves names with care
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo[1] if address.teredo else None
        nat64 = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
        inner = address.ipv4_mapped or address.sixtofour or teredo or nat64
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
