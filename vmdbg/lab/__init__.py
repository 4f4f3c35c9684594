"""Several machines on one clock: switches, links, who may run how far, and one recording of all."""
