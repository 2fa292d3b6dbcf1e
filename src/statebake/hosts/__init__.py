"""The adapters that know one framework each, and the worker that runs in the project's interpreter."""

from statebake.hosts.answers import FetchRequest, FetchResult
from statebake.hosts.base import Host, discover_request, find_host
from statebake.hosts.worker import Worker, open_worker

__all__ = ["FetchRequest", "FetchResult", "Host", "Worker", "discover_request", "find_host", "open_worker"]
