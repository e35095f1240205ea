"""``reasonforge doctor``: is everything here that a run needs?"""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Also import PyTorch and look for a GPU (takes seconds).")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Check this machine: Python, packages, processor, memory, compiler, disk. Exit code 69 when something essential is missing."""
    from reasonforge.cli.checks import ESSENTIAL_MISSING, all_checks

    checks = all_checks(deep=deep)
    width = max(len(check.name) for check in checks)
    for check in checks:
        hint = f"  ->  {check.hint}" if check.hint else ""
        print(f"{check.status:4}  {check.name:{width}}  {check.found}{hint}")
    return ESSENTIAL_MISSING if any(check.status == "fail" for check in checks) else 0
