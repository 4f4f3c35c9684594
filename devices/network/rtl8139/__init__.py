"""Realtek's RTL8139C."""
