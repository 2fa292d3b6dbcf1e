"""An image registry on loopback."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.request
from http import HTTPStatus
from pathlib import Path

from lab import daemons
from lab.packages import Group
from lab.places import LabError, running, write


class Registry:
    """The registry of this cache, running or not; it begins empty each time."""

    name = "registry"

    @property
    def directory(self) -> Path:
        """What lives as long as it does; its images too."""
        return running() / self.name

    @property
    def _log(self) -> Path:
        return self.directory / "docker-registry.log"

    @property
    def address(self) -> str:
        """Its host and port."""
        with contextlib.suppress(FileNotFoundError):
            if found := re.search(r"listening on (127\.0\.0\.1:\d+)", self._log.read_text(errors="replace")):
                return found[1]
        raise LabError("the registry does not run: tests/tools/engine registry start")

    @property
    def environment(self) -> dict[str, str]:
        """What tests are told."""
        return {"STATEBAKE_TEST_REGISTRY": self.address}

    def install(self) -> None:
        """Fetch it where it is not there yet."""
        Group("registry").install()

    @property
    def installed(self) -> bool:
        """Whether nothing would have to be fetched."""
        return Group("registry").installed

    def answers(self) -> bool:
        """Whether it runs and answers."""
        without_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with without_proxies.open(f"http://{self.address}/v2/", timeout=10) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except (OSError, LabError):
            return False

    def start(self) -> None:
        """Start it, empty, on a free port."""
        self.install()
        self.stop()
        self.directory.mkdir(parents=True)
        config = {
            "version": "0.1",
            "log": {"level": "info", "formatter": "text"},
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")}, "delete": {"enabled": True}},
            "http": {"addr": "127.0.0.1:0"},
        }
        path = write(self.directory / "config.yml", json.dumps(config))  # YAML, which JSON is a part of
        daemons.launch([Group("registry").program("docker-registry"), "serve", path], self._log)
        daemons.await_answer(self.answers, self._log)

    def stop(self) -> None:
        """End it by its process id."""
        daemons.end(self.directory, order=("docker-registry",))
        daemons.clear(self.directory)
