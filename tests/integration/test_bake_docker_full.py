"""An engine without space left says so, in its own words, and what to do; no name changes."""

from __future__ import annotations

import pytest

from support.images import OWN, bake, image_id, image_of, own_project
from support.shown import the_error

pytestmark = pytest.mark.needs("docker")


@pytest.mark.parametrize("env", [{}, {"PATH": ""}], ids=["buildx", "the-api"])
def test_an_engine_that_is_full(env, docker_small, new_image, tmp_path):
    """A build that the engine has no space for ends with the code for that, and the name is where it was."""
    project = own_project(tmp_path / "shop")
    tag = new_image(docker_small)
    good = image_of(bake(docker_small, project, "--no-refresh", "--tag", tag, env=env))
    (project / "data").write_bytes(bytes(64 << 20))
    (project / "Dockerfile").write_text(f"{OWN}COPY data /data\n")
    result = bake(docker_small, project, "--no-refresh", "--tag", tag, env=env)
    error = the_error(result.err)
    assert (result.code, error.code) == (7, "SB711")
    assert error.message == "The container engine has no space left."
    assert "no space left on device" in "\n".join(error.detail)
    assert error.next_step == "docker system df; docker buildx prune"
    assert image_id(docker_small, tag) == good["id"]
