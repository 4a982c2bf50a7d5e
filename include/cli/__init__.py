"""The verbs of `./oe`, a module a group; include/__main__.py puts them together."""
