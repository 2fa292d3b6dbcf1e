"""The frozen values that every stage speaks in, and the on-disk format of a project's state."""
