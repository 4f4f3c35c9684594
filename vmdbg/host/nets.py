"""What `--net` says: network devices, and who is at the other end of their cables."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devices.network.frame import mac_text, parse_mac
from devices.network.net import FarEnd, Net, NicModel, peer_name
from devices.network.quiet.options import LONGEST_BOOT_FILE, MOST_HOSTS, Quiet, QuietHost, is_host_name
from devices.network.quiet.packets import address
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.host.addresses import TcpAddress, listen_address
from vmdbg.host.net_backend import NetBackend
from vmdbg.machine.answers import Answers, folder_of
from vmdbg.machine.media import Media

MOST_NETS = 8
_FIRST_MAC = 0x5254_0012_3456
"""As QEMU counts."""


class NetKind(enum.StrEnum):
    """Who is at the other end."""

    NONE = "none"
    QUIET = "quiet"
    USER = "user"
    SOCKET = "socket"
    TAP = "tap"
    LAB = "lab"
    """The lab that the machine is a part of, if a link of it is plugged in there."""


_INSIDE = {NetKind.NONE: FarEnd.NOBODY, NetKind.QUIET: FarEnd.QUIET}
_HOSTS = (NetKind.USER, NetKind.SOCKET, NetKind.TAP)
"""Those that the host serves while the guest is live."""
_FORMS = "none, quiet, user, socket:listen:[HOST:]PORT, socket:connect:[HOST:]PORT, tap:NAME"
_COMMON = ("model", "mac", "pxe")
_OPTIONS: dict[NetKind, tuple[str, ...]] = {
    NetKind.NONE: (),
    NetKind.QUIET: ("folder", "host", "boot"),
    NetKind.USER: ("hostfwd", "restrict"),
    NetKind.SOCKET: (),
    NetKind.TAP: (),
    NetKind.LAB: (),
}
_REPEATED = ("host", "hostfwd")


@dataclass(frozen=True, slots=True)
class NetChoice:
    """A network device that was asked for. `settings` are the options of its kind, in order."""

    kind: NetKind
    where: str = ""
    """Behind the kind's colon."""
    model: NicModel = NicModel.VIRTIO
    mac: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    boots: bool = False
    """Firmware can boot from it."""

    @property
    def leads_to_host(self) -> bool:
        """Whether the host serves it while the guest is live."""
        return self.kind in _HOSTS

    def setting(self, name: str) -> str:
        """ "" if it was not given."""
        return next((value for key, value in self.settings if key == name), "")


def parse_net(text: str) -> NetChoice:
    """`KIND[,model=MODEL][,mac=ADDRESS][,OPTION=VALUE...]`; a comma in a value is written twice. Raises UserError."""
    word, *parts = (part.replace("\0", ",") for part in text.replace(",,", "\0").split(","))
    name, colon, where = word.partition(":")
    if name not in tuple(NetKind) or bool(colon) != (name in (NetKind.SOCKET, NetKind.TAP)):
        raise UserError(f"--net is one of {_FORMS}, not {printable(word)!r}")
    kind = NetKind(name)
    known = (*_COMMON, *_OPTIONS[kind])
    chosen, settings = dict[str, str](), list[tuple[str, str]]()
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key not in known:
            raise UserError(f"--net {kind} has no option {printable(key)!r}; it has: {', '.join(known)}")
        if key in chosen and key not in _REPEATED:
            raise UserError(f"--net {kind} has {key} twice: give it once")
        chosen[key] = value
        if key not in _COMMON:
            settings.append((key, value))
    boots = _boots(chosen.get("pxe", "on" if chosen.get("boot") else "off"))
    choice = NetChoice(kind, where, _model(chosen.get("model")), _mac(chosen.get("mac")), tuple(settings), boots)
    if kind is NetKind.QUIET:
        _quiet(choice, 0)
    else:
        make_backend(choice, 0, lambda: 0)
    return choice


def _model(text: str | None) -> NicModel:
    try:
        return NicModel(text) if text is not None else NicModel.VIRTIO
    except ValueError:
        raise UserError(f"--net model is one of {', '.join(NicModel)}, not {printable(str(text))!r}") from None


def _boots(text: str) -> bool:
    if text not in ("on", "off"):
        raise UserError("--net pxe is on (firmware can boot from it) or off")
    return text == "on"


def _mac(text: str | None) -> str:
    try:
        return mac_text(parse_mac(text)) if text is not None else ""
    except ValueError as error:
        raise UserError(f"--net mac: {printable(str(error))}") from None


def nets_of(choices: Sequence[NetChoice]) -> tuple[Net, ...]:
    """As a machine's configuration has them: net0, net1 ... Raises UserError for two with one address."""
    if len(choices) > MOST_NETS:
        raise UserError(f"{len(choices)} network devices are too many: at most {MOST_NETS}")
    made = list[Net]()
    for number, choice in enumerate(choices):
        mac = choice.mac or mac_text((_FIRST_MAC + number).to_bytes(6, "big"))
        if any(net.mac == mac for net in made):
            raise UserError(f"two network devices have the address {mac}: give each its own with mac=ADDRESS")
        quiet = _quiet(choice, number) if choice.kind is NetKind.QUIET else None
        far = _INSIDE.get(choice.kind, FarEnd.OUTSIDE)
        whole = choice.kind is NetKind.USER and choice.model is NicModel.VIRTIO_TSO
        made.append(Net(f"net{number}", choice.model, mac, far, quiet, _rom(choice), whole))
    return tuple(made)


