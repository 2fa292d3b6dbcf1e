"""Reading artifacts without running them, and comparing what they carry with what they should."""

from statebake.verify.artifact import ArtifactKey, ArtifactState
from statebake.verify.compare import artifact_error, compare, compare_content
from statebake.verify.pex import is_pex, read_pex
from statebake.verify.tar import read_tar

__all__ = [
    "ArtifactKey",
    "ArtifactState",
    "artifact_error",
    "compare",
    "compare_content",
    "is_pex",
    "read_pex",
    "read_tar",
]
