"""Files that run in the project's interpreter, by path; never imported by the tool."""
