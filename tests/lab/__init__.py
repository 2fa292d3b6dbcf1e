"""The real things that tests build with: Docker engines, a registry, buildah and its kin, on Debian 12 as root.

Nothing of the system is changed. What is fetched lies in ``.cache/engine`` of the checkout, or where
``STATEBAKE_ENGINE_CACHE`` says; sockets and what else lives as long as a daemon lie in ``/run/statebake-lab``. Each
cache has its own daemons, so checkouts do not meet. Standard library only, for a bare Python.
"""
