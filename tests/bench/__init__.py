"""What the platform costs, measured beside its peers in the same run: `make bench BENCH=name`."""
