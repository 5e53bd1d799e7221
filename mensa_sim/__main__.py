"""`python -m mensa_sim` is the `mensa-sim` script."""

from mensa_sim.cli.main import main

main()
