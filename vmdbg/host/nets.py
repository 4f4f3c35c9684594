"""What `--net` says: network devices, and who is at the other end of their cables."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from devices.network.frame import mac_text, parse_mac
from devices.network.net import FarEnd, Net, NicModel
from vmdbg.document.layout import printable
from vmdbg.errors import UserError

MOST_NETS = 8
_FIRST_MAC = 0x5254_0012_3456
"""As QEMU counts."""


class NetKind(enum.StrEnum):
    """Who is at the other end."""

    NONE = "none"


_FAR = {NetKind.NONE: FarEnd.NOBODY}
_COMMON = ("model", "mac")
_OPTIONS: dict[NetKind, tuple[str, ...]] = {NetKind.NONE: ()}
_REPEATED = ("host", "hostfwd")


@dataclass(frozen=True, slots=True)
class NetChoice:
    """A network device that was asked for. `settings` are the options of its kind, in order."""

    kind: NetKind
    model: NicModel = NicModel.VIRTIO
    mac: str = ""
    settings: tuple[tuple[str, str], ...] = ()

    def setting(self, name: str) -> str:
        """ "" if it was not given."""
        return next((value for key, value in self.settings if key == name), "")


def parse_net(text: str) -> NetChoice:
    """`KIND[,model=MODEL][,mac=ADDRESS][,OPTION=VALUE...]`; a comma in a value is written twice. Raises UserError."""
    word, *parts = (part.replace("\0", ",") for part in text.replace(",,", "\0").split(","))
    try:
        kind = NetKind(word)
    except ValueError:
        raise UserError(f"--net is one of {', '.join(NetKind)}, not {printable(word)!r}") from None
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
    return NetChoice(kind, _model(chosen.get("model")), _mac(chosen.get("mac")), tuple(settings))


def _model(text: str | None) -> NicModel:
    try:
        return NicModel(text) if text is not None else NicModel.VIRTIO
    except ValueError:
        raise UserError(f"--net model is one of {', '.join(NicModel)}, not {printable(str(text))!r}") from None


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
        made.append(Net(f"net{number}", choice.model, mac, _FAR[choice.kind]))
    return tuple(made)
