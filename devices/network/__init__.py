"""Network devices, the cables that they are plugged to, and who may be at the other end."""
