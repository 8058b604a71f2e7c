"""The study file, the fields of a run, the plan."""
