"""Expert placement by the affinity between layers."""
