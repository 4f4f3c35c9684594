"""`vmdbg explore`: run what a recording holds by other schedules, until it fails."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vmdbg.cli.arguments import Parser
from vmdbg.cli.run_options import add_checkpoint_memory, add_left_out, add_symbols
from vmdbg.errors import UserError
from vmdbg.host.exit_code import ExitCode
from vmdbg.host.terminal import message
from vmdbg.host.values import searched_text, tick
from vmdbg.timeline.mark_forms import FORMS

if TYPE_CHECKING:
    from vmdbg.host.exploration import Exploration, Seeds, Trial
    from vmdbg.timeline.outcomes import Progress

DEFAULT_TRIED = "pct:1..200,8,grain=10k"
DEFAULT_WITHIN = 1_000_000_000
EXAMPLES = r"""A run has failed if the guest panics, or dies or ends without TEXT, or has not shown it in time; without
--until if it dies or does not end in order. What a run costs is the part after POSITION alone. pct counts the ticks at
which several CPUs could run: how many there are is measured first, in a run without a change of priorities.

examples:
  vmdbg record good.rec --cpus 2 --kernel vmlinuz --initrd test.cpio --until "test: done"
  vmdbg explore good.rec bad.rec --from '"test: begins"' --until "test: passed"
  vmdbg replay bad.rec --repl

exit codes: 0 all runs passed, 1 one failed and is recorded, 2 bad usage, 3 an engine failure
"""


def add_parser(commands: argparse._SubParsersAction[Parser], line: str) -> None:
    parser = commands.add_parser(
        "explore",
        help=line,
        description="From an instant of a recording on, have the turns of its CPUs by one schedule after the other, "
        "until a run fails: that one is written to a new recording.",
        epilog=f"A POSITION is {FORMS}. {EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("recording", metavar="RECORDING")
    parser.add_argument("failing", metavar="NEW", help="the new recording, of the first run that fails")
    start = "where the runs part; what is recorded to be typed later is not typed (start)"
    parser.add_argument("--from", dest="begin", default="start", metavar="POSITION", help=start)
    passed = "a run has passed when a console shows TEXT"
    parser.add_argument("--until", type=searched_text, default=b"", metavar="TEXT", help=passed)
    longest = "how long it may take for that, from POSITION on (1G)"
    parser.add_argument("--within", type=tick, default=DEFAULT_WITHIN, metavar="TICKS", help=longest)
    tried = f"pct:FIRST..LAST or random:FIRST..LAST, with the settings of --schedule ({DEFAULT_TRIED})"
    parser.add_argument("--try", dest="tried", default=DEFAULT_TRIED, metavar="SCHEDULES", help=tried)
    add_symbols(parser)
    add_left_out(parser)
    add_checkpoint_memory(parser.add_argument_group("history"))
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Raises UserError, RecordingError, EngineError."""
    from vmdbg.cli.history import go_to_mark, progress_shown, warn_of_damage  # much to load, for this command only
    from vmdbg.cli.symbol_files import symbol_files
    from vmdbg.host.exploration import Exploration, Seeds
    from vmdbg.recording.reader import open_recording
    from vmdbg.recording.replay import replay
    from vmdbg.recording.save import save_recording
    from vmdbg.session.new_files import AnywhereNew

    seeds = Seeds.parse(options.tried)
    failing = AnywhereNew().place(options.failing)
    recording = open_recording(options.recording, options.left_out)
    warn_of_damage(recording, message)
    timeline = replay(recording, budget=options.checkpoint_memory, closed=False)
    try:
        with progress_shown("replaying") as progress:
            go_to_mark(timeline, options.begin, symbol_files(options.symbols), progress)
        exploration = Exploration(timeline, options.until, options.within)
        with progress_shown("trying schedules") as progress:
            failed = _first_failure(exploration, seeds, progress)
        if failed is None:
            return ExitCode.DONE
        save_recording(timeline, failing)
        message(f"{failing}: that run, up to there; `vmdbg replay {failing}` has it again")
        return ExitCode.GUEST_DIED
    finally:
        timeline.machine.close()


def _first_failure(exploration: Exploration, seeds: Seeds, progress: Progress) -> Trial | None:
    """Said, whatever comes of it."""
    trial, measured = exploration.measured(seeds)
    if trial.failure:
        message(f"{trial.schedule}, in which no priority changes: {trial.failure}")
        return trial
    if not trial.contended and trial.contended is not None:
        raise UserError("never could two CPUs run at a time there: no schedule makes a difference; is it the place?")
    if trial.contended:
        message(f"several CPUs could run at {trial.contended:,} ticks from {exploration.start} on")
    for number, trial in enumerate(exploration.trials(measured)):
        progress(number / len(measured.seeds))
        if trial.failure:
            message(f"run {number + 1} of {len(measured.seeds)}, by {trial.schedule}: {trial.failure}")
            return trial
    message(f"all of {measured} passed: {len(measured.seeds)} runs")
    return None
