# What an interpreter runs that is to do a part of a sealed load: its modules come with the command line, for there may
# be no file of statebake's that it could read (in an image, in a PEX, as another user).
import base64
import importlib
import importlib.machinery
import json
import sys
import zlib

_PACKAGE = "_statebake_worker"


class _Sources:
    def __init__(self, sources):
        self._sources = sources

    def find_spec(self, name, path=None, target=None):
        if name == _PACKAGE:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        if name.rpartition(".")[0] == _PACKAGE and name.rpartition(".")[2] in self._sources:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__.rpartition(".")[2]
        if name in self._sources:
            exec(compile(self._sources[name], "<statebake %s>" % name, "exec"), module.__dict__)


def _main():
    packed, do, request = sys.argv[1:4]
    sys.argv[1:] = []
    sys.meta_path.insert(0, _Sources(json.loads(zlib.decompress(base64.b85decode(packed)).decode())))
    module, function = {
        "seal": ("seal", "main"),
        "inside": ("seal", "inside"),
        "load": ("sealed_load", "main"),
    }[do]
    code = getattr(importlib.import_module("%s.%s" % (_PACKAGE, module)), function)(json.loads(request))
    sys.stdout.flush()
    sys.stderr.flush()
    import os

    os._exit(code)  # not even a thread of the program keeps this waiting


_main()
