"""The command line of ``tests/tools/engine``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping

from lab import base, leases, settings
from lab.containers import Containers
from lab.engines import KINDS, Engine
from lab.packages import GROUPS, Group
from lab.places import LabError, cache, running
from lab.registry import Registry


def main() -> int:
    """Do what the arguments say, and return the exit code."""
    arguments = _parser().parse_args()
    if os.geteuid() != 0:
        sys.exit("engine: this needs root, for mounts and namespaces")
    try:
        arguments.run(arguments)
    except LabError as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests/tools/engine",
        description="The real Docker parts that tests need, on Debian 12 as root; nothing of the system is changed.",
        epilog='Use it by: eval "$(tests/tools/engine start)"',
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    install = commands.add_parser("install", help="fetch what is not there yet")
    install.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(GROUPS)}, base; else all of them")
    install.set_defaults(run=_install)

    start = commands.add_parser("start", help="start an engine that runs until it is stopped; print its environment")
    start.add_argument("--engine", choices=KINDS, default="26")
    start.set_defaults(run=lambda arguments: _start(Engine(arguments.engine)))

    stop = commands.add_parser("stop", help="stop one engine, or all that there is")
    stop.add_argument("--engine", choices=KINDS)
    stop.add_argument("--unused", action="store_true", help="only what no test run uses and nobody started by hand")
    stop.set_defaults(run=_stop)

    for service, text in ((Registry(), "a registry on loopback"), (Containers(), "buildah, podman, skopeo and umoci")):
        other = commands.add_parser(service.name, help=f"start or stop {text}")
        other.add_argument("what", choices=("start", "stop"))
        other.set_defaults(run=_start_or_stop, service=service)

    commands.add_parser("status", help="say what runs").set_defaults(run=_status)
    return parser


def _install(arguments: argparse.Namespace) -> None:
    known = (*GROUPS, "base")
    for part in arguments.parts or known:
        if part not in known:
            raise LabError(f"no part {part!r}: there are {', '.join(known)}")
        if part == "base":
            base.tarball()
        else:
            Group(part).install()


def _start(service: leases.Service) -> None:
    leases.keep(service)
    _print(service.environment)
    if isinstance(service, Engine):
        _print(settings.environment())


def _start_or_stop(arguments: argparse.Namespace) -> None:
    (_start if arguments.what == "start" else leases.end)(arguments.service)


def _stop(arguments: argparse.Namespace) -> None:
    services = [Engine(arguments.engine)] if arguments.engine else leases.services()
    for service in services:
        (leases.end_unused if arguments.unused else leases.end)(service)


def _status(_: argparse.Namespace) -> None:
    print(f"cache    {cache()}\nsockets  {running()}")
    for service in leases.services():
        print(f"{service.name:10} {'runs' if service.answers() else 'does not run'}")


def _print(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}" + (":$PATH" if name == "PATH" else ""))
