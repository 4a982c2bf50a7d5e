"""The Open Empathic pipeline: everything that is not wiring."""

__version__ = "0.1.0"
