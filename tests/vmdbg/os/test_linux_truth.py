"""What we read out of a guest's memory against what the guest says itself."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest

from tests.vmdbg.os.conftest import BUSY, OWN, Guest
from tests.vmdbg.os.qemu_guest import busybox
from vmdbg.commands.linux.programs import file_build_id
from vmdbg.os.linux.page_cache import PAGE, first_page
from vmdbg.os.linux.unwind import Unwinder
from vmdbg.os.linux.walks import list_entries
from vmdbg.os.seam import Backtrace, FrameKind

JIFFY = 10_000_000


def stat_rows(guest: Guest) -> dict[int, tuple[str, list[str]]]:
    """pid -> (name, the fields behind it) of /proc/PID/stat; field 0 is the state."""
    rows = {}
    for line in guest.truth.lines("stat"):
        match = re.fullmatch(r"(\d+) \((.*)\) (.*)", line)
        if match:
            rows[int(match[1])] = match[2], match[3].split()
    return rows


def test_symbols_are_those_of_proc_kallsyms(guest: Guest) -> None:
    checked = 0
    for line in guest.truth.lines("kallsyms"):
        address, _, name, *module = line.split() or ["", "", ""]
        if not name or (module and module[0].startswith(("[bpf]", "[__builtin"))):
            continue
        if module:
            found = guest.linux.symbols.find(f"{module[0].strip('[]')}:{name}")
            assert found == int(address, 16), line
        else:
            assert int(address, 16) in guest.linux.symbols.kernel.all(name), line
        checked += 1
    assert checked > 200


def neighbours(guest: Guest) -> list[tuple[int, int]]:
    """Addresses of symbols that follow each other in /proc/kallsyms, which has the kernel's own in ascending order."""
    rows = [line.split() for line in guest.truth.lines("neighbours") if line]
    known = {int(row[0]): int(row[1], 16) for row in rows if len(row) == 4}
    return [(known[n], known[n + 1]) for n in known if n + 1 in known and known[n] >= 1 << 63]


def test_random_addresses_symbolise_as_kallsyms_says(guest: Guest) -> None:
    """Between two neighbours, an address belongs to the first."""
    chance = random.Random(2)
    pairs = [(start, end) for start, end in neighbours(guest) if start < end <= start + (1 << 16)]
    assert len(pairs) >= 100
    for start, end in pairs:
        address = chance.randrange(start, end)
        location = guest.linux.symbols.nearest(address)
        assert location is not None, hex(address)
        assert (location.symbol.address, location.offset) == (start, address - start)
        assert start in guest.linux.symbols.kernel.all(location.symbol.name)


def test_a_kernel_that_unpacks_itself_is_elsewhere(guest: Guest, request: pytest.FixtureRequest) -> None:
    """Unless it is told not to, or has its place from the loader."""
    stays = request.node.callspec.params["guest"][1] in ("nokaslr", OWN)
    assert (guest.linux.slide == 0) is stays


def test_ps_lists_the_processes_of_proc_with_parents_states_and_names(guest: Guest) -> None:
    said = stat_rows(guest)
    seen = {task.pid: task for task in guest.linux.tasks()}
    printers = set(said) ^ set(seen)
    later = {pid for pid in printers - set(said) if seen[pid].name == "sleep" or seen[pid].command_line.endswith(BUSY)}
    assert printers - set(said) == later, "only short-lived children, and loops that come after, may differ"
    assert len(set(said) & set(seen)) > 40
    for pid in set(said) & set(seen):
        name, fields = said[pid]
        assert name.startswith(seen[pid].name) or seen[pid].name == "init", pid
        assert seen[pid].parent == int(fields[1])
        assert seen[pid].state == fields[0] or pid == 1 or seen[pid].is_kernel


def test_cpu_time_is_that_of_proc_to_a_clock_tick(guest: Guest) -> None:
    for pid, (_, fields) in stat_rows(guest).items():
        task = next((task for task in guest.linux.tasks() if task.pid == pid), None)
        if task is None or task.is_kernel or pid == 1:
            continue
        assert abs(task.cpu_time - (int(fields[11]) + int(fields[12])) * JIFFY) <= 2 * JIFFY, pid


def test_the_quick_way_to_the_current_task(guest: Guest) -> None:
    quick = guest.linux.current_locator().read(guest.view.memory, guest.view.register)
    assert quick is not None
    assert (quick.address, quick.pid) == (guest.linux.current().address, guest.linux.current().pid)


def test_the_tree_puts_children_behind_their_parents(guest: Guest) -> None:
    above: dict[int, int] = {}
    for task in guest.linux.tasks():
        if task.parent and task.pid == task.process:
            assert task.depth == above[task.parent] + 1
        above[task.pid] = task.depth


def test_command_lines_come_from_user_memory(guest: Guest) -> None:
    shown = {task.pid: task.command_line for task in guest.linux.tasks()}
    for pid, said in guest.truth.processes("cmdline").items():
        if pid in shown:
            assert shown[pid] == said.strip(), pid
    assert any("sleep 100000" in line for line in shown.values())


