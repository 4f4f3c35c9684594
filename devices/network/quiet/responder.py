"""Who is at the other end of a quiet cable: a gateway, a name server and a few hosts, in one.

Everything here is a function of the guest's frames, when they came, and what is in the folder, which is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from devices.network.quiet import dhcp, dns, http
from devices.network.quiet import packets as ip
from devices.network.quiet.boot_server import WHO as TFTP_WHO
from devices.network.quiet.boot_server import BootServer
from devices.network.quiet.connection import Connection
from devices.network.quiet.files import Asked, Files
from devices.network.quiet.options import GATEWAY, GUEST, NAME_SERVER, Quiet
from devices.network.quiet.packets import Address, Datagram, Ends, Packet, Segment
from devices.network.quiet.tcp import Handlers, Tcp
from devices.network.quiet.tftp import Transfer
from devices.network.quiet.web import WHO as HTTP_WHO
from devices.network.quiet.web import Web
from devices.network.wire import Line
from devices.ninep.folder import Answer, Folder
from devices.seam import Rows, Timer

GATEWAY_MAC = bytes.fromhex("525500000002")
ECHO, DISCARD = 7, 9
"""Ports whose services give back all, and take all (RFC 862, 863)."""
MOST_ECHOED = 1 << 18
"""Bytes that wait for a guest that does not read them."""
TIME, FOLDER = "time", "folder"
_BROADCAST = bytes([255, 255, 255, 255])


@dataclass(slots=True)
class ResponderState:
    """`packets` counts those that were sent, `ignored` what came and was damaged or for nobody."""

    packets: int = 0
    ignored: int = 0
    opened: int = 0
    begun: int = 0
    asked: int = 0
    waiting: list[Asked] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)


class Responder:
    """devices.network.wire.Peer, and a device of the board that no reset reaches."""

    title = "quiet network"
    State: ClassVar[type[ResponderState]] = ResponderState

    def __init__(self, name: str, options: Quiet, line: Line, timer: Timer, folder: Folder | None) -> None:
        """Raises ValueError for addresses that are none."""
        self.name = name
        self._options = options
        self._line = line
        self._timer = timer
        self.gateway, self.name_server, self.guest = (
            ip.address(f"{options.network}.{last}") for last in (GATEWAY, NAME_SERVER, GUEST)
        )
        self._names = {"gateway": self.gateway} | {one.name.lower(): ip.address(one.address) for one in options.hosts}
        self._hosts = frozenset({self.gateway, self.name_server, *self._names.values()})
        self._now = 0
        self._packets = self._ignored = 0
        self._files = Files(folder, self._answered, lambda due: self._timer.schedule(FOLDER, due))
        self._web = Web(self._files)
        self._boot = BootServer(self._files, self._send_datagram)
        self._tcp = Tcp(Handlers(self._send_segment, self._listens, self._received, self._drained, self._dropped))
        self._web.tcp = self._tcp
        mask = bytes([255, 255, 255, 0])
        boot = options.boot.encode("latin-1", "replace")
        self._lease = dhcp.Lease(self.guest, mask, self.gateway, self.name_server, boot)

    @property
    def asked(self) -> int:
        """How many questions were put to the folder."""
        return self._files.asked

    # what comes

    def hear(self, frame: bytes, now: int) -> None:
        """devices.network.wire.Peer."""
        self._now = now
        kind = frame[12:14]
        if kind == ip.ETHER_ARP:
            self._take_arp(frame)
        elif kind == ip.ETHER_IPV4 and frame[:6] in (GATEWAY_MAC, b"\xff" * 6):
            packet = ip.read_ip(frame, GATEWAY_MAC)
            if packet is None or not self._take_packet(packet):
                self._ignored += 1
        else:
            self._ignored += 1
        self._set_timer()

    def _take_arp(self, frame: bytes) -> None:
        request = ip.read_arp(frame[ip.ETHERNET :])
        near = request is not None and request.target in self._hosts and request.target != request.asker
        if request is None or not near:
            self._ignored += 1
            return
        self._send(ip.arp_reply(request, GATEWAY_MAC))

    def _take_packet(self, packet: Packet) -> bool:
        """Whether it was for somebody here."""
        if packet.protocol == ip.UDP and (datagram := ip.read_udp(packet)) is not None:
            if datagram.our_port == dhcp.SERVER_PORT:
                return self._take_dhcp(packet.ends, datagram)
            if packet.ends.ours in self._hosts:
                return self._take_datagram(packet, datagram)
        if packet.ends.ours == _BROADCAST or packet.ends.ours[0] >= 224:
            return False
        if packet.ends.ours not in self._hosts:
            near = packet.ends.ours[:3] == self.gateway[:3]
            self._say_unreachable(packet, ip.HOST_UNREACHABLE if near else ip.NET_UNREACHABLE, ours=self.gateway)
            return True
        if packet.protocol == ip.ICMP and (reply := ip.echo_of(packet.data)) is not None:
            self._send_ip(packet.ends, ip.ICMP, reply)
            return True
        if packet.protocol == ip.TCP and (segment := ip.read_tcp(packet)) is not None:
            self._tcp.take(packet.ends, segment, self._now)
            return True
        return False

    def _take_dhcp(self, ends: Ends, datagram: Datagram) -> bool:
        reply = dhcp.answer(datagram.data, self._lease)
        if reply is None:
            return False
        to_all = dhcp.is_broadcast(reply)
        mac = b"\xff" * 6 if to_all else ends.guest_mac
        to = _BROADCAST if to_all else self.guest if ends.guest == bytes(4) else ends.guest
        self._send_datagram(
            Ends(mac, GATEWAY_MAC, to, self.gateway), Datagram(dhcp.CLIENT_PORT, dhcp.SERVER_PORT, reply)
        )
        return True

    def _take_datagram(self, packet: Packet, datagram: Datagram) -> bool:
        ends, port = packet.ends, datagram.our_port
        if port == dns.PORT and ends.ours == self.name_server:
            reply = dns.answer(datagram.data, self._names)
            if reply is not None:
                self._send_datagram(ends, Datagram(datagram.guest_port, port, reply))
            return reply is not None
        if port == ECHO:
            self._send_datagram(ends, datagram)
        elif port != DISCARD and not self._boot.take(ends, datagram, self._now):
            self._say_unreachable(packet, ip.PORT_UNREACHABLE, ours=ends.ours)
        return True

    def _say_unreachable(self, packet: Packet, code: int, *, ours: Address) -> None:
        """Never of what is itself a message of ICMP's (RFC 1122, 3.2.2)."""
        if packet.protocol != ip.ICMP or packet.data[:1] == bytes([ip.ECHO]):
            ends = packet.ends
            back = Ends(ends.guest_mac, ends.our_mac, ends.guest, ours)
            self._send_ip(back, ip.ICMP, ip.unreachable(code, packet.header))

    # what goes

    def _send(self, frame: bytes) -> None:
        self._packets += 1
        self._line.send(frame, self._now)

    def _send_ip(self, ends: Ends, protocol: int, data: bytes) -> None:
        self._send(ip.ip_frame(ends, protocol, data, self._packets))

    def _send_datagram(self, ends: Ends, datagram: Datagram) -> None:
        self._send_ip(ends, ip.UDP, ip.udp_data(ends, datagram))

    def _send_segment(self, ends: Ends, segment: Segment) -> None:
        self._send_ip(ends, ip.TCP, ip.tcp_data(ends, segment))

    # connections and files

    def _listens(self, address: Address, port: int) -> bool:
        return address in self._hosts and port in (http.PORT, ECHO, DISCARD)

    def _received(self, one: Connection, now: int) -> None:
        if one.our_port == http.PORT:
            self._web.received(one, now)
            return
        data, one.inbox = one.inbox, b""
        if one.our_port == ECHO and not one.closing:
            self._tcp.send(one, data)
            if len(one.out) > MOST_ECHOED:
                self._tcp.drop(one, reset=True)
        if one.phase == "close wait" and not one.closing:
            self._tcp.close(one)

    def _drained(self, one: Connection, now: int) -> None:
        if one.our_port == http.PORT:
            self._web.drained(one, now)

    def _dropped(self, one: Connection) -> None:
        self._files.forget(HTTP_WHO + one.key, self._now)

    def _answered(self, who: str, answer: Answer, now: int) -> None:
        if who.startswith(HTTP_WHO):
            self._web.answered(who.removeprefix(HTTP_WHO), answer, now)
        elif who.startswith(TFTP_WHO):
            self._boot.answered(int(who.removeprefix(TFTP_WHO)), answer, now)

    # time

    def on_event(self, name: str, now: int) -> None:
        """Raises MediumError, and nothing has changed."""
        self._now = now
        if name == FOLDER:
            self._files.take(now)
        else:
            self._tcp.take_time(now)
            self._boot.take_time(now)
        self._set_timer()

    def _set_timer(self) -> None:
        dues = [due for due in (self._tcp.due, self._boot.due) if due is not None]
        if dues:
            self._timer.schedule(TIME, min(dues))
        else:
            self._timer.cancel(TIME)

    # as a device

    def save(self) -> ResponderState:
        return ResponderState(
            self._packets, self._ignored, self._tcp.opened, self._boot.begun, self._files.asked,
            list(self._files.waiting), self._tcp.save(), self._boot.save(),
        )  # fmt: skip

    def restore(self, state: ResponderState) -> None:
        self._packets, self._ignored = state.packets, state.ignored
        self._files.restore(state.waiting, state.asked)
        self._tcp.restore(state.connections, state.opened)
        self._boot.restore(state.transfers, state.begun)

    def describe(self, now: int) -> Rows:
        texts = {text: ip.address_text(one) for text, one in sorted(self._names.items())}
        rows = [
            ("network", f"{self._options.network}.0/24, name server {ip.address_text(self.name_server)}"),
            ("the guest's lease", ip.address_text(self.guest)),
            ("names", ", ".join(f"{name} {one}" for name, one in texts.items())),
            ("packets", f"{self._packets} sent, {self._ignored} of the guest's were for nobody"),
            ("questions to the folder", str(self._files.asked)),
        ]
        for one in self._tcp.connections.values():
            flight = f"{one.sent} bytes of {len(one.out)} on their way"
            rows.append((f"TCP {one.our_port}", f"with port {one.guest_port}, {one.phase}, {flight}"))
        transfers = self._boot.transfers.values()
        return rows + [(f"TFTP {one.our_port}", f"{one.at} of {one.size} bytes") for one in transfers]
