"""Which sockets with a path a load may not connect to without its being told."""

from __future__ import annotations

from pathlib import Path

import pytest

from statebake.worker.watch import leads_out, plain_path


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/var/run/docker.sock", True),
        ("//var/run/docker.sock", True),
        ("/scratch/../run/docker.sock", True),
        ("../run/docker.sock", True),
        ("/run/dbus/system_bus_socket", True),
        ("/scratching/own.sock", True),
        ("own.sock", False),
        ("//scratch//own.sock", False),
        ("/run/nscd/socket", False),
        ("/var/run/nslcd/socket", False),
        ("/var/run/samba/winbindd/pipe", False),
        ("/run/avahi-daemon/socket", False),
        ("//run/systemd/resolve/io.systemd.Resolve", False),
        ("/var/lib/sss/pipes/nss", False),
        ("/dev/log", False),
        ("/dev/logger", True),
    ],
)
def test_leads_out(path, told):
    """All but what the C library asks by itself, and what the load has in its own directory, however it is written."""
    assert leads_out(plain_path(path, Path("/scratch")), plain_path("/scratch/", Path("/"))) is told
