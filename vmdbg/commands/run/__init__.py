"""Commands that let the guest run."""
