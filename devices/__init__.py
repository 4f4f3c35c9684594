"""Chips and buses of a PC, with their data sheets' behaviour and names.

Devices know an offset, interrupt lines, a timer and a backend, all injected; no CPU, no debugger, no host time.
Standard library only. MIT licence.
"""
