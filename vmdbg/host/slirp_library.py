"""libslirp of the system, by its binary interface: nothing is compiled, and nothing loaded where it is not wanted.

Source: libslirp.h of libslirp 4.7, with version 1 of its configuration.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from vmdbg.errors import UserError

NAMES = ("libslirp.so.0", "libslirp.0.dylib", "/opt/homebrew/lib/libslirp.0.dylib", "/usr/local/lib/libslirp.0.dylib")
PACKAGES = "Debian, Ubuntu: apt install libslirp0; Fedora: dnf install libslirp; Arch: pacman -S libslirp"
POLL_IN, POLL_OUT, POLL_PRI, POLL_ERR, POLL_HUP = 1, 2, 4, 8, 16
_DECLARED = """
typedef struct Slirp Slirp;
typedef struct { uint32_t s_addr; } in_addr;
typedef struct { uint32_t word[4]; } in6_addr;
typedef struct {
    uint32_t version;
    int restricted;
    bool in_enabled;
    in_addr vnetwork, vnetmask, vhost;
    bool in6_enabled;
    in6_addr vprefix_addr6;
    uint8_t vprefix_len;
    in6_addr vhost6;
    const char *vhostname, *tftp_server_name, *tftp_path, *bootfile;
    in_addr vdhcp_start, vnameserver;
    in6_addr vnameserver6;
    const char **vdnssearch;
    const char *vdomainname;
    size_t if_mtu, if_mru;
    bool disable_host_loopback, enable_emu;
    char later_versions[256];
} SlirpConfig;
typedef struct {
    ssize_t (*send_packet)(const void *data, size_t size, void *opaque);
    void (*guest_error)(const char *message, void *opaque);
    int64_t (*clock_get_ns)(void *opaque);
    void *(*timer_new)(void (*call)(void *call_opaque), void *call_opaque, void *opaque);
    void (*timer_free)(void *timer, void *opaque);
    void (*timer_mod)(void *timer, int64_t milliseconds, void *opaque);
    void (*register_poll_fd)(int file, void *opaque);
    void (*unregister_poll_fd)(int file, void *opaque);
    void (*notify)(void *opaque);
    void *later_versions[16];
} SlirpCb;
Slirp *slirp_new(const SlirpConfig *config, const SlirpCb *callbacks, void *opaque);
void slirp_cleanup(Slirp *slirp);
void slirp_input(Slirp *slirp, const uint8_t *frame, int size);
void slirp_pollfds_fill(Slirp *slirp, uint32_t *milliseconds, int (*add)(int file, int events, void *opaque), void *);
void slirp_pollfds_poll(Slirp *slirp, int failed, int (*get)(int index, void *opaque), void *opaque);
int slirp_add_hostfwd(Slirp *slirp, int is_udp, in_addr host, int host_port, in_addr guest, int guest_port);
"""


@functools.cache
def load() -> tuple[Any, Any]:
    """cffi's FFI and the library: their types are in _DECLARED alone. Raises UserError that names the package."""
    from cffi import FFI

    ffi = FFI()
    ffi.cdef(_DECLARED)
    for name in NAMES:
        try:
            return ffi, ffi.dlopen(name)
        except OSError:
            continue
    where = "brew install libslirp" if sys.platform == "darwin" else PACKAGES
    raise UserError(
        f"--net user needs the library libslirp, which is not installed ({where}); --net quiet needs nothing"
    )
