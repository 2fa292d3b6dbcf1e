"""Putting the state into what a build backend has made: wheels and source distributions."""
