"""``@component_instance``: components that Python modules return."""

import functools

from statebake import ComponentLoadContext, component_instance
from statebake.errors import Code

IMPORTS = "from statebake import component_instance\nfrom PKG.components import Thing\n"


def test_functions_are_declarations(project):
    """Each decorated function is a declaration at the line of its def, in order, with its context."""
    project.write(
        "a/things.py",
        IMPORTS
        + "from functools import partial\n\n"
        + "def twice(function):\n    return function\n\n"
        + "@component_instance\n@twice\ndef zebra(context):\n    return Thing(name='z', token=context)\n\n"
        + "@component_instance\ndef ape(context): return Thing(name='a')\n\n"
        + "same = zebra\n",
    )
    found = project.discover()
    assert [it.key for it in found] == ["Thing[z]", "Thing[a]"]
    assert [it.context.declared_at for it in found] == ["a/things.py:10", "a/things.py:14"]
    assert found[0].component.token == ComponentLoadContext(
        defs_dir=project.defs, path=project.defs / "a", declared_at="a/things.py:10"
    )


def test_a_wrapped_function_keeps_its_line():
    """A decorator that uses functools.wraps does not hide the def's line; other callables are at line 1."""

    def wrapping(function):
        return functools.wraps(function)(lambda *args: function(*args, 0))

    @component_instance
    @wrapping
    def one(context): ...

    line = wrapping.__code__.co_firstlineno + 5
    assert one.line == line
    assert component_instance(functools.partial(print)).line == 1


def test_an_imported_instance_is_not_declared_again(project):
    """An instance belongs to the module that defines it, not to those that import it."""
    project.write("a.py", IMPORTS + "@component_instance\ndef one(context): return Thing(name='one')\n")
    project.write("b.py", "from PKG.defs.a import one  # component_instance\n")
    assert [it.context.declared_at for it in project.discover()] == ["a.py:4"]


def test_modules_that_are_left_alone(project):
    """Private modules, a component's own code and modules without an instance are not even imported."""
    bomb = "raise SystemExit('imported')  # component_instance\n"
    for path in ("__init__.py", "_private.py", ".hidden.py", "_private/a.py", "b/component.py"):
        project.write(path, bomb)
    project.write("b/sub/a.py", IMPORTS + "@component_instance\ndef one(context): return Thing(name='sub')\n")
    project.write("unrelated.py", "raise SystemExit('imported')\n")
    project.write("__init__.py", "")
    project.declare("own", path="b/defs.yaml")
    assert [it.key for it in project.discover()] == ["Thing[own]", "Thing[sub]"]


def test_a_path_that_is_no_module_name(project):
    """A module below a directory with a dot in its name is loaded by its path."""
    project.write("v1.2/a.py", IMPORTS + "@component_instance\ndef one(context): return Thing(name='one')\n")
    assert [it.context.declared_at for it in project.discover()] == ["v1.2/a.py:4"]


def test_module_errors(project):
    """A module that cannot be imported is PROJECT_IMPORT at its own line."""
    cases = {
        "syntax": ("# component_instance\ndef (\n", 2, "SyntaxError"),
        "raises": ("# component_instance\n\nimport PKG.bad\n", 3, "ZeroDivisionError"),
        "exits": ("# component_instance\nraise SystemExit(3)\n", 2, "SystemExit: 3"),
    }
    project.write("../bad.py", "1 / 0\n")
    for name, (text, line, says) in cases.items():
        file = project.write(f"{name}.py", text)
        error = project.failure()
        assert (error.code, error.where) == (Code.PROJECT_IMPORT, f"{file}:{line}")
        assert says in error.message
        file.unlink()


def test_function_errors(project):
    """A function that raises is COMPONENT_LOAD, one that returns something else BAD_COMPONENT_CLASS."""
    cases = {
        "raises": ("raise KeyError('API')", Code.COMPONENT_LOAD, "KeyError: 'API'"),
        "returns": ("return 7", Code.BAD_COMPONENT_CLASS, "is a int, not a StateBackedComponent"),
    }
    for name, (body, code, says) in cases.items():
        file = project.write(f"{name}.py", IMPORTS + f"@component_instance\ndef one(context):\n    {body}\n")
        error = project.failure()
        assert (error.code, error.where) == (code, f"{file}:4")
        assert says in error.message
        file.unlink()


def test_another_copy_is_not_taken_for_this_one(project, tmp_path, monkeypatch):
    """A name that leads to another copy of the package is an error, not the other copy's components."""
    project.write("a.py", IMPORTS + "@component_instance\ndef one(context): return Thing(name='one')\n")
    other = tmp_path / "site" / project.name / "defs"
    other.mkdir(parents=True)
    (other.parent / "__init__.py").touch()
    (other / "a.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    error = project.failure()
    assert (error.code, error.where) == (Code.OTHER_COPY, f"{project.defs}/a.py:1")
    assert str(other) in error.message
