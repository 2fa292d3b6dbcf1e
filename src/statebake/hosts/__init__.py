"""The adapters that know one framework each, and the worker that runs in the project's interpreter."""

from statebake.hosts.answers import FetchEnd, FetchRequest, log_tail, read_log
from statebake.hosts.base import Host, ImageRun, discover_request, find_host
from statebake.hosts.worker import Worker, open_worker

__all__ = [
    "FetchEnd",
    "FetchRequest",
    "Host",
    "ImageRun",
    "Worker",
    "discover_request",
    "find_host",
    "log_tail",
    "open_worker",
    "read_log",
]
