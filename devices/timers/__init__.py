"""The 8254 and the MC146818 clock."""
