"""What one machine needs around the pipeline: start and stop everything, the demo, its web server."""
