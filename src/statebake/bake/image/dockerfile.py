"""From a plan to the text of a Dockerfile."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from statebake import __version__
from statebake.bake.dependencies import PIP_VERSION
from statebake.bake.image import quoting
from statebake.bake.image.dependencies import BUILD_DIR
from statebake.bake.image.generated import seal
from statebake.bake.image.made_by import MadeBy
from statebake.bake.image.plan import APP_DIR, ImagePlan
from statebake.errors import Code, StatebakeError
from statebake.model.keys import MANIFEST_NAME, STATE_LABEL, STATE_LAYER

if TYPE_CHECKING:
    import jinja2

TEMPLATE = Path(__file__).resolve().parent.parent.parent / "Dockerfile.template"
"""The template that statebake comes with."""


def render_dockerfile(plan: ImagePlan, template: Path | None = None, made_by: MadeBy | None = None) -> str:
    """Return the text of a Dockerfile, sealed; ``template`` is the user's own, ``made_by`` the call that makes it.

    Raises ``StatebakeError``: ``BAD_TEMPLATE``, and ``BAD_SETTING`` for a value that no Dockerfile can hold.
    """
    import jinja2

    path = template or TEMPLATE
    call = made_by or MadeBy(refresh=plan.refresh is not None)
    try:
        source = path.read_text(encoding="utf-8")
        text = _environment().from_string(source).render(template_values(plan, call))
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise _bad(f"The template cannot be read: {reason}.", str(path)) from error
    except jinja2.TemplateSyntaxError as error:
        raise _bad(f"The template is not valid Jinja2: {error.message}.", f"{path}:{error.lineno}") from error
    except StatebakeError:
        raise
    except Exception as error:
        line = _line(error)
        what = "uses a value that there is none of" if isinstance(error, jinja2.UndefinedError) else "fails"
        where = f"{path}:{line}" if line else str(path)
        raise _bad(f"The template {what}: {str(error).rstrip('.') or type(error).__name__}.", where) from error
    return seal(text, call.how)


def _environment() -> jinja2.Environment:
    import jinja2
    import jinja2.sandbox

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters |= {
        "exec_form": quoting.exec_form,
        "copy_form": quoting.copy_form,
        "value": quoting.value,
        "shell_word": quoting.shell_word,
        "comment": quoting.comment,
    }
    return environment


def template_values(plan: ImagePlan, call: MadeBy) -> dict[str, object]:
    labels = {
        "org.opencontainers.image.title": plan.project,
        "org.opencontainers.image.version": plan.version,
        "org.opencontainers.image.description": plan.description,
        STATE_LABEL: plan.state_in_image,
        **plan.labels,
    }
    return {
        **{field.name: getattr(plan, field.name) for field in fields(plan) if field.name != "context"},
        "labels": {name: text for name, text in labels.items() if text is not None},
        "inputs": plan.inputs,
        "state_in_context": plan.state_in_context,
        "state_in_image": plan.state_in_image,
        "app_dir": APP_DIR,
        "build_dir": BUILD_DIR,
        "prepare": call.prepare,
        "build": call.build(plan.prefix),
        "state_layer": STATE_LAYER,
        "manifest": MANIFEST_NAME,
        "link": plan.builder == "buildkit",
        "mounts": plan.builder != "classic",
        "pip_version": PIP_VERSION,
        "statebake_version": __version__,
    }


def _line(error: BaseException) -> int | None:
    """Return the line of the template that an error in rendering comes from."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _bad(message: str, where: str) -> StatebakeError:
    return StatebakeError(
        Code.BAD_TEMPLATE,
        message,
        where=where,
        next_step="compare it with the template that statebake comes with: statebake dockerfile --print-template",
    )
