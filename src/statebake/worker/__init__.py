"""Files that run in the project's interpreter, by path; the tool imports ``processes`` only."""
