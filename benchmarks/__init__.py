"""What is measured; README.md holds the last figures."""
