"""Setting statebake up in a project: what its files say, what is to be written, and writing it."""
