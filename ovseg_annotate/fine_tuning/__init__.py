"""Fine-tuning of a trained head on corrections, as a job that outlives stops and kills."""
