"""Commands that know Linux."""
