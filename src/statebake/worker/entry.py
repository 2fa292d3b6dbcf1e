# The file that the project's interpreter runs. Its syntax is that of any Python, so that one which is too old can say
# so instead of failing on a syntax error.
import os
import sys


def main():
    if sys.version_info < (3, 10):
        line = '{"event": "too-old", "version": "%d.%d"}\n' % sys.version_info[:2]
        os.write(int(sys.argv[2]), line.encode())
        return 0
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]

    import importlib
    import importlib.util

    # The project may have another statebake, or none: this one's files get a name of their own.
    name = "_statebake_worker"
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    sys.modules[name] = importlib.util.module_from_spec(spec)
    if sys.argv[1] == "fetch":
        return importlib.import_module(name + ".fetching").fetch_alone(sys.argv[2], int(sys.argv[3]))
    return importlib.import_module(name + ".server").serve(int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    # Not even a thread that the project started at import keeps the process alive when the tool is gone.
    code = 1
    try:
        code = main()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
