"""What leaves a finished study for others: `--export` and `--package`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lib.analysis import results
from lib.execution import package
from lib.report import exports
from lib.text import readable


def execute(folder: Path, export: str | None, target: Path | None, console: Console) -> bool:
    """Write a study in a format of others, pack it, or both, and say what was written.

    Args:
        folder: The study's.
        export: One of `lib.report.exports.FORMATS`; None for none.
        target: The package to write; None for none.
        console: To say it on.

    Raises:
        UserError: If there is no finished study.
    """
    if export is not None:
        paths = exports.write(results.load(folder), export)
        console.print(f"{len(paths)} files of {export} in {folder / 'exports'}", soft_wrap=True)
    if target is not None:
        packed = package.package(folder, target.expanduser())
        size = target.expanduser().stat().st_size / 1e6
        console.print(f"{target}: {packed.files} files, {size:.1f} MB", soft_wrap=True)
        for name, why in packed.left_out.items():
            console.print(f"Left out: {readable(name)}, which {why}", soft_wrap=True)
    return True
