"""`python -m sojourn`: the program `sojourn`, where its script is not on the PATH."""

from sojourn.cli import main

main()
