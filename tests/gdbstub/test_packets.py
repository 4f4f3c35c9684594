"""Every packet on the wire: fed whole, byte by byte, and with another packet behind it."""

from __future__ import annotations

import pytest

from tests.gdbstub.wire import Client, framed

GDB = "swbreak+;hwbreak+"
MULTI = GDB + ";multiprocess+"
TEXTUAL = GDB + ";error-message+"
THREADS_XML = (
    '<?xml version="1.0"?><threads><thread id="{0}1" core="0" name="CPU 0">ring 3, &lt;init&gt;</thread>'
    '<thread id="{0}2" core="1" name="CPU 1">ring 3, &lt;init&gt;</thread></threads>'
)
PC1, SP1 = "0010" + "00" * 6, "01" * 8
STOP = f"T05thread:1;00:{PC1};01:{SP1};"
G1 = PC1 + SP1 + "02000000"
RAM = bytes(range(256)) * 32

CASES: dict[str, list[tuple[str, list[str], str, str]]] = {
    "what the stub can do": [
        (
            MULTI,
            [],
            "qSupported:" + MULTI,
            "PacketSize=20000;QStartNoAckMode+;multiprocess+;vContSupported+;QNonStop+;QThreadEvents+;no-resumed+;"
            "error-message+;binary-upload+;swbreak+;hwbreak+;ConditionalBreakpoints+;BreakpointCommands+;"
            "ConditionalTracepoints+;EnableDisableTracepoints+;tracenz+;qXfer:traceframe-info:read+;"
            "qXfer:features:read+;qXfer:memory-map:read+;qXfer:threads:read+;ReverseStep+;ReverseContinue+",
        ),
        (GDB, [], "vCont?", "vCont;c;C;s;S;t;r"),
        (GDB, [], "!", "OK"),
        (GDB, [], "vMustReplyEmpty", ""),
        (GDB, [], "qAttached", "1"),
        (GDB, [], "qAttached:1", "1"),
        (GDB, [], "qSymbol::", "OK"),
        (GDB, [], "qOffsets", "Text=1000;Data=2000;Bss=2000"),
        (GDB, [], "QPassSignals:e;10;14", "OK"),
        (GDB, [], "QProgramSignals:0;1", "OK"),
        (GDB, [], "QThreadEvents:1", "OK"),
        (GDB, [], "QNonStop:0", "OK"),
        (GDB, [], "QNonStop:1", "OK"),
    ],
    "what is not known": [
        (GDB, [], "", ""),
        (GDB, [], "qTStatus", "T0;tnotrun:0;tframes:0;tcreated:0;tfree:500000;tsize:500000;circular:0;disconn:0"),
        (GDB, [], "qTBuffer:0,10", ""),
        (GDB, [], "vFile:open:2f6574632f706173737764,0,0", ""),
        (GDB, [], "vFlashErase:0,1000", ""),
        (GDB, [], "b9600", ""),
        (GDB, [], "qXfer:auxv:read::0,1000", ""),
        (GDB, [], "qXfer:features:write:target.xml:0:00", ""),
        (GDB, [], "QTinit", "OK"),
        (GDB, [], "\xff\x00\x80", ""),
        (GDB, [], "q", ""),
    ],
    "why the target stands": [
        (GDB, [], "?", STOP),
        (MULTI, [], "?", STOP.replace("thread:1", "thread:p1.1")),
    ],
    "registers": [
        (GDB, [], "g", G1),
        (GDB, ["Hg2"], "p0", "0020" + "00" * 6),
        (GDB, ["Hg0"], "p0", PC1),
        (GDB, [], "p3", bytes(range(16)).hex()),
        (GDB, [], "p4", "xxxx"),
        (GDB, [], "p5", "E01"),
        (TEXTUAL, [], "p5", "E.no register 0x5"),
        (GDB, [], "pzz", "E16"),
        (GDB, [], "P2=78563412", "OK"),
        (GDB, ["P2=78563412"], "p2", "78563412"),
        (GDB, [], "P2=7856", "E.P: flags has 4 bytes, 2 were given"),
        (GDB, [], "P9=00", "E.no register 0x9"),
        (TEXTUAL, [], "P4=0000", "E.gone cannot be written"),
        (GDB, ["G" + "11" * 20], "g", "11" * 20),
        (GDB, [], "G" + "11" * 19, "E.G: 19 bytes of registers, 20 are expected"),
        (GDB, [], "G1", "E16"),
        (GDB, [], "g;thread:2;", "0020" + "00" * 6 + "02" * 8 + "02000000"),
        (GDB, [], "p1;thread:0002;", "02" * 8),
        (GDB, ["P1=0000000000000000;thread:0002;"], "p1;thread:2", "00" * 8),
        (GDB, [], "p1;thread:3;", "E01"),
    ],
    "memory": [
        (GDB, [], "m1000,4", "00010203"),
        (GDB, [], "m1000,0", ""),
        (GDB, [], "m2ffe,10", "feff"),
        (GDB, [], "m0,4", "E0e"),
        (TEXTUAL, [], "m0,4", "E.cannot access memory at 0x0: no memory there"),
        (GDB, [], "mffffffffffffffff,ffffffff", "E0e"),
        (GDB, [], "m1000,100000000", RAM.hex()),
        (GDB, [], "m1000", "E16"),
        (GDB, [], "m10000000000000000,4", "E16"),
        (GDB, [], "m-1,4", "E16"),
        (GDB, [], "m1_0,4", "E16"),
        (GDB, ["M1000,2:aabb"], "m1000,3", "aabb02"),
        (GDB, [], "M1000,3:aabb", "E16"),
        (GDB, [], "M1000,1:a", "E16"),
        (GDB, [], "M2fff,2:aabb", "E0e"),
        (GDB, [], "M0,0:", "OK"),
        (GDB, ["X1000,5:\x03}\x04}\x03}]+"], "m1000,6", "0324237d2b05"),
        (GDB, [], "X1000,0:", "OK"),
        (GDB, [], "X1000,2:a", "E16"),
        (GDB, [], "x1000,3", "b\x00\x01\x02"),
        (GDB, [], "x1023,2", "b}\x03}\x04"),
        (GDB, [], "x1000,0", "b"),
        (GDB, [], "x0,4", "E0e"),
        (GDB, ["QThreadSuffixSupported"], "x0,0", "OK"),
        (GDB, ["QThreadSuffixSupported", "x0,0"], "x1000,3", "\x00\x01\x02"),
        (GDB, ["QThreadSuffixSupported"], "x1000,3", "b\x00\x01\x02"),
        (GDB, [], "qSearch:memory:1000;2000;\x05\x06", "1,1005"),
        (GDB, [], "qSearch:memory:1000;100;}\x03}\x04", "1,1023"),
        (GDB, [], "qSearch:memory:1000;2000;zzz", "0"),
        (GDB, [], "qSearch:memory:10ff;2;\xff\x00", "1,10ff"),
        (GDB, [], "qSearch:memory:10fe;1;\xff\x00", "0"),
        (GDB, [], "qSearch:memory:10fe;2;\xff\x00", "0"),
        (GDB, [], "qSearch:memory:10fe;3;\xff\x00", "1,10ff"),
        (GDB, [], "qSearch:memory:1000;3000;zzz", "E0e"),
        (GDB, [], "qSearch:memory:0;10;a", "E0e"),
        (GDB, [], "qSearch:memory:1000;ffffffffffff;a", "E01"),
        (GDB, [], "qSearch:memory:1000;10;", "E16"),
        (GDB, [], "qCRC:1000,4", "C6b6dc92a"),
        (GDB, [], "qCRC:1000,0", "Cffffffff"),
        (GDB, [], "qCRC:2ff0,20", "E0e"),
        (GDB, [], "qCRC:1000,ffffffffffff", "E01"),
    ],
    "threads": [
        (GDB, [], "qC", "QC1"),
        (MULTI, [], "qC", "QCp1.1"),
        (GDB, [], "qfThreadInfo", "m1,2"),
        (MULTI, [], "qfThreadInfo", "mp1.1,p1.2"),
        (GDB, [], "qsThreadInfo", "l"),
        (GDB, [], "qThreadExtraInfo,2", b"CPU 1, ring 3, <init>".hex()),
        (GDB, [], "qThreadExtraInfo,3", "E01"),
        (GDB, [], "qXfer:threads:read::0,1000", "l" + THREADS_XML.format("")),
        (MULTI, [], "qXfer:threads:read::0,1000", "l" + THREADS_XML.format("p1.")),
        (GDB, [], "T1", "OK"),
        (GDB, [], "T3", "E01"),
        (MULTI, [], "Tp1.2", "OK"),
        (MULTI, [], "Tp2.1", "E01"),
        (GDB, [], "Hc-1", "OK"),
        (GDB, [], "Hg7", "E01"),
        (MULTI, [], "Hgp0.0", "OK"),
        (MULTI, [], "Hgp1.-1", "OK"),
        (MULTI, [], "Hcp1", "OK"),
        (GDB, [], "Hx1", "E16"),
        (GDB, [], "H", "E16"),
    ],
    "transfers": [
        (GDB, [], "qXfer:features:read:target.xml:0,8", "m<target>"),
        (GDB, [], "qXfer:features:read:target.xml:8,1000", "l<!-- }] }\x04 }\x03 }\n --></target>"),
        (GDB, [], "qXfer:features:read:target.xml:21,10", "l"),
        (GDB, [], "qXfer:features:read:target.xml:22,10", "E01"),
        (GDB, [], "qXfer:features:read:big.xml:0,20000", "l" + "0123456789" * 1000),
        (GDB, [], "qXfer:features:read:none.xml:0,10", "E00"),
        (GDB, [], "qXfer:features:read:target.xml:0", "E16"),
        (
            GDB,
            [],
            "qXfer:memory-map:read::0,1000",
            'l<?xml version="1.0"?><!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" '
            '"http://sourceware.org/gdb/gdb-memory-map.dtd"><memory-map>'
            '<memory type="ram" start="0x0" length="0xa0000"/>'
            '<memory type="rom" start="0xf0000" length="0x10000"/>'
            "</memory-map>",
        ),
    ],
    "monitor commands": [
        (GDB, [], "qRcmd," + b"hi".hex(), b"HI".hex()),
        (GDB, [], "qRcmd," + b"fail".hex(), b"it failed\n".hex()),
        (GDB, [], "qRcmd,", "OK"),
        (GDB, [], "qRcmd,0", "E16"),
    ],
    "breakpoints": [
        *((GDB, [], f"Z{kind},1000,4", "OK") for kind in range(5)),
        (GDB, [], "Z5,1000,4", ""),
        (GDB, [], "Z0,1000", "E16"),
        (TEXTUAL, [], "Z0,bad,1", "E.no breakpoint there"),
        (GDB, ["Z0,1000,1"], "Z0,1000,1", "OK"),
        (GDB, ["Z0,1000,1"], "z0,1000,1", "OK"),
        (GDB, [], "z0,1000,1", "OK"),
        (GDB, [], "Z0,1000,1;X5,2200220127", "OK"),
        (GDB, [], "Z0,1000,1;X3,220127X3,220027", "OK"),
        (GDB, [], "Z0,1000,1;cmds:1,X3,220127", "OK"),
        (GDB, [], "Z0,1000,1;X3,220127;cmds:0,X3,220127X3,220127", "OK"),
        (GDB, [], "Z0,1000,1;X3,2201", "E16"),
        (GDB, [], "Z0,1000,1;X1,02", "E16"),
        (
            TEXTUAL,
            [],
            "Z0,1000,1;X1,02",
            "E.Z: agent expression refused: add at byte 0 finds the stack too short",
        ),
        (TEXTUAL, [], "Z0,1000,1;X4,26000527", "E.Z: agent expression refused: no register 5"),
        (GDB, [], "Z0,1000,1;X4,26000427", "OK"),
        (GDB, [], "Z0,1000,1;Y", "E16"),
        (GDB, [], "Z0,1000,1;cmds:1", "E16"),
    ],
    "clients that come and go": [
        (GDB, [], "D", "OK"),
        (MULTI, [], "D;1", "OK"),
        (GDB, ["D"], "?", "W00"),
        (GDB, ["D"], "g", "E01"),
        (MULTI, ["!", "D;1"], "vAttach;1", STOP.replace("thread:1", "thread:p1.1")),
        (MULTI, ["!", "D;1"], "vAttach;2", "E.no process 2; there is only 1"),
        (GDB, ["!"], "vRun;6b65726e656c;617267", STOP),
        (GDB, ["!", "vKill;1"], "vRun;", STOP),
        (GDB, [], "vKill;1", "OK"),
        (GDB, [], "vKill;x", "E16"),
        (GDB, [], "Dx", "E16"),
        (GDB, [], "D;2", "E01"),
        (GDB, [], "vKill;2", "E.no process 2; there is only 1"),
        (GDB, ["D;2"], "qC", "QC1"),
    ],
    "QEMU's packets": [
        (GDB, [], "qqemu.Supported", "sstepbits;sstep;PhyMemMode"),
        (GDB, [], "qqemu.PhyMemMode", "0"),
        (GDB, ["Qqemu.PhyMemMode:1"], "qqemu.PhyMemMode", "1"),
        (GDB, ["Qqemu.PhyMemMode:1"], "m0,8", b"physical".hex()),
        (GDB, ["Qqemu.PhyMemMode:1", "M0,1:50", "Qqemu.PhyMemMode:0"], "m1000,1", "00"),
        (GDB, ["Qqemu.PhyMemMode:1"], "qSearch:memory:0;100;ysic", "1,2"),
        (GDB, [], "Qqemu.PhyMemMode:2", "E16"),
        (GDB, [], "qqemu.sstepbits", "ENABLE=1,NOIRQ=2,NOTIMER=4"),
        (GDB, [], "Qqemu.sstepbits", "ENABLE=1,NOIRQ=2,NOTIMER=4"),
        (GDB, ["Qqemu.sstep=3"], "Qqemu.sstep", "0x3"),
        (GDB, [], "qqemu.sstep", "0x7"),
        (GDB, ["Qqemu.sstep=1"], "qqemu.sstep", "0x1"),
        (TEXTUAL, [], "Qqemu.sstep=ff", "E.no step mask bits 0xff"),
    ],
    "LLDB's packets": [
        (
            GDB,
            [],
            "qHostInfo",
            "vm-page-size:4096;watchpoint_exceptions_received:after;triple:"
            + b"x86_64-unknown-none".hex()
            + ";ptrsize:8;endian:little;ostype:none;vendor:unknown;",
        ),
        (
            GDB,
            [],
            "qProcessInfo",
            f"pid:1;triple:{b'x86_64-unknown-none'.hex()};ptrsize:8;endian:little;ostype:none;vendor:unknown;",
        ),
        (
            GDB,
            [],
            "qRegisterInfo0",
            "name:pc;bitsize:64;offset:0;encoding:uint;format:hex;set:general;dwarf:16;gcc:16;generic:pc;",
        ),
        (
            GDB,
            [],
            "qRegisterInfo3",
            "name:v0;bitsize:128;offset:20;encoding:vector;format:vector-uint8;set:vector;",
        ),
        (GDB, [], "qRegisterInfo5", "E45"),
        (GDB, [], "QThreadSuffixSupported", "OK"),
        (GDB, [], "QListThreadsInStopReply", "OK"),
        (
            GDB,
            ["QListThreadsInStopReply"],
            "?",
            f"T05thread:1;reason:signal;threads:1,2;00:{PC1};01:{SP1};",
        ),
        (GDB, ["QEnableErrorStrings"], "m0,1", "E0e;" + b"cannot access memory at 0x0: no memory there".hex()),
        (GDB, [], "qGDBServerVersion", "name:machine;version:1.2;"),
        (GDB, [], "qVAttachOrWaitSupported", "OK"),
        (GDB, [], "qWatchpointSupportInfo:", "num:65535;"),
        (GDB, [], "qEcho:7", "qEcho:7"),
        (GDB, [], "qMemoryRegionInfo", "OK"),
        (GDB, [], "qMemoryRegionInfo:1234", "start:1000;size:2000;permissions:rwx;name:72616d;"),
        (GDB, [], "qMemoryRegionInfo:0", "start:0;size:1000;"),
        (GDB, [], "qThreadStopInfo2", "T00thread:2;reason:signal;00:0020000000000000;01:0202020202020202;"),
        (GDB, [], "qStructuredDataPlugins", ""),
        (
            GDB,
            [],
            "jThreadsInfo",
            '[{"tid": 1, "name": "CPU 0", "signal": 5, "reason": "signal", "registers": '
            f'{{"0": "{PC1}", "1": "{SP1}", "2": "02000000"}}]}}], '
            '{"tid": 2, "name": "CPU 1", "signal": 0, "reason": "signal", "registers": '
            '{"0": "0020000000000000", "1": "0202020202020202", "2": "02000000"}]}]]',
        ),
    ],
}
ALL = [
    pytest.param(*case, id=f"{case[2][:40]!a} after {case[1]}" if case[1] else f"{case[2][:50]!a}")
    for cases in CASES.values()
    for case in cases
]


@pytest.mark.parametrize("style", ["whole", "byte by byte", "with a packet behind"])
@pytest.mark.parametrize(("features", "before", "request_", "expected"), ALL)
def test_reply(features: str, before: list[str], request_: str, expected: str, style: str) -> None:
    client = Client(features)
    for packet in before:
        client.send(packet)
    wire = framed(request_.encode("latin-1"))
    wanted = [expected.encode("latin-1")]
    if style == "byte by byte":
        replies = client.feed([bytes((byte,)) for byte in wire])
    elif style == "with a packet behind":
        replies = client.feed([wire + framed(b"qqemu.sstepbits")])
        wanted.append(b"ENABLE=1,NOIRQ=2,NOTIMER=4")
    else:
        replies = client.feed([wire])
    assert replies == wanted