def test_the_log_is_that_of_dmesg(guest: Guest) -> None:
    said = [line for line in guest.truth.lines("dmesg") if line]
    shown = [
        f"<{record.facility << 3 | record.level}>{line}"
        for record in guest.linux.dmesg()
        for line in str(record).split("\n")
    ]
    assert shown[: len(said)] == said
    assert len(said) > 250


def test_modules_are_those_of_proc_modules(guest: Guest) -> None:
    said = [line.split() for line in guest.truth.lines("modules") if line]
    shown = [
        [module.name, str(module.size), str(module.references), "-", module.state, hex(module.base)]
        for module in guest.linux.modules()
    ]
    assert shown == [fields[:6] for fields in said]
    assert [row[0] for row in shown] == ["dummy", "loop", "brd"]


def test_mounts_are_those_of_mountinfo(guest: Guest) -> None:
    shown = {
        (
            row.id,
            row.parent,
            f"{row.device[0]}:{row.device[1]}",
            row.target,
            ",".join(row.options),
            row.type,
            row.source,
        )
        for row in guest.linux.mounts()
    }
    said = set()
    for line in guest.truth.lines("mounts"):
        if line:
            left, right = line.split(" - ")
            number, parent, device, _, target, options, *_ = left.split()
            said.add((int(number), int(parent), device, target, options, *right.split()[:2]))
    assert shown == said


def test_open_files_are_those_of_proc_fd(guest: Guest) -> None:
    said = guest.truth.processes("fd")
    running = {task.pid for task in guest.linux.tasks() if not task.is_kernel and task.pid != 1}
    checked = 0
    for pid in running & set(said):
        expected = [line for line in said[pid].splitlines() if line]
        assert [f"{file.descriptor} {file.path}" for file in guest.linux.files(pid)] == expected
        checked += len(expected)
    assert checked >= 15


def test_memory_maps_are_those_of_proc_maps(guest: Guest) -> None:
    said = guest.truth.processes("maps")
    running = {task.pid for task in guest.linux.tasks() if not task.is_kernel}
    checked = 0
    for pid in running & set(said):
        expected = []
        for line in said[pid].splitlines():
            if line:
                span, permissions, offset, _, _, *path = line.split()
                expected.append(f"{span} {permissions} {offset} {' '.join(path)}".rstrip())
        assert [str(area) for area in guest.linux.maps(pid)] == expected
        checked += len(expected)
    assert checked >= 50


def test_user_programs_are_told_by_their_build_id(guest: Guest) -> None:
    """busybox is not relocated, and is the one on the host."""
    (program,) = guest.linux.user_programs(1)
    assert program.path == "/bin/busybox"
    assert program.slide == 0
    host = Path(shutil.which("busybox") or "").read_bytes()
    assert bytes.fromhex(program.build_id) in host
    assert len(program.build_id) == 40
    assert guest.linux.user_programs(2) == ()


def test_interrupts_count_at_least_what_was_printed(guest: Guest) -> None:
    shown = {row.line: row for row in guest.linux.interrupts()}
    header, *lines = guest.truth.lines("interrupts")
    counts = rf"(?: +\d+){{{len(header.split())}}}"
    form = re.compile(rf" *(\d+):({counts}) +(\S+) +\S+ +(.*)")
    for match in filter(None, map(form.match, lines)):
        if match[4] not in ("ttyS1",):
            row = shown[int(match[1])]
            assert row.chip == match[3]
            assert list(row.actions) == match[4].split(", ")
            for said, count in zip(map(int, match[2].split()), row.counts, strict=True):
                assert said <= count <= said + 5000


def test_timers_include_every_sleeper_of_timer_list(guest: Guest) -> None:
    shown = {(timer.function, timer.expires) for timer in guest.linux.timers()}
    said = re.findall(r"#\d+: .*?, (\w+), S:\d+.*\n # expires at \d+-(\d+) nsecs", guest.truth["timer_list"])
    sleepers = [(name, int(expires)) for name, expires in said if name == "hrtimer_wakeup"]
    assert len(sleepers) >= 3
    for sleeper in sleepers:
        assert sleeper in shown


def test_timers_name_the_sleepers_that_they_wake(guest: Guest) -> None:
    """What /proc/PID/syscall shows in clock_nanosleep."""
    asleep = {f"sleep ({pid})" for pid, (name, _) in stat_rows(guest).items() if name == "sleep"}
    woken = {timer.purpose for timer in guest.linux.timers()}
    assert len(asleep & woken) >= 3
    assert any(timer.function == "delayed_work_timer_fn" and timer.purpose for timer in guest.linux.timers())


def test_programs_are_those_of_the_initial_ramdisk(guest: Guest) -> None:
    kernel = guest.linux.kernel
    (program,) = (one for one in guest.linux.user_programs(1) if one.path == "/bin/busybox")
    assert program.build_id == file_build_id(busybox())
    assert program.slide == 0
    area = next(area for area in guest.linux.maps(1) if area.path == program.path)
    file = kernel.object("struct vm_area_struct", area.address).vm_file
    assert first_page(kernel, file) == busybox().read_bytes()[:PAGE]


