"""Docker engines: each kind with its own data, socket and command-line client."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from lab import base, daemons, disk, settings
from lab.packages import Group
from lab.places import LabError, running, write


@dataclass(frozen=True)
class Kind:
    """What sets one engine apart from another.

    ``megabytes``: its data is in memory, no more than that, without the base image, and gone with the daemon.
    """

    packages: str
    version: str
    config: Mapping[str, object]
    megabytes: int | None = None


_GC = {"builder": {"gc": {"enabled": True, "defaultKeepStorage": "4GB"}}}
KINDS = {
    "26": Kind("docker-26", "26.1", {**_GC, "storage-driver": "overlay2"}),
    "containerd": Kind("docker-26", "26.1", {**_GC, "features": {"containerd-snapshotter": True}}),
    "small": Kind("docker-26", "26.1", {"storage-driver": "overlay2"}, megabytes=48),
    "20.10": Kind("docker-20.10", "20.10", {**_GC, "storage-driver": "overlay2", "features": {"buildkit": True}}),
}


@dataclass(frozen=True)
class Engine:
    """One engine of this cache, running or not."""

    name: str

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return KINDS[self.name]

    @property
    def directory(self) -> Path:
        """What lives as long as its daemon."""
        return running() / self.name

    @property
    def _socket(self) -> Path:
        return self.directory / "docker.sock"

    @property
    def host(self) -> str:
        """Its ``DOCKER_HOST``."""
        return f"unix://{self._socket}"

    @property
    def environment(self) -> dict[str, str]:
        """What its own client, and only that one, is found by; ``PATH`` is what comes before the machine's."""
        group = Group(self.kind.packages)
        return {
            "DOCKER_HOST": self.host,
            "DOCKER_CONFIG": str(self.directory / "config"),
            "PATH": os.pathsep.join(map(str, group.path)),
        }

    def install(self) -> None:
        """Fetch what it needs and is not there yet."""
        Group(self.kind.packages).install()
        base.tarball()

    @property
    def installed(self) -> bool:
        """Whether nothing would have to be fetched."""
        return Group(self.kind.packages).installed

    def answers(self) -> bool:
        """Whether it runs, answers, and has the base image."""
        return self._ready.exists() and self._pings()

    @property
    def _ready(self) -> Path:
        return self.directory / "ready"

    def _pings(self) -> bool:
        connection = http.client.HTTPConnection("localhost", timeout=10)
        try:
            with socket.socket(socket.AF_UNIX) as connection.sock:
                connection.sock.settimeout(10)
                connection.sock.connect(str(self._socket))
                connection.request("GET", "/_ping")
                return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def start(self) -> None:
        """Start it, whatever a killed run has left, and see that it has the base image."""
        self.install()
        self.stop()
        self.directory.mkdir(parents=True)
        small = self.kind.megabytes
        data = disk.in_memory(self.name, small) if small else disk.data(self.name)
        group = Group(self.kind.packages)
        env = {"PATH": os.pathsep.join([*map(str, group.path), os.environ["PATH"], "/usr/sbin", "/sbin"])}
        address = self._start_containerd(group, data, {**env, **group.libraries})
        log = self.directory / "dockerd.log"
        argv = [
            group.program("dockerd"),
            *("--config-file", write(self.directory / "daemon.json", json.dumps(self.kind.config))),
            *("--data-root", data / "docker", "--exec-root", self.directory / "exec"),
            *("--pidfile", self.directory / "dockerd.pid", "--containerd", address, "--host", self.host),
            # No networks of its own: nothing of the machine's is touched. Builds that need one use --network host.
            *("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
        ]
        daemons.launch(argv, log, {**env, **group.libraries})
        daemons.await_answer(self._pings, log)
        self._configure_client(group)
        self._clean()
        if not small:
            self._import_base()
        self._ready.touch()

    def _start_containerd(self, group: Group, data: Path, env: Mapping[str, str]) -> Path:
        """Start the engine's own containerd: left to itself dockerd would take the machine's, where it has one."""
        address, log = self.directory / "containerd.sock", self.directory / "containerd.log"
        config = write(
            self.directory / "containerd.toml", 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        )
        argv = [
            group.program("containerd"),
            *("--config", config, "--address", address),
            *("--root", data / "containerd", "--state", self.directory / "containerd"),
        ]
        daemons.launch(argv, log, env)
        daemons.await_answer(address.is_socket, log)
        return address

    def _configure_client(self, group: Group) -> None:
        config = self.directory / "config"
        write(config / "config.json", settings.docker_config())
        buildx = group.root / "usr/libexec/docker/cli-plugins/docker-buildx"
        if buildx.exists():
            (config / "cli-plugins").mkdir(exist_ok=True)
            (config / "cli-plugins" / buildx.name).symlink_to(buildx)

    def _clean(self) -> None:
        """Remove what tests of a killed run have left."""
        self.docker("container", "prune", "--force")
        theirs = (f"--filter=reference={pattern}" for pattern in (f"{settings.OF_TESTS}/*", f"*/{settings.OF_TESTS}/*"))
        if left := self.docker("image", "ls", "--quiet", *theirs).split():
            self.docker("image", "rm", "--force", *sorted(set(left)))
        self.docker("image", "prune", "--force")

    def _import_base(self) -> None:
        asked = ("image", "inspect", "--format", f'{{{{index .Config.Labels "{base.LABEL}"}}}}', base.NAMES[0])
        if self.docker(*asked, check=False).strip() != base.digest():
            self.docker("image", "import", *base.changes(), str(base.tarball()), base.NAMES[0])
        for name in base.NAMES[1:]:
            self.docker("image", "tag", base.NAMES[0], name)

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Run its client and return what that printed."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        env |= {**self.environment, "PATH": os.pathsep.join([self.environment["PATH"], os.environ["PATH"]])}
        argv = [Group(self.kind.packages).program("docker"), *arguments]
        ended = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if check and ended.returncode:
            raise LabError(f"docker {' '.join(arguments)} of engine {self.name} failed:\n{ended.stderr}")
        return ended.stdout

    def stop(self) -> None:
        """End it by its process ids, and take away all but its data; also what a killed run has left."""
        daemons.end(self.directory, disk.place(self.name), order=("dockerd", "containerd-shim", "containerd"))
        daemons.clear(self.directory, disk.place(self.name))
