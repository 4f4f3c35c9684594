"""The Debug Adapter Protocol's server side, for any debugger: framing, requests, session, server.

It stands on the standard library alone and knows no debugger: what is to be debugged is a Target (dapstub.target).
Specification: https://microsoft.github.io/debug-adapter-protocol/specification (1.65). License: MIT.
"""
