"""Groups of commands that ``samebut.cli`` puts together. Heavy imports stay inside commands."""
