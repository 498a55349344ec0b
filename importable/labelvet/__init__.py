"""Stands in for the folder two levels up, so that it can be imported as ``labelvet`` whatever it
is called: put the folder ``importable`` on ``sys.path`` or ``PYTHONPATH``."""

from pathlib import Path

_root = Path(__file__).resolve().parents[2]
__path__ = [str(_root)]
__file__ = str(_root / "__init__.py")
exec(compile(Path(__file__).read_bytes(), __file__, "exec"))
