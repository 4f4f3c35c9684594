"""Folders of the host that guests share: read, and with the user's word written, and never left."""
