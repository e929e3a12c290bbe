"""From coarse scores to pixel-accurate borders."""
