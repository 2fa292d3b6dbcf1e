"""Reading artifacts without running them, and comparing what they carry with what they should."""

from statebake.verify.compare import compare, mismatches
from statebake.verify.pex import ArtifactKey, ArtifactState, read_pex

__all__ = ["ArtifactKey", "ArtifactState", "compare", "mismatches", "read_pex"]
