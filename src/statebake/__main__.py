"""``python -m statebake``."""

from statebake.cli import main

main()
