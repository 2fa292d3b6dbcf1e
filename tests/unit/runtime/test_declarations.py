"""Discovery: every declaration on its own, every mistake with its code and line."""

import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statebake import DefsStateManagementType
from statebake.errors import Code
from statebake.runtime.declarations import DeclarationFailure, Declared, declaring_files, discover


def test_documents_and_their_lines(project):
    """Each document of each defs.yaml is a declaration, at the line of its type."""
    project.write(
        "b/defs.yaml",
        """
        # a comment
        attributes: {name: one}
        type: PKG.components.Thing
        ---
        # nothing here
        ---

        type: PKG.components.Thing
        attributes:
          name: two
        ---
        """,
    )
    project.declare("zero", path="a/x/defs.yaml")
    found = project.discover()
    assert [it.context.declared_at for it in found] == ["a/x/defs.yaml:1", "b/defs.yaml:3", "b/defs.yaml:8"]
    assert [it.key for it in found] == ["Thing[zero]", "Thing[one]", "Thing[two]"]
    assert found[0].context.defs_dir == project.defs
    assert found[0].context.path == project.defs / "a/x"
    assert found[0].where == f"{project.defs}/a/x/defs.yaml:1"
    assert found[0].type_name == f"{project.name}.components.Thing"


def test_relative_types(project):
    """A type that begins with a dot starts at the package of the file's directory; more dots go up."""
    project.write("my-things/local.py", "from PKG.components import Thing as Own")
    project.write(
        "my-things/defs.yaml",
        """
        type: .local.Own
        attributes: {name: one}
        ---
        type: ...components.Thing
        attributes: {name: two}
        """,
    )
    assert [it.key for it in project.discover()] == ["Thing[one]", "Thing[two]"]


def test_environment_in_attributes(project):
    """Set variables are resolved; an unset one matters only when used, and only to its own declaration."""
    project.declare("'{{ env.NAME }}'", token="['{{ env.TOKEN }}']", path="a/defs.yaml")
    first = project.discover(NAME="north")[0]
    assert first.key == "Thing[north]"
    assert repr(first.component.token) == "[<unset environment variable TOKEN>]"
    error = project.failure()
    assert (error.code, error.where) == (Code.UNSET_VARIABLE, f"{project.defs}/a/defs.yaml:1")
    assert "NAME" in error.message


def test_an_unset_variable_as_key(project):
    """A key that is nothing but an unset variable raises UNSET_VARIABLE too."""
    project.declare("one", defs_state="{key: '{{ env.KEY }}'}")
    assert project.failure().code is Code.UNSET_VARIABLE
    assert project.discover(KEY="shared")[0].key == "shared"


def test_a_strategy_given_by_its_name(project):
    """A component that gives its strategy as text is found with the strategy itself."""
    project.write("../broken.py", BROKEN_CLASSES.replace("ELSEWHERE", "LOCAL_FILESYSTEM"))
    project.write("defs.yaml", "type: PKG.broken.NoStrategy\n")
    assert project.discover()[0].config.management_type is DefsStateManagementType.LOCAL_FILESYSTEM


def test_a_broken_sibling_hides_nobody(project):
    """Good declarations are found around broken ones, in place."""
    project.declare("one", path="a/defs.yaml")
    project.write("b/defs.yaml", "type: nonsense.Nothing\n---\ntype: PKG.components.Thing\nattributes: {name: two}\n")
    project.write("c/defs.yaml", "type: PKG.components.Thing\nattributes: {name: three}\n---\ntype: [\n")
    project.write("d.py", "from statebake import component_instance\n1 / 0\n")
    project.declare("four", path="e/defs.yaml")
    found = project.discover()
    assert [it.key if isinstance(it, Declared) else it.error.code for it in found] == [
        *("Thing[one]", Code.BAD_TYPE, "Thing[two]", "Thing[three]"),
        *(Code.BAD_YAML, Code.PROJECT_IMPORT, "Thing[four]"),
    ]
    assert [it.declared_at for it in found if isinstance(it, DeclarationFailure)] == [
        *("b/defs.yaml:1", "c/defs.yaml:5", "d.py:2"),
    ]


BROKEN_CLASSES = """
from statebake import DefsStateConfig, StateBackedComponent

class NoWrite(StateBackedComponent):
    defs_state_config = DefsStateConfig(key="x")

class Plain: ...

class Complete(NoWrite):
    def write_state_to_path(self, state_path): ...
    def build_defs_from_state(self, context, state_path): ...

class Raises(Complete):
    def __init__(self, mode="raise"):
        if mode == "exit":
            raise SystemExit("gone")
        if mode == "raise":
            raise LookupError("no such region")

class Keywords(Complete):
    def __init__(self, first, /, second, *, third, **more): ...

class NoConfig(Complete):
    defs_state_config = "x"

class NoKey(Complete):
    defs_state_config = DefsStateConfig(key=7)

class NoStrategy(Complete):
    defs_state_config = DefsStateConfig(key="x", management_type="ELSEWHERE")

class Unsure(Complete):
    @property
    def defs_state_config(self):
        raise OSError("asked the network")

not_a_class = 7
"""

