"""Questions about Linux: who called the kernel, who ran, who woke whom, who allocated what, where time went."""
