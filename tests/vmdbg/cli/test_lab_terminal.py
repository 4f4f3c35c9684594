"""A lab's prompt at a terminal: it is a machine's, with words of its own."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from tests.vmdbg.cli.test_terminal_session import Terminal
from tests.vmdbg.lab.couriers import courier_image, two_couriers
from vmdbg.api.lab import Lab
from vmdbg.cli.lab_prompt import LabPrompt
from vmdbg.cli.lab_terminal import LabCompleter


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    plan = tmp_path / "lab.toml"
    plan.write_text(
        f'[machines.anna]\nkernel = "{courier_image(starts=True)}"\nmemory = "2M"\n[machines.idle]\nmemory = "16M"\n'
    )
    made = Terminal(str(plan), "--repl", command="lab")
    yield made
    made.close()


def test_lines_are_completed_and_the_panel_shows_the_machine(terminal: Terminal) -> None:
    terminal.expect(b"registers: real")
    terminal.expect(b"anna>")
    terminal.type(b"do cr\t")
    terminal.expect(b"crash")
    terminal.type(b" idle\r")
    terminal.expect(b"s of the lab's clock")
    terminal.type(b"machine idle\r")
    terminal.expect(b"there is no machine 'idle' that is on; there are: anna")
    terminal.type(b"stepi\r")
    terminal.expect(b", tick 1")
    terminal.type(b"\r")
    terminal.expect(b", tick 2")
    terminal.type(b"quit\r")
    assert terminal.ended() == 2  # a line failed


def test_control_c_ends_a_run_and_not_the_prompt_and_a_signal_ends_both(terminal: Terminal) -> None:
    terminal.expect(b"anna>")
    terminal.type(b"run 1000000s\r")
    terminal.expect(b"idle| ")
    terminal.process.send_signal(signal.SIGINT)
    terminal.expect(b"interrupted")
    terminal.expect(b"anna>")
    terminal.type(b"machines\r")
    terminal.expect(b"stands")
    terminal.expect(b"anna>")
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ended() == 128 + signal.SIGTERM
    assert b"Traceback" not in terminal.seen


def _completed(lab: Lab, line: str) -> list[str]:
    prompt = LabPrompt(lab, lambda _machine, _data, _at: None, lambda: None)
    completer = LabCompleter(prompt.words(), prompt.session)
    return [one.text for one in completer.get_completions(Document(line), CompleteEvent())]


def test_a_labs_own_words_and_a_machines_are_completed() -> None:
    with Lab(two_couriers()) as lab:
        assert _completed(lab, "machi") == ["machine", "machines"]
        assert _completed(lab, "machine b") == ["ben"]
        assert _completed(lab, "do c") == ["crash", "cut"]
        assert _completed(lab, "do cut n") == ["null"]
        assert "reverse-stepi" in _completed(lab, "reverse-")
        assert "rax" in _completed(lab, "registers ra")
        assert _completed(lab, "goto en") == ["end"]
