"""Takes the state out of the code in a build: exactly what the manifest names, so that a missing key ends the build,
and so does one with other content.

    python3 move_state.py MANIFEST SOURCE TARGET

Records come from the manifest: those of the work tree say when each key was last confirmed, and
the same state would make another layer each time. Made by statebake for a build; needs Python 3.8, nothing else.
"""

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path


def digest_of(directory: Path) -> str:
    """Return the digest of a key: SHA-256 of what sha256sum prints for its files, sorted, but for the record."""
    files = [Path(place, name) for place, _, names in os.walk(directory, followlinks=True) for name in names]
    total = hashlib.sha256()
    for path in sorted(os.fsencode(file.relative_to(directory)) for file in files):
        if path != b".statebake.json":
            content = hashlib.sha256()
            with (directory / os.fsdecode(path)).open("rb") as stream:
                for chunk in iter(lambda: stream.read(1 << 20), b""):
                    content.update(chunk)
            escaped = path.replace(b"\\", b"\\\\")
            mark = b"\\" if escaped != path else b""
            total.update(mark + content.hexdigest().encode() + b"  " + escaped + b"\n")
    return f"sha256:{total.hexdigest()}"


manifest, source, target = (Path(argument) for argument in sys.argv[1:])
target.mkdir(parents=True)
for record in json.loads(manifest.read_text(encoding="utf-8"))["keys"]:
    name = re.sub(r"[^A-Za-z0-9._-]", "__", record["key"])
    if not (source / name).is_dir():
        sys.exit(f"The build context has no {name}: statebake refresh fetches it; does .dockerignore leave it out?")
    if digest_of(source / name) != record["digest"]:
        sys.exit(f"The manifest tells of another {name}: statebake bake docker --no-build writes it for what is there.")
    shutil.move(str(source / name), str(target / name))
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (target / name / ".statebake.json").write_text(text, encoding="utf-8")
(target / ".gitignore").write_text("*\n", encoding="utf-8")
shutil.move(str(manifest), str(target / manifest.name))
shutil.rmtree(source)
