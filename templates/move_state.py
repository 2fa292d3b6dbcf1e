"""Takes the state out of the code in a build: exactly what the manifest names, so that a missing key ends the build.

    python3 move_state.py MANIFEST SOURCE TARGET

Records come from the manifest: those of the work tree say when each key was last confirmed, and
the same state would make another layer each time. Made by statebake for a build; needs Python 3.8, nothing else.
"""

import json
import re
import shutil
import sys
from pathlib import Path

manifest, source, target = (Path(argument) for argument in sys.argv[1:])
target.mkdir(parents=True)
for record in json.loads(manifest.read_text(encoding="utf-8"))["keys"]:
    name = re.sub(r"[^A-Za-z0-9._-]", "__", record["key"])
    if not (source / name).is_dir():
        sys.exit(f"The build context has no {name}: statebake refresh fetches it; does .dockerignore leave it out?")
    shutil.move(str(source / name), str(target / name))
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (target / name / ".statebake.json").write_text(text, encoding="utf-8")
(target / ".gitignore").write_text("*\n", encoding="utf-8")
shutil.move(str(manifest), str(target / manifest.name))
shutil.rmtree(source)
