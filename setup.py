"""Which packages labelvet has: every folder with an ``__init__.py``, as ``labelvet.<folder>``."""

from setuptools import find_packages, setup

setup(packages=["labelvet", *(f"labelvet.{name}" for name in find_packages())])
