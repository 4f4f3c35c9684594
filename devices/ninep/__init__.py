"""A folder of the host, shared by 9P2000.L (diod protocol.md; intro(5) of Plan 9; Linux fs/9p)."""
