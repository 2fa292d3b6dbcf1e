"""buildah, podman, skopeo and umoci: no daemon, but storage of their own that has the base image."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
from pathlib import Path

from lab import base, daemons, disk
from lab.packages import Group
from lab.places import LabError, running, write
from lab.settings import OF_TESTS

_TOOLS = ("buildah", "podman", "skopeo", "umoci")

# Its owner's files stay out of it: these tools look for a policy and for short names in the home directory and in /etc.
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'
_REGISTRIES = 'unqualified-search-registries = ["docker.io"]\n'
_STORAGE = """[storage]
driver = "overlay"
graphroot = "{data}"
runroot = "{run}/run"
"""
_CONTAINERS = """[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
netns = "host"
seccomp_profile = "{root}/usr/share/containers/seccomp.json"
[engine]
cgroup_manager = "cgroupfs"
conmon_env_vars = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH={libraries}"]
conmon_path = ["{root}/usr/bin/conmon"]
events_logger = "none"
helper_binaries_dir = ["{root}/usr/lib/podman"]
runtime = "runc"
tmp_dir = "{run}/tmp"
[engine.runtimes]
runc = ["{root}/usr/sbin/runc"]
[network]
network_backend = "netavark"
"""
# The logins of whoever runs them are taken from where docker has them.
_LOGIN = """#!/bin/sh
logins="${DOCKER_CONFIG:-$HOME/.docker}/config.json"
[ -n "$REGISTRY_AUTH_FILE" ] || [ ! -f "$logins" ] || export REGISTRY_AUTH_FILE="$logins"
"""


class Containers:
    """The tools with the storage of this cache."""

    name = "containers"

    @property
    def directory(self) -> Path:
        """What lives as long as somebody uses them."""
        return running() / self.name

    @property
    def environment(self) -> dict[str, str]:
        """What they are found by; ``PATH`` is what comes before the machine's."""
        return {"PATH": str(self.directory / "bin")}

    def install(self) -> None:
        """Fetch what they need and is not there yet."""
        Group("containers").install()
        base.tarball()

    @property
    def installed(self) -> bool:
        """Whether nothing would have to be fetched."""
        return Group("containers").installed

    @property
    def _ready(self) -> Path:
        return self.directory / "ready"

    def answers(self) -> bool:
        """Whether they are configured and have the base image."""
        return self._ready.exists()

    def start(self) -> None:
        """Configure them, and see that their storage has the base image and nothing of earlier tests."""
        self.install()
        self.stop()
        self._configure(Group("containers"), disk.data(self.name))
        self.run("podman", "rm", "--all", "--force")
        self.run("buildah", "rm", "--all")
        theirs = ("--filter", f"reference=*/{OF_TESTS}/*")
        if left := self.run("podman", "image", "ls", "--quiet", "--no-trunc", *theirs).split():
            self.run("podman", "image", "rm", "--force", *sorted(set(left)))
        self._import_base()
        self._ready.touch()

    def _configure(self, group: Group, data: Path) -> None:
        home, files = self.directory / "home", resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        values = {
            "data": data,
            "run": self.directory,
            "root": group.root,
            "libraries": group.libraries["LD_LIBRARY_PATH"],
            # What they ask for by themselves is more than root may have everywhere.
            "files": files,
            "processes": min(
                resource.getrlimit(resource.RLIMIT_NPROC)[1], int(Path("/proc/sys/kernel/pid_max").read_text())
            ),
        }
        env = {
            **group.libraries,
            "CONTAINERS_CONF": write(self.directory / "containers.conf", _CONTAINERS.format_map(values)),
            "CONTAINERS_REGISTRIES_CONF": write(self.directory / "registries.conf", _REGISTRIES),
            "CONTAINERS_STORAGE_CONF": write(self.directory / "storage.conf", _STORAGE.format_map(values)),
            "HOME": home,
        }
        write(home / ".config/containers/policy.json", _POLICY)
        exports = "".join(f"export {name}={shlex.quote(str(value))}\n" for name, value in env.items())
        for tool in _TOOLS:
            script = f'{_LOGIN}{exports}exec {shlex.quote(str(group.program(tool)))} "$@"\n'
            write(self.directory / "bin" / tool, script, 0o755)

    def _import_base(self) -> None:
        asked = ("image", "inspect", "--format", f'{{{{index .Labels "{base.LABEL}"}}}}')
        name = f"docker.io/library/{base.NAMES[0]}"
        if self.run("podman", *asked, name, check=False).strip() != base.digest():
            self.run("podman", "import", *base.changes(), str(base.tarball()), name)
        for other in base.NAMES[1:]:
            self.run("podman", "tag", name, f"docker.io/library/{other}")

    def run(self, tool: str, *arguments: str, check: bool = True) -> str:
        """Run one of them and return what it printed."""
        argv = [self.directory / "bin" / tool, *arguments]
        ended = subprocess.run(argv, env=os.environ, capture_output=True, text=True, check=False)
        if check and ended.returncode:
            raise LabError(f"{tool} {' '.join(arguments)} failed:\n{ended.stderr}")
        return ended.stdout

    def stop(self) -> None:
        """End what still runs in a container, and take away all but the storage."""
        daemons.end(self.directory, disk.place(self.name))
        daemons.clear(self.directory, disk.place(self.name))
