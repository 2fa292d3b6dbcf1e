"""The container engine: finding it, building with it, and reading the images in it."""
