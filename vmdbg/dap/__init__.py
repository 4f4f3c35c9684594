"""The front end for editors: the Debug Adapter Protocol on a machine."""
