"""What is measured; README.md has the last figures. Run as `python -m benchmarks.bench_<topic>`."""
