"""`python -m ovseg_annotate.cli`, for places where the console script is not on the path."""

from ovseg_annotate.cli import main

main()
