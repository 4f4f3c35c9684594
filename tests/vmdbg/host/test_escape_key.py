from vmdbg.host.escape_key import EscapeKey, KeyCommand


def make() -> tuple[EscapeKey, list[str]]:
    done: list[str] = []
    commands = {"q": KeyCommand("quit", lambda: done.append("quit"))}
    return EscapeKey(commands, done.append), done


def test_other_keys_pass() -> None:
    keys, done = make()
    assert keys.filter(bytes(range(0x1D)) + b"abc\xff") == bytes(range(0x1D)) + b"abc\xff"
    assert not done


def test_a_command_is_not_typed() -> None:
    keys, done = make()
    assert keys.filter(b"a\x1dQb") == b"ab"
    assert done == ["quit"]


def test_the_escape_key_may_come_alone() -> None:
    keys, done = make()
    assert keys.filter(b"\x1d") == b""
    assert keys.filter(b"q") == b""
    assert done == ["quit"]


def test_twice_sends_it() -> None:
    keys, done = make()
    assert keys.filter(b"\x1d\x1dq") == b"\x1dq"
    assert not done


def test_an_unknown_key_shows_all() -> None:
    keys, done = make()
    assert keys.filter(b"\x1dh") == b""
    assert "quit" in done[0]
    assert "Ctrl-]" in done[0]
