"""Heads that refine a volume of cosines: torch modules that several engines are made of."""
