"""A plan executed: here, on a Dask cluster, on Kaggle."""
