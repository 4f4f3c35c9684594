"""Questions about a whole history, answered by replaying it, on as many cores as there are."""
