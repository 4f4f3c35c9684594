"""What a user can ask of a stopped or running guest, in one registry for the prompt, gdb's `monitor` and scripts.

A command is a function with an argparse declaration. It returns a `Document`; front ends render it.
"""
