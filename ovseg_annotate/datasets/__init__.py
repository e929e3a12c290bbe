"""Pictures with known answers: generated scenes and readers of public layouts."""
