"""Data races in a history: accesses by different CPUs that nothing orders and no lock keeps apart."""
