"""The native framework: what a deployed program imports. Standard library, ``model`` and ``errors`` only.

PyYAML is the one exception; only ``defs_yaml`` imports it, and only when there is a ``defs.yaml`` to read.
Modules here import nothing heavy at their top: a deployed program pays for it at every start.
"""
