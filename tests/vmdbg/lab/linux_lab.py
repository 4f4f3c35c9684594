"""A lab of three Linux machines: a client and a server in two networks, and the router between them."""

from pathlib import Path

from tests.guests.build import REPOSITORY
from tests.linux_assets import build_module, busybox_initrd, cloud_kernel, cloud_modules
from tests.vmdbg.machine.test_linux_network import MODULES

CLIENT, ROUTER, SERVER = "client", "router", "server"
_AUTORUN = r"""#!/bin/sh
for module in %s; do busybox insmod /$module; done
role=$(busybox sed 's/.*role=\([a-z]*\).*/\1/' /proc/cmdline)
up() { busybox ip link set $1 up; busybox ip addr add $2/24 dev $1; }
busybox ip link set lo up
case $role in
client) up eth0 10.0.1.2; busybox ip route add default via 10.0.1.1;;
router) up eth0 10.0.1.1; up eth1 10.0.2.1; echo 1 > /proc/sys/net/ipv4/ip_forward;;
server) up eth0 10.0.2.2; busybox ip route add default via 10.0.2.1
        mkdir /www; yes 'a line of the page' | head -n 4000 > /www/page; busybox httpd -h /www;;
esac
[ -x /extra ] && . /extra
"""


def lab_initrd(extra: dict[str, bytes] | None = None) -> Path:
    """One for all: `role=` on the command line says which it is. `extra`: files, of which `extra` is run last."""
    script = _AUTORUN % " ".join(MODULES)
    return busybox_initrd({"autorun": script.encode(), **cloud_modules(*MODULES), **(extra or {})})


def lab_toml(path: Path, initrd: Path, more: str = "", latency: str = "500us") -> Path:
    """The plan, in a file beside which nothing else has to be."""
    text = f'[lab]\nlatency = "{latency}"\n'
    for name in (CLIENT, ROUTER, SERVER):
        text += f'\n[machines.{name}]\nkernel = "{cloud_kernel()}"\ninitrd = "{initrd}"\nmemory = "96M"\n'
        text += f'append = "role={name}"\n'
    text += '\n[switches.office]\n\n[[links]]\nends = ["client.net0", "office"]\n'
    text += '\n[[links]]\nends = ["router.net0", "office"]\n'
    text += f'\n[[links]]\nname = "uplink"\nends = ["router.net1", "server.net0"]\n{more}'
    path.write_text(text)
    return path


_FETCHES = """case $role in
router) busybox insmod /tunnel.ko;;
client) sleep 1; echo fetching
        timeout 1 busybox wget -q -O /page http://10.0.2.2/page || echo the page did not come;;
esac
"""


def tunnel_initrd() -> Path:
    """The client fetches the page; the router has samples/labs/tunnel.c."""
    source = (REPOSITORY / "samples" / "labs" / "tunnel.c").read_text()
    return lab_initrd({"extra": _FETCHES.encode(), "tunnel.ko": build_module("tunnel", source)})
