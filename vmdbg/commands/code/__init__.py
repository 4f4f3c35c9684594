"""Commands on code: disassembly, stacks, frames, symbols."""
