"""Disks, CDs and floppies: the drives, their controllers, and what they read."""
