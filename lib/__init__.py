"""Train networks, measure what that takes, and say what the figures are worth."""

import sys

__version__ = "0.1.0"

# Whoever imports nbformat would have jsonschema compile a grammar of addresses in other scripts,
# which takes 0.7 s in each process and which no notebook needs; without it, jsonschema goes on.
sys.modules.setdefault("rfc3987_syntax", None)