TYPE = "type: PKG.broken."
MISTAKES = {
    # YAML
    "no parse": ("type: x.Y\nattributes: {a: [1\n", Code.BAD_YAML, 2, "does not parse"),
    "tab": ("type: x.Y\nattributes:\n\ta: 1\n", Code.BAD_YAML, 3, "does not parse"),
    "control character": ("type: x.Y\nattributes: {a: '\x01'}\n", Code.BAD_YAML, 2, "does not allow"),
    "unknown tag": (
        "type: x.Y\nattributes:\n  a: !!python/object:os.x 1\n",
        Code.BAD_YAML,
        3,
        "cannot be read",
    ),
    "bad date": ("type: x.Y\nattributes: {a: 2024-13-01}\n", Code.BAD_YAML, 1, "cannot be read"),
    "a list": ("# only\n- type: x.Y\n", Code.BAD_YAML, 2, "no mapping"),
    "no type": ("attributes: {}\n", Code.BAD_YAML, 1, "without `type"),
    "type of another kind": ("type: 7\n", Code.BAD_YAML, 1, "without `type"),
    "unknown field": ("type: x.Y\natributes: {}\n", Code.BAD_YAML, 2, "did you mean 'attributes'"),
    "unknown field, nothing near": ("type: x.Y\nname: a\n", Code.BAD_YAML, 2, "`type` and `attributes`"),
    "two types in one": ("type: x.Y\ntype: x.Z\n", Code.BAD_YAML, 2, "separate documents"),
    "a key twice": ("type: x.Y\nattributes:\n  a: 1\n  b: 1\n  a: 2\n", Code.BAD_YAML, 5, "'a' twice"),
    "a value in itself": ("type: x.Y\nattributes:\n  a: &a\n    - *a\n", Code.BAD_YAML, 3, "contains itself"),
    # type
    "no such module": ("type: PKG.component.Thing\n", Code.BAD_TYPE, 1, "did you mean 'components'"),
    "no such package": ("type: nonsense9.a.Thing\n", Code.BAD_TYPE, 1, "no module 'nonsense9'"),
    "no such class": (TYPE + "Plane\n", Code.BAD_TYPE, 1, "did you mean 'Plain'"),
    "not a class": (TYPE + "not_a_class\n", Code.BAD_TYPE, 1, "not a class"),
    "no dots": ("\n\ntype: Thing\n", Code.BAD_TYPE, 3, "package.module.ClassName"),
    "only dots": ("type: ...\n", Code.BAD_TYPE, 1, "package.module.ClassName"),
    "too many dots": ("type: ....x.Y\n", Code.BAD_TYPE, 1, "leaves the package"),
    "module does not parse": ("type: PKG.syntax.Thing\n", Code.BAD_TYPE, 1, "SyntaxError"),
    "module raises": ("type: PKG.raising.Thing\n", Code.BAD_TYPE, 1, "ModuleNotFoundError"),
    "module exits": ("type: PKG.exiting.Thing\n", Code.BAD_TYPE, 1, "SystemExit: 3"),
    # class
    "plain class": (TYPE + "Plain\n", Code.BAD_COMPONENT_CLASS, 1, "not a subclass"),
    "abstract": (
        TYPE + "NoWrite\n",
        Code.BAD_COMPONENT_CLASS,
        1,
        "build_defs_from_state, write_state_to_path",
    ),
    "no config": (TYPE + "NoConfig\n", Code.BAD_COMPONENT_CLASS, 1, "a str, not a DefsStateConfig"),
    "key of another kind": (TYPE + "NoKey\n", Code.BAD_COMPONENT_CLASS, 1, "is a int, not text"),
    "unknown strategy": (TYPE + "NoStrategy\n", Code.COMPONENT_LOAD, 1, "ELSEWHERE"),
    # attributes
    "unknown attribute": (
        "type: PKG.components.Thing\nattributes: {name: a, tokn: b}\n",
        Code.BAD_ATTRIBUTES,
        1,
        "unknown 'tokn' (did you mean 'token'?)",
    ),
    "missing attribute": ("type: PKG.components.Thing\n", Code.BAD_ATTRIBUTES, 1, "missing 'name'"),
    "several": (
        TYPE + "Keywords\nattributes: {other: 1}\n",
        Code.BAD_ATTRIBUTES,
        1,
        "missing 'second'; missing 'third'",
    ),
    "no attributes": ("type: x.Y\nattributes: [1]\n", Code.BAD_ATTRIBUTES, 2, "no mapping"),
    "attribute without a name": (
        "type: x.Y\nattributes: {1: a}\n",
        Code.BAD_ATTRIBUTES,
        2,
        "no mapping of names",
    ),
    "unknown expression": (
        "type: PKG.components.Thing\nattributes: {name: '{{ foo }}'}\n",
        Code.BAD_ATTRIBUTES,
        1,
        "{{ env.NAME }}",
    ),
    # constructor
    "constructor raises": (TYPE + "Raises\n", Code.COMPONENT_LOAD, 1, "LookupError: no such region"),
    "constructor exits": (
        TYPE + "Raises\nattributes: {mode: exit}\n",
        Code.COMPONENT_LOAD,
        1,
        "SystemExit: gone",
    ),
    "config raises": (TYPE + "Unsure\n", Code.COMPONENT_LOAD, 1, "Unsure.defs_state_config raised OSError"),
    "unknown state option": (
        "type: PKG.components.Thing\nattributes: {name: a, defs_state: {kye: 1}}\n",
        Code.COMPONENT_LOAD,
        1,
        "'kye'",
    ),
}


