"""Commands that go to other instants, or ask a whole history."""
