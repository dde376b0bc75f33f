"""Allow `python -m imuscribe`."""

from imuscribe.cli import main

main()
