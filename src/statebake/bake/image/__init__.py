"""Images: the Dockerfile, what it reads besides the project's code, and the build context; the engine does the rest."""
