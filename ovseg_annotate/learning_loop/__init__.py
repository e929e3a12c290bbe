"""From corrections to better suggestions: what to look at next, and what a person's answer says."""
