"""What every HTTP server here stands on: work, bodies, metrics, logs, and pictures of others."""