@pytest.mark.parametrize(("text", "code", "line", "says"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(project, text, code, line, says):
    """Each mistake in a defs.yaml has its code, its line, a message that names it, and a next step."""
    project.write("../broken.py", BROKEN_CLASSES)
    project.write("../syntax.py", "def (\n")
    project.write("../raising.py", "import nonsense9\n")
    project.write("../exiting.py", "raise SystemExit(3)\n")
    file = project.defs / "a/defs.yaml"
    file.parent.mkdir()
    file.write_text(text.replace("PKG", project.name))
    error = project.failure()
    assert (error.code, error.where) == (code, f"{file}:{line}")
    assert says in error.message
    assert error.next_step


def test_where_a_broken_module_breaks(project):
    """A type whose module cannot be imported says where in the module."""
    module = project.write("../raising.py", "#\nimport nonsense9\n")
    project.write("defs.yaml", "type: PKG.raising.Thing\n")
    assert project.failure().detail == f"{module}:2"


def test_text_that_is_not_utf8(project):
    """A file in another encoding is BAD_YAML at the line of the first wrong byte."""
    file = project.write("defs.yaml", "type: x.Y\n")
    file.write_bytes(b"type: x.Y\n# caf\xe9\n")
    error = project.failure()
    assert (error.code, error.where) == (Code.BAD_YAML, f"{file}:2")


def test_an_unreadable_file(project):
    """A defs.yaml that cannot be read, here a dangling link, is an error and not silence."""
    (project.defs / "defs.yaml").symlink_to("nowhere")
    assert project.failure().code is Code.BAD_YAML


def test_a_misnamed_file(project):
    """defs.yml would be overlooked in silence, so it is an error with the command that mends it."""
    file = project.write("a/defs.yml", "type: x.Y\n")
    error = project.failure()
    assert (error.code, error.where) == (Code.BAD_YAML, f"{file}:1")
    assert error.next_step == f"mv {file} {file.with_suffix('.yaml')}"


def test_hidden_directories_are_not_entered(project):
    """State, staging and caches below the defs dir are never taken for declarations."""
    for directory in (".local_defs_state/x", ".hidden", "__pycache__"):
        project.write(f"{directory}/defs.yaml", "nonsense")
    project.declare("one", path="_private/defs.yaml")
    assert [it.key for it in project.discover()] == ["Thing[one]"]


def test_links_are_followed_and_loops_end(project):
    """A linked directory counts like any other, and a link to a parent is not followed."""
    project.declare("one", path="../elsewhere/defs.yaml")
    (project.defs / "linked").symlink_to(project.package / "elsewhere")
    (project.defs / "loop").symlink_to(project.defs)
    assert [it.context.declared_at for it in project.discover()] == ["linked/defs.yaml:1"]


PATHS = st.lists(
    st.lists(st.sampled_from(["a", "a-b", "a.b", "b", "B", "_c", "1"]), max_size=3).map(tuple), unique=True
)


@settings(max_examples=50, deadline=None)
@given(PATHS, st.randoms(use_true_random=False))
def test_order_is_that_of_the_paths(paths: list[tuple[str, ...]], shuffler: random.Random):
    """Whatever order files are created in, they are found once each, in the order of their paths' parts."""
    with TemporaryDirectory() as root:
        shuffler.shuffle(paths)
        for parts in paths:
            directory = Path(root, *parts)
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "defs.yaml").write_text("type: x\n---\ntype: y\n")
        files = declaring_files(Path(root))
        assert [file.relative_to(root).parts for file in files] == sorted((*parts, "defs.yaml") for parts in paths)
        found = [it.declared_at.rpartition(":") for it in discover(Path(root), "p", {})]
        expected = [os.path.relpath(file, root) for file in files for _ in range(2)]
        assert [file for file, _, _ in found] == expected
        assert [line for _, _, line in found] == ["1", "3"] * len(files)
