"""Finding what should not ship in state or in an artifact: secrets, and files that nobody meant to."""