def test_slab_caches_are_those_of_slabinfo(guest: Guest) -> None:
    said = {line.split()[0]: line.split() for line in guest.truth.lines("slabinfo")[2:] if line}
    shown = {row.name: row for row in guest.linux.slab_caches()}
    assert set(said) == set(shown)
    same = [
        name
        for name, fields in said.items()
        if [str(shown[name].active), str(shown[name].total), str(shown[name].slot)] == fields[1:4]
    ]
    assert len(same) > 0.85 * len(said), "a few caches grow while /proc is read"
    assert all(str(shown[name].slot) == fields[3] for name, fields in said.items())


def test_system_information(guest: Guest) -> None:
    info = guest.linux.info()
    assert info.banner == guest.truth["version"].strip()
    assert info.command_line == guest.truth["cmdline"].strip()
    assert str(info.tainted) == guest.truth["tainted"].strip()
    said = float(guest.truth["uptime"].split()[0]) * 1e9
    assert said <= info.uptime <= said + 5e9


def test_build_id_is_that_of_the_notes(guest: Guest) -> None:
    notes = "".join(guest.truth["notes"].split())
    assert guest.linux.boot.build.build_id in notes
    assert len(guest.linux.boot.build.build_id) == 40


def spelled(trace: Backtrace) -> list[str]:
    rows = []
    for frame in trace.frames:
        if frame.location is not None:
            symbol = frame.location.symbol
            module = f" [{symbol.module}]" if symbol.module else ""
            rows.append(f"{symbol.name}+{frame.location.offset:#x}/{symbol.size:#x}{module}")
    return rows


def test_sleeping_tasks_unwind_as_proc_stack_says(guest: Guest) -> None:
    said = guest.truth.processes("stack")
    same = different = 0
    for task in guest.linux.tasks():
        if task.pid not in said or task.is_current:
            continue
        expected = [line.split("] ", 1)[1] for line in said[task.pid].splitlines() if "] " in line]
        trace = guest.linux.backtrace(task)
        assert trace.complete, (task, trace.stopped)
        assert trace.frames[-1].kind is (FrameKind.CALL if task.is_kernel else FrameKind.USER)
        if expected and spelled(trace)[-len(expected) :] == expected:
            same += 1
        else:
            different += 1
    assert same > 40
    assert different <= 3, "a thread of the kernel may have run in between"


def test_without_tables_the_stack_is_searched_and_guesses_are_marked(guest: Guest) -> None:
    """What is guessed holds every true frame, in order, up to where it gives up."""
    blind = Unwinder(guest.linux.kernel, None)
    for task in [task for task in guest.linux.tasks() if task.is_kernel and not task.is_current][:10]:
        exact = spelled(guest.linux.backtrace(task))
        trace = blind.sleeping(guest.linux.task(task.pid))
        guessed = iter(spelled(trace))
        assert all(row in guessed for row in exact[:4]), task
        assert {frame.kind for frame in trace.frames[1:]} <= {FrameKind.GUESS, FrameKind.CALL}
        assert trace.stopped
        assert not trace.complete


def test_the_idle_task_unwinds_to_the_kernels_start(guest: Guest) -> None:
    if guest.linux.current().pid:
        pytest.skip("a loop keeps its CPU busy")
    trace = guest.linux.backtrace()
    assert trace.complete
    names = [frame.location.symbol.name for frame in trace.frames if frame.location]
    assert "do_idle" in names
    assert names[-1].startswith(("secondary_startup_64", "common_startup_64"))
    assert {frame.stack for frame in trace.frames} == {"task"}


def test_blocked_system_calls_are_those_of_proc_syscall(guest: Guest) -> None:
    said = guest.truth.processes("syscall")
    texts = []
    for task in guest.linux.tasks():
        fields = said.get(task.pid, "").split()
        if task.is_kernel or len(fields) < 9 or task.pid == 1:
            continue
        registers = guest.linux.unwinder.system_call_registers(guest.linux.task(task.pid))
        names = ("orig_rax", "rdi", "rsi", "rdx", "r10", "r8", "r9", "rsp", "rip")
        assert [registers[name] for name in names] == [int(field, 0) for field in fields]
        texts.append(str(guest.linux.invocation(registers, guest.linux.task(task.pid))))
    assert any(text.startswith("clock_nanosleep(which_clock=CLOCK_REALTIME, flags=0, rqtp=0x") for text in texts)
    assert 'openat(dfd=AT_FDCWD, filename="/tmp/fifo", flags=O_RDONLY, mode=0o0)' in texts


def test_lists_and_containers(guest: Guest) -> None:
    kernel = guest.linux.kernel
    init = kernel["init_task"]
    type_ = kernel.type("struct task_struct")
    leaders = list(list_entries(init.tasks, type_, "tasks"))
    assert [leader.pid for leader in leaders][:2] == [1, 2]
    assert leaders[0].tasks.container_of_(type_, "tasks").comm == "init"
    assert leaders[0].mm.pgd.container_of_ is not None
    assert leaders[1].comm == "kthreadd"
    assert not leaders[1].mm
