"""What `make demo-disk` shows: a Debian disk from power-on to its login and off again, then a look back at it.

Builds the disk once, into the cache directory. Needs an installed vmdbg, and what samples/debian_disk.py needs.
"""

import os
import sys
from pathlib import Path

import vmdbg
from samples.debian_disk import CannotBuildError, debian_disk

MEMORY = "512M"
WIDTH = 110
LOOK_BACK = ("query disk --limit 5", "devices disk0", "pci")


def main() -> int:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vmdbg"
    try:
        disk = debian_disk(cache, lambda line: print(f"building a Debian disk, once: {line}", flush=True))
    except CannotBuildError as error:
        print(f"vmdbg: {error}", file=sys.stderr)
        return 2
    print(f"$ vmdbg run --disk {disk},bus=virtio --memory {MEMORY}\n", flush=True)
    with vmdbg.launch(disks=[f"{disk},bus=virtio"], memory=MEMORY) as guest:
        for awaited, typed in (("login: ", "root"), ("Password: ", "root"), ("~# ", "systemctl --failed | cat")):
            show(guest.expect(awaited))
            guest.send(f"{typed}\n")
        show(guest.expect("~# "))
        guest.send("poweroff\n")
        stop = guest.run()
        print(f"\n\nThe guest has powered itself off: {stop}. Its disk image was not written to.\n")
        for line in LOOK_BACK:
            print(f"(vmdbg) {line}\n{guest.execute(line).rstrip()}\n")
    return 0


def show(text: str) -> None:
    print("".join(one for one in text if one.isprintable() or one in "\n\t"), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
