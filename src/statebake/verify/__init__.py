"""Reading artifacts without running them, and comparing what they carry with what they should."""

from statebake.verify.compare import artifact_error, compare
from statebake.verify.pex import ArtifactKey, ArtifactState, is_pex, read_pex

__all__ = ["ArtifactKey", "ArtifactState", "artifact_error", "compare", "is_pex", "read_pex"]