def _rom(choice: NetChoice) -> bytes:
    """Raises UserError if there is none."""
    if not choice.boots:
        return b""
    from vmdbg.boot.installed_firmware import network_rom  # what few machines have

    return network_rom(choice.model)


def _quiet(choice: NetChoice, number: int) -> Quiet:
    """Each has addresses of its own. Raises UserError."""
    folder, boot = choice.setting("folder"), choice.setting("boot")
    if not folder and any(key == "folder" for key, _ in choice.settings):
        raise UserError("--net quiet,folder= names no folder: give one, as folder=DIR")
    if boot and not folder:
        raise UserError("--net quiet,boot=FILE names a file of the folder: give folder=DIR too")
    if len(boot) > LONGEST_BOOT_FILE or not (boot.isascii() and boot.isprintable()):
        raise UserError(f"--net quiet boot is a name within the folder, of at most {LONGEST_BOOT_FILE} characters")
    hosts = tuple(_host(value) for key, value in choice.settings if key == "host")
    if len(hosts) > MOST_HOSTS:
        raise UserError(f"--net quiet has {len(hosts)} hosts, and at most {MOST_HOSTS} can be")
    return Quiet(f"10.0.{2 + number}", bool(folder), boot, hosts)


def _host(text: str) -> QuietHost:
    name, _, where = text.partition("=")
    if not is_host_name(name):
        raise UserError(f"--net quiet host is NAME=ADDRESS, and {printable(name[:40])!r} is no name of a host")
    try:
        address(where)
    except ValueError as error:
        raise UserError(f"--net quiet host={printable(name)}: {printable(str(error))}") from None
    return QuietHost(name, where)


def open_nets(choices: Sequence[NetChoice], media: Media) -> tuple[Net, ...]:
    """The network devices of a machine, with what folders they have among `media`, which closes them. UserError."""
    nets = nets_of(choices)
    for net, choice in zip(nets, choices, strict=True):
        folder = folder_of(net)
        if folder is not None:
            media.folders[folder.name] = folder
            _open(choice, folder)
    return nets


def _open(choice: NetChoice, folder: Answers) -> None:
    from vmdbg.shares.host_folder import HostFolder  # what only machines with such have

    folder.source = HostFolder(choice.setting("folder"), met=folder.met())


def give_net_folders(choices: Sequence[NetChoice], nets: Sequence[Net], folders: Mapping[str, Answers]) -> None:
    """The folders of the networks of a guest that goes on from a recording, in order. Raises UserError."""
    if len(choices) > len(nets):
        raise UserError(f"the guest that goes on has {len(nets)} network devices: leave the other --net out")
    for choice, net in zip(choices, nets, strict=False):
        if choice.kind is NetKind.QUIET and choice.setting("folder"):
            folder = folders.get(peer_name(net.name))
            if folder is None:
                raise UserError(f"{net.name} of the guest that goes on has no folder: leave folder= out")
            _open(choice, folder)


def make_backend(
    choice: NetChoice, number: int, clock: Callable[[], int], *, whole_segments: bool = False
) -> NetBackend | None:
    """Who passes its frames on to the host; None for what stays in the machine. Raises UserError.

    `whole_segments` as devices.network.net.Net has it.
    """
    match choice.kind:
        case NetKind.USER:
            return _user(choice, number, clock, whole_segments)
        case NetKind.SOCKET | NetKind.TAP if whole_segments:
            raise UserError(
                f"net{number} of the guest that goes on sends TCP's segments uncut: only --net user takes them"
            )
        case NetKind.SOCKET:
            return _socket(choice.where)
        case NetKind.TAP:
            return _tap(choice.where)
    return None


def _tap(name: str) -> NetBackend:
    from vmdbg.host.net_socket import LONGEST_NAME, TapBackend  # what few machines need

    if not name.isascii() or not 0 < len(name) <= LONGEST_NAME or "/" in name:
        raise UserError(f"--net tap: {printable(name[:40])!r} is no name of an interface")
    return TapBackend(name)


def _user(choice: NetChoice, number: int, clock: Callable[[], int], whole_segments: bool) -> NetBackend:
    from vmdbg.host.net_user import UserBackend, UserNet, parse_forward  # likewise

    restrict = choice.setting("restrict") or "off"
    if restrict not in ("on", "off"):
        raise UserError("--net user restrict is on (only forwarded ports lead anywhere) or off")
    forwards = tuple(parse_forward(value) for key, value in choice.settings if key == "hostfwd")
    return UserBackend(UserNet(f"10.0.{2 + number}", forwards, restrict == "on", whole_segments), clock)


def _socket(where: str) -> NetBackend:
    from vmdbg.host.net_socket import SocketBackend  # likewise

    verb, _, address = where.partition(":")
    if verb not in ("listen", "connect"):
        raise UserError("--net socket is as socket:listen:[HOST:]PORT or socket:connect:[HOST:]PORT, or with unix:PATH")
    found = listen_address(address)
    if verb == "connect" and isinstance(found, TcpAddress) and not found.port:
        raise UserError("--net socket:connect needs the port at which the other end listens")
    return SocketBackend(found, listens=verb == "listen")
