"""Tasks of a real Linux whose names are markup: shown as they are, wherever names are shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.guests.build import compile_c
from tests.linux_assets import PROMPT, AssetsMissingError, busybox_initrd, cloud_kernel
from tests.vmdbg.web.browser import Browser, browser, served
from tests.vmdbg.web.page import Page, joined

NAMES = ("<i id=evil>", "<img src=x>", "<script>evil", "&lt;b&gt;", "a\\033[31mred")
"""Linux keeps 15 bytes of one."""
SOURCE = """
static long call(long number, long one, long two)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(one), "S"(two), "d"(0L) : "rcx", "r11", "memory");
    return result;
}

static const char *const names[] = { %s };

void _start(void)
{
    long pause[2] = { 0, 20 * 1000 * 1000 };
    unsigned int number = 0;

    while (number < sizeof names / sizeof *names - 1 && call(57, 0, 0) == 0)
        number++;
    call(157, 15, (long) names[number]);
    for (;;) {
        for (volatile int spin = 0; spin < 3000000; spin++)
            ;
        call(35, (long) pause, 0);
    }
}
"""
"""fork (57), prctl (157) with PR_SET_NAME (15), nanosleep (35): Linux, arch/x86/entry/syscalls/syscall_64.tbl."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_names_of_tasks_cannot_script_the_page(chromium: Browser) -> None:
    source = SOURCE % ", ".join(f'"{name}"' for name in NAMES)
    program = compile_c(source, text_address=0x400000, flags=("-mcmodel=small",)).read_bytes()
    try:
        kernel, initrd = cloud_kernel(), busybox_initrd({"evil": program, "autorun": b"#!/bin/sh\n/evil &\n"})
    except AssetsMissingError as error:
        pytest.skip(str(error))
    words = ("--kernel", str(kernel), "--initrd", str(initrd), "--append", "console=ttyS0", "--memory", "128M")
    with served(*words, "--serial", "none", "--no-realtime") as (url, _):
        with joined(url, stands=False) as first:
            while PROMPT not in first.console:
                first.take()
            first.ask("pause")
            first.stands()
            while not all(name in str(first.ask("command", line="ps")) for name in NAMES[:4]):
                first.go("go", to="+50M")
            first.go("go", to="+200M")  # so that each comes to run under its name
            while not ran(first) & set(NAMES):
                with contextlib.suppress(TimeoutError):  # the copy that counts has low priority
                    first.take()
        page = chromium.open(url)
        page.until_stands()
        page.do("press", "/")
        for line in ("ps", "query switches --from -30M --limit 40"):
            page.do("fill", ".query input", line)
            page.do("press", "Enter")
            page.until(f"document.querySelector('.answer code')?.textContent === {line!r}")
            page.until_text(".answers", NAMES[0])
        page.do("click", "#tab-views")
        page.until_text("#view-views", NAMES[1])
        page.until("vmdbg.timeline.known.processes?.some((one) => one.name.startsWith('<'))")
        page.do("mouse", "move", 640, 150)
        for selector in ("#evil", ".panel img:not(.screen img)", "body script", "i", "b"):
            assert page.evaluate(f"document.querySelectorAll({selector!r}).length") == 0, selector
        assert "\x1b" not in page.evaluate("document.body.textContent")
        assert chromium.said == []


def ran(page: Page) -> set[str]:
    """Names of those that the timeline knows."""
    return {one["name"] for one in page.ask("strip", start=0, end=page.state["end"], stretches=64)["processes"]}
