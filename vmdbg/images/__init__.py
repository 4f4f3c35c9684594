"""Disk images of the host: raw, qcow2 and ISO files, read and, with the user's word, written."""
