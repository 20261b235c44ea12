"""``python -m samebut`` is the command."""

from samebut.cli import main

main()
