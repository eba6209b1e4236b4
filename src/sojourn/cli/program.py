"""The program's commands put together, and its errors shown in a line instead of a traceback."""

from __future__ import annotations

import errno
import sys
import traceback

import click

from sojourn import __version__
from sojourn.core.errors import SojournError, StoreUnavailable

from .admin import admin
from .audit import audit
from .cleanup import cleanup, stats
from .copy import copy
from .demo import demo
from .doctor import doctor
from .exit import Exit
from .keys import keys
from .migrate import migrate
from .policy import policy
from .revoke import revoke
from .serve import serve
from .sessions import list_, show
from .streams import Unwritten, give_up_output
from .terminal import colour
from .torture import torture
from .user import erase, export

__all__ = ["program", "run"]

EXIT_CODES = """\b
Exit codes:
  0  done, or found
  1  nothing found, or it did not apply (an unknown id, a policy that departs, a store that loses)
  2  wrong usage or configuration
  3  the store is unavailable
  70  a bug of Sojourn's, with a traceback
  74  the output could not be written
  130  interrupted
"""


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="sojourn")
@click.pass_context
def program(ctx: click.Context) -> None:
    """See, end and clean up the sessions of an application.

    The store is given with --store, or once in the environment as SOJOURN_STORE.
    """
    ctx.color = colour()


for _command in (
    list_,
    show,
    revoke,
    export,
    erase,
    cleanup,
    stats,
    copy,
    migrate,
    policy,
    serve,
    admin,
    keys,
    audit,
    torture,
    doctor,
    demo,
):
    program.add_command(_command)


def run() -> int:
    """Run the command line that the process was given; its exit code. After prepare_streams."""
    try:
        code = int(program.main(prog_name="sojourn", standalone_mode=False) or Exit.DONE)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return Exit.INTERRUPTED
    except Unwritten as error:
        return _fail_to_write(error)
    except StoreUnavailable as error:
        return _fail(error, Exit.UNAVAILABLE)
    except SojournError as error:
        return _fail(error, Exit.USAGE)
    # Python's own code for a traceback is 1, which a script would take for "nothing found".
    except Exception:  # noqa: BLE001  # it is shown in full
        traceback.print_exc()
        return Exit.BUG
    return code


def _fail_to_write(error: Unwritten) -> int:
    cause = error.__cause__
    assert isinstance(cause, OSError)
    give_up_output()
    # Who reads no further, `head` say, has what it wanted.
    if cause.errno != errno.EPIPE:
        click.echo(f"Error: The output could not be written: {cause.strerror}.", err=True)
    return Exit.UNWRITTEN


def _fail(error: SojournError, code: Exit) -> int:
    click.echo(f"{click.style('Error:', fg='red')} {error}", err=True, color=colour())
    return code
