//! Nothing: this package has only benchmarks.
