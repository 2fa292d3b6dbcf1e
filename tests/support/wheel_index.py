"""A place on loopback where pip finds this very statebake, as it will find a released one in a package index."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

from support.installed import build, copy_repository


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def statebake_index(root: Path, pip_conf: Path) -> Iterator[Path]:
    """Build statebake's wheel below ``root``, serve it, and yield ``pip_conf`` with that place added."""
    build("wheel", copy_repository(root / "clone"), root / "wheels")
    handler = functools.partial(_Quiet, directory=root / "wheels")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        path = root / "pip.conf"
        path.write_text(f"{pip_conf.read_text()}find-links = http://127.0.0.1:{server.server_port}/\n")
        yield path
        server.shutdown()
        thread.join()
