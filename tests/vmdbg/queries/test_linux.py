"""Questions about Linux, held to what the guest's own tracer (ftrace) and /proc say of the same events."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import vmdbg
from tests import linux_assets
from tests.vmdbg.os.kernels import fetch
from tests.vmdbg.queries.test_unfinished import parted
from vmdbg.errors import UserError
from vmdbg.queries import scan as scans
from vmdbg.queries.linux.scheduling import WakeQuery
from vmdbg.queries.linux.slab import ALLOCATED, SlabQuery

pytestmark = pytest.mark.timeout(600)

EVENTS = """
sched/sched_switch sched/sched_wakeup sched/sched_wakeup_new raw_syscalls exceptions/page_fault_user kmem/kmalloc
kmem/kmalloc_node kmem/kmem_cache_alloc kmem/kmem_cache_alloc_node kmem/kfree kmem/kmem_cache_free
"""
TRACE = f"""#!/bin/sh
mount -t tracefs tracefs /sys/kernel/tracing
cd /sys/kernel/tracing
echo 0 > tracing_on
echo 8192 > buffer_size_kb
for event in {" ".join(EVENTS.split())}; do
    [ -e events/$event/enable ] && echo 1 > events/$event/enable
done
echo 1 > tracing_on
sleep 0.02 &
cat /proc/version /nonexistent > /dev/null 2>&1
sh -c 'echo one; sleep 0.01; kill -9 $$' | cat > /dev/null
wait
echo 0 > tracing_on
echo DONE
cat trace > /dev/ttyS1
echo TRACED
"""
LINE = re.compile(r"^\s*(.{1,16})-(\d+)\s+\[\d+\] \S+\s+([\d.]+): (\w+): (.*)$", re.MULTILINE)
WRITE = 1
"""The number of the call that turns the tracer on and off."""


@dataclass(frozen=True)
class Event:
    """A line of the tracer."""

    pid: int
    kind: str
    text: str

    def number(self, name: str) -> int:
        found = re.search(rf"{name}[= ](-?\w+)", self.text)
        assert found is not None, self.text
        return int(found[1], 0)


@dataclass(frozen=True)
class Traced:
    """A guest, and what its tracer saw between two of its system calls."""

    guest: vmdbg.Guest
    events: list[Event]
    first: vmdbg.Position
    last: vmdbg.Position

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    def within(self, rows: list[Any]) -> list[Any]:
        """The rows that the tracer was there for."""
        return [row for row in rows if self.first < row.position < self.last]


@contextmanager
def traced(kernel: Path, directory: Path) -> Iterator[Traced]:
    """What ran under the tracer, and its report: of another run of the same guest, which is the same run."""
    initrd = linux_assets.busybox_initrd({"trace": TRACE.encode()})
    with vmdbg.launch(kernel, initrd=initrd, append="console=ttyS0", memory="256M") as guest:
        guest.expect(linux_assets.PROMPT)
        guest.save_snapshot(directory / "prompt")
    with run_trace(directory / "prompt", "TRACED") as guest:
        report = guest.timeline.console.port(1).text.decode()
    with run_trace(directory / "prompt", "DONE") as guest:
        yield events_of(guest, report)


def run_trace(snapshot: Path, until: str) -> vmdbg.Guest:
    guest = vmdbg.resume(snapshot)
    guest.send("/trace\r")
    guest.expect(until)
    return guest


def events_of(guest: vmdbg.Guest, report: str) -> Traced:
    """Between the writes that turn the tracer on and off."""
    found = [Event(int(pid), kind, text) for _, pid, _, kind, text in LINE.findall(report)]
    begin = next(at for at, event in enumerate(found) if event.kind == "sys_exit" and event.number("NR") == WRITE)
    end = max(at for at, event in enumerate(found) if event.kind == "sys_enter" and event.number("NR") == WRITE)
    writer = found[end].pid
    writes = [row for row in guest.queries.linux_calls(["write"]) if row.pid == writer]
    switching = [row for row in writes if re.fullmatch(r'fd=1, buf="[01]\\n", count=2', row.arguments)]
    on, off = switching[-2:]
    assert on.returned is not None
    return Traced(guest, found[begin + 1 : end], on.returned, off.position)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    with traced(linux_assets.cloud_kernel(), tmp_path_factory.mktemp("traced")) as found:
        yield found


def agree(trace: Traced) -> None:
    """Everything that the tracer saw, and nothing else."""
    for check in (system_calls_agree, switches_agree, wakeups_agree, faults_agree, allocations_agree, frees_agree):
        check(trace)


def system_calls_agree(trace: Traced) -> None:
    queries = trace.guest.queries
    names = {call.number: call.name for call in queries.known_linux().calls.values()}
    rows = trace.within(queries.linux_calls())
    made = [(event.pid, names[event.number("NR")]) for event in trace.of("sys_enter")]
    assert [(row.pid, row.name) for row in rows] == made
    assert len(made) > 100
    under_way: dict[int, int] = {}
    ended: Counter[tuple[int, str, int]] = Counter()
    for event in trace.of("sys_enter", "sys_exit"):
        number = event.number("NR")
        if event.kind == "sys_enter":
            under_way[event.pid] = number
        elif under_way.pop(event.pid, -1) == number:  # a new task comes out of a call that it never made
            ended[event.pid, names[number], event.number("= ?")] += 1
    ours = Counter((row.pid, row.name, signed(row.value)) for row in rows if row.value is not None)
    assert list(ours - ended) == []
    assert [name for _, name, _ in ended - ours] == ["kill"], "of itself, with SIGKILL"


def signed(value: int) -> int:
    return (value ^ 1 << 63) - (1 << 63)


def switches_agree(trace: Traced) -> None:
    pattern = re.compile(r"prev_comm=(.*) prev_pid=(\d+) .* prev_state=(\w+)\+? ==> next_comm=(.*) next_pid=(\d+)")
    seen = []
    for event in trace.of("sched_switch"):
        found = pattern.match(event.text)
        assert found is not None
        seen.append((found[1], int(found[2]), found[3], int(found[5])))
    rows = trace.within(trace.guest.queries.switches())
    assert [(row.task, row.pid, row.state, row.next_pid) for row in rows] == seen
    assert {"R", "S", "Z"} <= {row.state for row in rows}


def wakeups_agree(trace: Traced) -> None:
    seen = [
        (event.pid, event.number(" pid"), event.kind == "sched_wakeup_new")
        for event in trace.of("sched_wakeup", "sched_wakeup_new")
    ]
    rows = trace.within(trace.guest.queries.wakeups())
    assert [(row.pid, row.woken_pid, row.new) for row in rows] == seen
    assert len(seen) > 10


def faults_agree(trace: Traced) -> None:
    seen = [(event.pid, event.number("address"), event.number(" ip")) for event in trace.of("page_fault_user")]
    rows = [row for row in trace.within(trace.guest.queries.page_faults()) if row.what.startswith("user ")]
    assert [(row.pid, row.address, row.pc) for row in rows] == seen
    assert len(seen) > 100


def allocations_agree(trace: Traced) -> None:
    """In any order: the tracer speaks when an allocation is done. It says nothing of those in bulk."""
    seen = Counter(
        (event.pid, site(event), event.number("bytes_req"))
        for event in trace.of("kmalloc", "kmalloc_node", "kmem_cache_alloc", "kmem_cache_alloc_node")
    )
    describe = trace.guest.session.describe
    rows = [row for row in trace.guest.queries.allocations() if "bulk" not in row.allocator]
    ours = Counter((row.pid, describe(row.caller), row.size) for row in trace.within(rows))
    begun_before = Counter((row.pid, describe(row.caller), row.size) for row in rows if row.position < trace.first)
    assert not ours - seen
    assert not seen - ours - begun_before
    assert seen.total() > 200


def frees_agree(trace: Traced) -> None:
    seen = Counter(
        (event.pid, site(event), cache(event))
        for event in trace.of("kfree", "kmem_cache_free")
        if "ptr=0000000000000000" not in event.text
    )
    describe = trace.guest.session.describe
    silent = ("kmem_cache_free_bulk", "__kfree_rcu_sheaf")
    rows = [row for row in trace.within(trace.guest.queries.frees()) if row.allocator not in silent]
    named = any(key[2] for key in seen)  # since 5.11
    ours = Counter(
        (row.pid, describe(row.caller), row.cache if named and row.allocator != "kfree" else "") for row in rows
    )
    assert ours == seen
    assert seen.total() > 200


def site(event: Event) -> str:
    found = re.search(r"call_site=([^/ ]+)", event.text)
    assert found is not None
    return found[1]


def cache(event: Event) -> str:
    """The tracer names it for kmem_cache_free() alone."""
    found = re.search(r" name=(\S+)", event.text)
    return found[1] if found else ""


def test_what_the_guests_own_tracer_sees_is_what_queries_find(trace: Traced) -> None:
    agree(trace)


@pytest.mark.slow
@pytest.mark.parametrize("label", ["5.10-cloud", "6.12-cloud", "newest-cloud"])
def test_on_other_kernels_too(label: str, tmp_path: Path) -> None:
    with traced(fetch(label).image, tmp_path) as found:
        agree(found)


def test_questions_change_nothing_and_leave_the_guest_where_it_was(trace: Traced) -> None:
    guest = trace.guest
    guest.seek("50%")
    before, position = guest.digest(), guest.position
    agree(trace)
    guest.queries.profile(10_000)
    guest.queries.object_history(guest.registers.rsp)
    assert guest.position == position
    assert guest.digest() == before
    guest.seek("end")


def test_rows_of_parts_join_to_the_rows_of_the_whole(trace: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that sleep end in another part than they began in."""
    from vmdbg.queries import queries

    asked: list[Callable[[Any], list[Any]]] = [
        lambda q: q.linux_calls(),
        lambda q: q.switches(),
        lambda q: q.allocations(size=192),
        lambda q: q.profile(10_000),
    ]
    alone = [ask(trace.guest.queries.using(workers=1)) for ask in asked]
    monkeypatch.setattr(queries, "WORTH_PROCESSES", 1)
    length = trace.guest.end.tick - trace.guest.start.tick
    for part in range(1, 7):
        trace.guest.seek(trace.guest.start.tick + length * part // 7)
        trace.guest.timeline.take_checkpoint()
    trace.guest.seek("end")
    assert [ask(trace.guest.queries.using(workers=2)) for ask in asked] == alone
    assert any(row.ticks is not None and row.ticks > 5_000_000 for row in alone[0])


@pytest.mark.parametrize("follow", [0, 300])
def test_parts_that_end_within_allocations_and_wakeups_have_the_rows_of_the_whole(
    trace: Traced, follow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "FOLLOW_TICKS", follow)
    timeline, known, chance = trace.guest.timeline, trace.guest.queries.known_linux(), random.Random(follow)
    for query in (SlabQuery(known), SlabQuery(known, frozenset({ALLOCATED})), WakeQuery(known)):
        whole: list[Any] = list(parted(timeline, query, []))
        assert len(whole) > 20
        begun = [row.position.tick for row in chance.sample(whole, 7)]
        nested = [row.position.tick for row in whole if row.position and "kvmalloc" in getattr(row, "function", "")][:2]
        cuts = [tick + chance.choice((1, 20, 60, 150, 400)) for tick in begun + nested]
        assert parted(timeline, query, cuts) == whole
    trace.guest.seek("end")


def test_calls_by_name_process_and_failure(trace: Traced) -> None:
    queries = trace.guest.queries
    (row,) = queries.linux_calls(["openat", "open"], process="cat", failed=True)
    assert row.arguments == 'dfd=AT_FDCWD, filename="/nonexistent", flags=O_RDONLY, mode=0o0'
    assert (row.result, row.task) == ("-ENOENT", "cat")
    assert queries.linux_calls(["openat"], process=str(row.pid), failed=True) == [row]
    with pytest.raises(UserError, match="no system call 'opanat'; did you mean openat"):
        queries.linux_calls(["opanat"])
    mapped = queries.linux_calls(["mmap"], process="cat")
    assert "prot=PROT_READ|PROT_WRITE, flags=MAP_PRIVATE|MAP_ANONYMOUS" in mapped[0].arguments


def test_a_condition_is_looked_at_where_each_row_happened(trace: Traced) -> None:
    session = trace.guest.session
    rows = session.run("query syscalls write if rdx > 100").data
    calls = trace.guest.queries.linux_calls(["write"])
    assert isinstance(rows, list)
    assert [row["position"] for row in rows] == [
        str(call.position) for call in calls if int(call.arguments.rpartition("count=")[2]) > 100
    ]
    (pid,) = {call.pid for call in trace.guest.queries.linux_calls(["openat"], process="cat", failed=True)}
    whose = trace.guest.queries.linux_calls(process=str(pid))
    for words, number in (
        (f"current().pid == {pid}", len(whose)),
        (f'current().pid == {pid} and current().comm == "cat"', sum(call.task == "cat" for call in whose)),
    ):
        by_task = session.run(f"query syscalls if {words}").data
        assert isinstance(by_task, list)
        assert len(by_task) == number > 5
    assert "no register, symbol or variable 'nothing_there'" in session.execute("query switches if nothing_there")


def test_the_prompt_counts_and_writes_csv(trace: Traced) -> None:
    session = trace.guest.session
    counts = session.run("query syscalls --count-by name").data
    assert isinstance(counts, list)
    calls = Counter(row.name for row in trace.guest.queries.linux_calls())
    assert {row["what"]: row["count"] for row in counts} == calls
    lines = session.execute("query syscalls openat --csv").splitlines()
    assert lines[0] == "position,task,pid,process,name,arguments,result,value,returned,ticks,cpu"
    assert len(lines) == 1 + calls["openat"]
    profile = session.run("query profile --every 2us").data
    assert isinstance(profile, list)
    assert sum(row["count"] for row in profile) == trace.guest.end.tick // 2_000 - trace.guest.start.tick // 2_000
    assert "--failed means nothing to switches" in session.execute("query switches --failed")
    assert "no cache 'kmaloc-192'; did you mean" in session.execute("query frees --cache kmaloc-192")


def test_an_object_has_a_history(trace: Traced) -> None:
    rows = trace.guest.queries.allocations(cache="names_cache", process="cat")
    freed = trace.guest.queries.frees(cache="names_cache", process="cat")
    assert len(rows) == len(freed) > 0
    history = trace.guest.queries.object_history(rows[0].address + 100)
    assert rows[0] in history
    assert [row.what for row in history[:2]] == ["allocated", "freed"]
    assert {row.address for row in history} == {rows[0].address}


def test_the_prompt_tells_who_allocated_and_freed_an_object(trace: Traced) -> None:
    guest = trace.guest
    row = guest.queries.allocations(cache="names_cache", process="cat")[0]
    freed = next(one for one in guest.queries.object_history(row.address) if one.position > row.position)
    for position, state in ((freed.position, "in use"), (guest.end, "free")):
        guest.seek(position)
        told = guest.session.run(f"slab {row.address + 10:#x}").data
        assert isinstance(told, dict)
        assert (told["cache"], told["state"]) == ("names_cache", state)
        assert str(told["object"]) == f"{row.address:#x}+0xa of 0x1000"
        if state == "in use":
            assert str(told["allocated"]).startswith(f"at {row.position} by cat[{row.pid}] in getname")
    assert "is in no object" in guest.session.execute("slab 0x1000")


def test_a_call_that_slept_returns_whatever_address_space_its_thread_comes_back_in(trace: Traced) -> None:
    """Kernel threads have none of their own: they go on in that of whoever ran last."""
    guest = trace.guest
    rows = guest.queries.calls(guest.address_of("schedule"), 0)
    open_ = [row for row in rows if row.returned is None]
    assert len(rows) > 4 * len(open_)
    assert len(open_) <= len(guest.linux.tasks()), "a task sleeps in one call at most"
