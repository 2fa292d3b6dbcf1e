"""Whatever a project is called and says of itself, its Dockerfile has the usual instructions, with these values."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statebake.bake.image.dockerfile import render_dockerfile
from statebake.bake.image.generated import FileState, seal, state_of
from statebake.bake.image.plan import Source
from statebake.bake.image.quoting import check_user, check_variable
from statebake.errors import Code, StatebakeError
from statebake.model.image_reference import check_reference
from support.dockerfiles import read_dockerfile
from support.image_plans import image_plan

TEXT = st.text(alphabet=st.one_of(st.sampled_from("\"'$\\{}\n\r\t #[]*?`<>;&|=\u2028é"), st.characters()), max_size=30)
NAME = st.text(
    alphabet=st.one_of(st.sampled_from("\"'${} #[]`<>;&|=-aé"), st.characters(exclude_categories=["Cs", "Cc"])),
    min_size=1,
    max_size=12,
).filter(lambda name: not set(name) & set("/\\*?\x7f") and name not in {".", ".."})
HOSTILE = '"\nRUN touch /pwned\n# $(id) ${PATH} \\'


def shape(text):
    return [(one.name, one.flags) for one in read_dockerfile(text)]


def one_line(text):
    return "".join(sign if sign.isprintable() else " " for sign in text)


@given(TEXT, TEXT, TEXT, st.dictionaries(st.from_regex(r"[A-Z_]{1,5}", fullmatch=True), TEXT, max_size=3))
@example(HOSTILE, HOSTILE, HOSTILE, {"A": HOSTILE})
def test_texts(project, version, description, environment):
    """A name, a version, a description and a variable come out as they went in, on one line."""
    plan = image_plan(description="d")
    environment.pop("PATH", None)
    hostile = replace(plan, project=project, version=version, description=description, environment=environment)
    text = render_dockerfile(hostile)
    assert shape(text) == shape(render_dockerfile(plan))
    found = {one.name: one for one in read_dockerfile(text)}
    labels = found["LABEL"].pairs
    assert labels["org.opencontainers.image.title"] == one_line(project)
    assert labels["org.opencontainers.image.version"] == one_line(version)
    assert labels["org.opencontainers.image.description"] == one_line(description)
    variables = found["ENV"].pairs
    assert variables.pop("PATH") == "/opt/venv/bin:$PATH"
    assert variables == {name: one_line(value) for name, value in environment.items()}


@given(st.lists(NAME, min_size=3, max_size=3, unique=True), st.booleans())
@example(["[a]", "b c", "$(id)"], True)
@example(["[a-z]", "'", "<<EOF"], False)
@example(["--from=x", "#", "a'b\"c"], False)
def test_paths(names, refresh):
    """A path names the one file of that name: nothing in it is a pattern, a variable, an option or a command."""
    first, second, local = names
    usual = image_plan(sources=(Source("a", True), Source("b", False)), state="a/s", local_dependencies=("c",))
    usual = replace(usual, prefix="p/", refresh=("A",) if refresh else None)
    state = f"{first}/.local_defs_state"
    hostile = replace(
        usual,
        prefix=f"{second}/",
        sources=(Source(first, True), Source(f"x/{second}", False)),
        state=state,
        local_dependencies=(local,),
    )
    text = render_dockerfile(hostile)
    assert shape(text) == shape(render_dockerfile(usual))
    copied = [one.paths for one in read_dockerfile(text) if one.name == "COPY"]
    assert [f"{second}/{first}/", f"/parts/code/{first}/"] in copied
    assert [f"{second}/x/{second}", f"/parts/code/x/{second}"] in copied
    assert [f"{local}/", f"/build/local/{local}/"] in copied
    assert copied[-1] == ["/parts/layer/", "/"]
    runs = [shlex.split(one.rest) for one in read_dockerfile(text) if one.name == "RUN"]
    usual_runs = [shlex.split(one.rest) for one in read_dockerfile(render_dockerfile(usual)) if one.name == "RUN"]
    assert [[word.replace(state, "a/s") for word in run] for run in runs] == usual_runs


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_commands(command):
    """A command runs with exactly these arguments, or is refused for a character that no line can hold."""
    plan = image_plan(health=("h",))
    hostile = replace(plan, command=tuple(command), health=tuple(command))
    if any(ord(sign) < 32 or ord(sign) == 127 or "\ud800" <= sign <= "\udfff" for sign in "".join(command)):
        with pytest.raises(StatebakeError) as caught:
            render_dockerfile(hostile)
        assert caught.value.code is Code.BAD_SETTING
        return
    text = render_dockerfile(hostile)
    assert shape(text) == shape(render_dockerfile(plan))
    by_name = {one.name: one for one in read_dockerfile(text)}
    assert by_name["CMD"].words == command
    assert replace(by_name["HEALTHCHECK"], rest=by_name["HEALTHCHECK"].rest.removeprefix("CMD ")).words == command


@pytest.mark.parametrize("field", ["state", "prefix", "local"])
@given(name=st.sampled_from(["a\\b", "a*b", "a?b", "a\nb", "a\x7fb", "\udcff", "a\rb"]))
def test_paths_that_nobody_can_write(field, name):
    """A path that a Dockerfile cannot express is refused."""
    fields = {"state": name} if field == "state" else {"prefix": f"{name}/"}
    if field == "local":
        fields = {"local_dependencies": (name,)}
    with pytest.raises(StatebakeError) as caught:
        render_dockerfile(image_plan(**fields))
    assert caught.value.code is Code.BAD_SETTING


@given(TEXT)
@example("root\nRUN x")
@example("a b")
@example("$USER")
def test_checked_values(text):
    """What stands without quotes is one word of harmless characters, or refused."""
    for check in (check_user, check_variable, check_reference):
        with contextlib.suppress(StatebakeError):
            assert check(text, where="x") == text != ""
            assert all(sign.isascii() and (sign.isalnum() or sign in "_.-:/@+[]") for sign in text)


@given(TEXT, st.integers(min_value=0), st.characters())
def test_seal(text, position, sign):
    """A sealed text is intact, and one with another character in it is not."""
    sealed = seal(text, "how")
    assert state_of(sealed) is FileState.INTACT
    position %= len(sealed)
    edited = sealed[:position] + sign + sealed[position + 1 :]
    if edited.replace("\r", "").rstrip("\n") != sealed.replace("\r", "").rstrip("\n"):
        assert state_of(edited) is not FileState.INTACT
