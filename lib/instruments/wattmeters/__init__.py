"""Wattmeters that are asked while a run is measured: a file each."""
