"""An example project of statebake: it fetches its state when it is built, and only reads it when it runs."""
