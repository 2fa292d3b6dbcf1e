"""Reading artifacts without running them, and comparing what they carry with what they should."""

from statebake.verify.artifact import ArtifactKey, ArtifactState
from statebake.verify.compare import artifact_error, compare, compare_content
from statebake.verify.image import read_image
from statebake.verify.kinds import read_files
from statebake.verify.oci_layout import ReadImage, is_layout, read_layout
from statebake.verify.pex import is_pex, read_pex, read_pex_files
from statebake.verify.reading import ReadFiles
from statebake.verify.surroundings import Surroundings
from statebake.verify.tar import read_tar

__all__ = [
    "ArtifactKey",
    "ArtifactState",
    "ReadFiles",
    "ReadImage",
    "Surroundings",
    "artifact_error",
    "compare",
    "compare_content",
    "is_layout",
    "is_pex",
    "read_files",
    "read_image",
    "read_layout",
    "read_pex",
    "read_pex_files",
    "read_tar",
]
