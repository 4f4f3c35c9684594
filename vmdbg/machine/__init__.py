"""The PC: a CPU, its devices, guest time and the inputs that come from outside."""
